//! Residua finds what does not belong in an image: a diffusion model that has only seen normal data restores the image, and what
//! the restoration removed is the anomaly. It runs published systems from their own pretrained weights, on any GPU that speaks
//! Vulkan, Metal or DX12 through hand-written WGSL, and with the same code on the processor.
//!
//! # The way through
//!
//! A **model folder** holds `detector.json` (the system and its settings) and safetensors files (its networks). A **system** makes
//! a **job** of it: the graph of one batch, with the order in which its sections run. A **runner** puts the job onto a **device**.
//!
//! ```no_run
//! use residua::detect::{ModelFolder, Runner};
//! use residua::{Device, Shape, Tensor};
//!
//! # fn main() -> residua::Result<()> {
//! let model = ModelFolder::open("weights/texture")?;
//! let device = pollster::block_on(Device::select("auto"))?;
//! let input = model.config.image()?;
//! let image = Tensor::zeros(Shape::new(1, input.height, input.width, input.channels));
//! // The library never blocks: it gives futures, which a program without an event loop drives.
//! let mut runner = device.drive(Runner::new(&device, model.job(1)?))?;
//! let batch = device.drive(runner.run(&image, 0, |_steps_done| true))?;
//! let map = batch.map.expect("AnoDDPM makes a map");
//! assert_eq!(map.shape, image.shape.with_c(1));
//! # Ok(())
//! # }
//! ```
//!
//! A **scorer** does the rest for files: reading, scaling, batches, volumes as a whole, what cannot be read.
//!
//! ```no_run
//! use residua::Device;
//! use residua::data::find_inputs;
//! use residua::detect::{Finished, ModelFolder, Scorer, ScoringOptions};
//!
//! # fn main() -> residua::Result<()> {
//! let model = ModelFolder::open_with("weights/texture".as_ref(), |unet| unet, None, |config| {
//!     // Settings by name, as `--set` takes them on the command line.
//!     config.system.set("runs", "4")
//! })?;
//! let mut scorer = Scorer::new(Device::Cpu, &model, ScoringOptions::default())?;
//! let inputs = find_inputs(&["parts/".into()], &scorer.spec().suffixes)?;
//! scorer.run(&inputs, |finished| {
//!     if let Finished::Image(image) = finished {
//!         println!("{}: {:.4}", image.item.name, image.score);
//!     }
//!     Ok(())
//! })?;
//! for failure in &scorer.failures {
//!     eprintln!("{}", failure.error);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Inside another wgpu program, [`detect::Embedded`] goes from one of the host's textures to another. How well a model does on
//! labelled images is [`detect::evaluate`], a threshold with a stated false-positive rate [`detect::calibrate`]. Whether a device
//! computes what the originals computed is [`verify`].
//!
//! # Layers
//!
//! Each uses those after it only: the command line; [`verify`]; [`detect`]; [`eval`] and [`report`]; [`score`] and [`data`];
//! [`diffusion`]; [`model`]; [`graph`]; [`kernels`]; [`gpu`]. The [`cpu`] module runs the same plans without a GPU.
//! `ARCHITECTURE.md` in the repository tells more, and where to add what.
//!
//! # Cargo features
//!
//! `volumes` reads and writes NIfTI; `tables` reads CSV, `.npz` and Parquet and writes `results.csv`; `cli`, the default, is the
//! program, and takes both. Without any, all systems run on images, those in files and those in a host's textures.
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
mod json;
pub mod kernels;
pub mod model;
mod quiet;
pub mod report;
pub mod score;
pub mod tensor;
pub mod verify;

pub use device::{Device, Session};
pub use error::{Error, Result};
pub use tensor::{Shape, Tensor};
/// The wgpu that Residua is built on, so that a host cannot end up with two versions.
pub use wgpu;
