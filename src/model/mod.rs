//! Networks, written once as graph builders, and the layouts of foreign checkpoints that map onto them.
mod about;
mod build;
mod checkpoint;
pub mod classifier;
mod config;
mod convert;
mod cost;
mod header;
mod inspect;
mod keys;
mod layout;
mod layouts;
mod locate;
mod network;
mod params;
#[cfg(feature = "pytorch")]
mod pytorch;
mod qkv;
mod quoted;
pub mod resnet;
mod stored;
#[cfg(test)]
pub(crate) mod testing;
mod trunk;
pub mod unet;

pub use checkpoint::{Checkpoint, Copies};
pub use classifier::{ClassifierPool, ClassifierSpec};
#[cfg(feature = "cli")]
pub(crate) use config::{ABOUT, CONVERTED};
pub use config::{AttentionOrder, Config, Overrides};
pub use cost::Cost;
pub use inspect::{Summary, UnetSettings};
pub use keys::WeightCopy;
pub use layout::Layout;
pub use layouts::{is_classifier, read, read_classifier, recognise};
pub use locate::{locate, locate_classifier};
pub use network::{Architecture, Call, Network};
pub use params::Param;
pub use resnet::ResNet;
pub use stored::OtherDict;
pub use unet::UnetSpec;
