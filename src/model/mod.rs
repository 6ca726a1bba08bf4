//! Networks, written once as graph builders, and the layouts of foreign checkpoints that map onto them.
mod about;
mod architecture;
pub mod autoencoder;
mod build;
mod checkpoint;
pub mod classifier;
pub mod comparer;
mod config;
mod conv_norm;
mod convert;
mod cost;
mod header;
mod inspect;
mod keys;
mod layout;
mod layouts;
mod locate;
mod manifest;
mod network;
mod params;
#[cfg(feature = "pytorch")]
mod pytorch;
mod qkv;
mod quoted;
pub mod resnet;
pub mod semantic;
mod stored;
#[cfg(test)]
pub(crate) mod testing;
mod trunk;
pub mod unet;
mod whose;

pub use architecture::Architecture;
pub use autoencoder::{Autoencoder, AutoencoderLayout};
pub use checkpoint::{Checkpoint, Copies};
pub use classifier::{ClassifierPool, ClassifierSpec};
pub use comparer::{Comparer, is_comparer};
#[cfg(feature = "cli")]
pub(crate) use config::{ABOUT, CONVERTED};
pub use config::{AttentionOrder, Config, Overrides};
pub use cost::Cost;
pub use inspect::Summary;
pub use inspect::latent::{AutoencoderSettings, ComparerSettings};
pub use inspect::unet::UnetSettings;
pub use keys::{Member, WeightCopy};
pub use layout::Layout;
pub use layouts::{
    is_autoencoder, is_autoencoder_class, is_classifier, is_resnet, read, read_autoencoder, read_classifier, recognise,
};
pub use locate::{AUTOENCODER, CLASSIFIER, COMPARER, FEATURES, find_role, locate, locate_role};
pub use network::{Call, Network};
pub use params::Param;
pub use resnet::ResNet;
pub use semantic::SemanticEncoder;
pub use stored::OtherDict;
pub use unet::UnetSpec;
