//! The published systems, and everything that takes any of them: a model folder, the job of a batch, a scorer of images, thresholds
//! from normal images, settings measured on labelled ones, a detector inside another program.
pub mod anoddpm;
mod calibration;
pub mod config;
mod dial;
pub mod dte;
mod embed;
mod evaluate;
mod folder;
mod identity;
mod items;
mod job;
mod map;
pub mod networks;
pub mod pddpm;
mod plain;
mod score;
mod scorer;
mod segment;
mod settings;
mod system;
mod taken;
pub mod wolleb;

pub use calibration::{Calibrated, Calibration, PixelHistogram, Scope, ScoreOf, calibrate};
pub use config::DetectorConfig;
pub use dial::{Dial, DialData, DialRow, Measure, Measured, Quality, measure};
pub use embed::Embedded;
pub use evaluate::{Evaluated, evaluate, evaluate_results};
pub use folder::ModelFolder;
pub use items::{Item, Slice, expand};
pub use job::{Batch, Job, Outputs, Phase, Runner};
pub use plain::Scheduler;
pub use score::score;
pub use scorer::{Finished, Progress, Scored, ScoredVolume, Scorer, ScoringOptions};
pub use segment::segment;
pub use settings::{Range, Setting};
pub use system::System;
