//! Residua finds what does not belong in an image: a diffusion model that has only seen normal data
//! heals the image, and what the healing removed is the anomaly.
//!
//! Layers, arrows pointing down only: `cli` → [`detect`], [`eval`] → [`data`], [`report`] → [`diffusion`] →
//! [`model`] → [`graph`] → [`kernels`] → [`gpu`]; the [`cpu`] module runs the same plans without a GPU.
//!
//! Cargo features: `volumes` reads and writes NIfTI; `tables` reads CSV, `.npz` and Parquet and writes `results.csv`; `cli`, the
//! default, is the program, and takes both. Without any, all systems run on images, in files and in textures of a host.
#![warn(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "cli")]
pub mod cli;
pub mod cpu;
pub mod data;
pub mod detect;
mod device;
pub mod diffusion;
mod error;
pub mod eval;
pub mod gpu;
pub mod graph;
mod hex;
pub mod kernels;
pub mod model;
pub mod report;
pub mod score;
pub mod tensor;
pub mod verify;

pub use device::{Device, Session};
pub use error::{Error, Result};
pub use tensor::{Shape, Tensor};
/// The wgpu that Residua is built on, so that a host cannot end up with two versions.
pub use wgpu;
