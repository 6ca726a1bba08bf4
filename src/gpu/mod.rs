//! wgpu: devices, shader text, pipelines, memory, encoding, timestamps.
mod device;
mod pipeline;
mod preprocess;
mod session;
mod signal;
pub mod sources;
mod texture;
mod texture_scale;
#[cfg(test)]
mod texture_tests;
mod wait;

pub use device::{Gpu, Options, adapters, drive, is_software, wanted_features, wanted_limits};
pub use pipeline::specialise;
pub use preprocess::{Consts, preprocess};
pub use session::{Session, Timing};
pub use sources::ShaderFile;
pub(crate) use sources::shader_file;
pub(crate) use texture::Textures;
pub use texture::texture_shaders;
