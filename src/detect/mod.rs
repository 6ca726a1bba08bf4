//! The published systems. Each takes a batch of images and gives maps, scores and reconstructions.
pub mod anoddpm;
mod calibration;
pub mod config;
mod dial;
mod embed;
mod folder;
mod identity;
mod score;

pub use anoddpm::{AnoDdpm, Batch};
pub use calibration::{Calibration, PixelHistogram};
pub use config::DetectorConfig;
pub(crate) use dial::balanced_threshold;
pub use dial::{Dial, DialData, DialRow, Measure, Quality};
pub use embed::Embedded;
pub use folder::ModelFolder;
pub use score::score;
