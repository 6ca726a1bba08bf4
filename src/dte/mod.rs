//! Diffusion time estimation (Livernoche, Jain, Hezaveh, Ravanbakhsh, ICLR 2024): how far along a diffusion a row of a
//! table looks is how anomalous it is.
mod metrics;
mod protocol;
mod random_state;
mod scaler;

pub use metrics::{average_precision, f1_at_anomalies, roc_auc};
pub use protocol::{Protocol, Setting, Split};
pub use random_state::RandomState;
pub use scaler::Scaler;
