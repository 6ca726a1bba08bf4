//! The kernels of training: what only `dte fit` needs. Rows of a minibatch are samples, (B,1,1,C).
mod adam;
pub mod batch_norm;
mod dense;
mod dropout;
mod loss;
mod sampling;

pub use adam::Adam;
pub use batch_norm::BatchNorm;
pub use dense::{Dense, Way};
pub use dropout::{ActGradient, Dropout};
pub use loss::{Loss, LossKind};
pub use sampling::{Diffuse, Gather, Times};
