//! Diffusion time estimation (Livernoche, Jain, Hezaveh, Ravanbakhsh, ICLR 2024): how far along a diffusion a row of a
//! table looks is how anomalous it is.
mod estimator;
mod eval;
mod images;
mod kind;
mod model;
mod networks;
mod np;
mod protocol;
#[cfg(feature = "tables")]
mod published;
mod random_state;
mod scaler;
mod seen;
mod settings;
mod train;

pub use estimator::{Estimator, FitSettings};
pub use eval::{dataset_name, evaluate_table};
pub use images::{Extractor, Features};
pub use kind::EstimatorKind;
pub use model::{CONFIG_FILE, MODEL_FILE, Model};
pub use networks::{BINS, Network, NetworkKind, SCALES, linear_schedule};
pub use np::{Estimate, NEIGHBOURS, NEIGHBOURS_UNSUPERVISED, STEPS};
pub use protocol::{MAX_ROWS, Protocol, Setting, Split};
#[cfg(feature = "tables")]
pub use published::read_published;
pub use random_state::RandomState;
pub use scaler::Scaler;
pub use seen::SeenRows;
pub(crate) use seen::fitted_to;
pub(super) use settings::SETTINGS;
pub use settings::{Dte, FEATURES_FILE};
pub use train::{Recipe, train};
