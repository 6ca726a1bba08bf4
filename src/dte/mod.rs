//! Diffusion time estimation (Livernoche, Jain, Hezaveh, Ravanbakhsh, ICLR 2024): how far along a diffusion a row of a
//! table looks is how anomalous it is.
mod eval;
mod metrics;
mod model;
mod np;
mod protocol;
mod random_state;
mod scaler;

pub use eval::{Evaluation, dataset_name, evaluate, read_published};
pub use metrics::{f1_at_anomalies, measures};
pub use model::{Method, Model};
pub use np::{Estimate, NEIGHBOURS, NEIGHBOURS_UNSUPERVISED, NonParametric, STEPS, variances};
pub use protocol::{MAX_ROWS, Protocol, Setting, Split};
pub use random_state::RandomState;
pub use scaler::Scaler;
