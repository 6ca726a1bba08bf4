//! The kinds of networks, and what all of them tell about themselves.
use super::{Autoencoder, ClassifierSpec, Comparer, Param, ResNet, UnetSpec};
use std::fmt;

/// What a checkpoint turned out to be.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Architecture {
    /// A denoising UNet.
    Unet(UnetSpec),
    /// A classifier of noised images.
    Classifier(ClassifierSpec),
    /// A ResNet without its classifier.
    ResNet(ResNet),
    /// An autoencoder of latent space.
    Autoencoder(Autoencoder),
    /// What compares an image with its reconstruction.
    Comparer(Comparer),
}

impl Architecture {
    /// Keys and shapes of the tensors that it uses.
    pub fn params(&self) -> Vec<Param> {
        match self {
            Architecture::Unet(spec) => spec.params(),
            Architecture::Classifier(spec) => spec.params(),
            Architecture::ResNet(net) => net.params(),
            Architecture::Autoencoder(net) => net.params(),
            Architecture::Comparer(net) => net.params(),
        }
    }
    /// Numbers that are trained: all that it uses but the running statistics of its BatchNorms.
    pub fn parameters(&self) -> usize {
        let running = |key: &str| key.ends_with(".running_mean") || key.ends_with(".running_var");
        let all = self.params();
        let counted = all.iter().filter(|(key, _)| !running(key));
        counted.map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }
    /// Channels of its image.
    pub fn in_channels(&self) -> usize {
        match self {
            Architecture::Unet(spec) => spec.in_channels(),
            Architecture::Classifier(spec) => spec.in_channels(),
            Architecture::ResNet(net) => net.in_channels(),
            Architecture::Autoencoder(net) => net.in_channels(),
            Architecture::Comparer(net) => net.in_channels(),
        }
    }
    /// (height, width) of its image, where its weights or a config say so.
    pub fn sample_size(&self) -> Option<(usize, usize)> {
        match self {
            Architecture::Unet(spec) => spec.sample_size,
            Architecture::Classifier(spec) => spec.sample_size,
            Architecture::Autoencoder(net) => net.sample_size,
            Architecture::ResNet(_) | Architecture::Comparer(_) => None,
        }
    }
    /// What the sides of its image must be a multiple of; of a network that takes any, what suits it.
    pub fn step(&self) -> usize {
        let power = |halvings: u32| 1usize.checked_shl(halvings).unwrap_or(1);
        match self {
            Architecture::Unet(spec) => power(spec.halvings()),
            Architecture::Classifier(spec) => power(spec.halvings()),
            Architecture::ResNet(_) => 224,
            Architecture::Autoencoder(net) => net.factor(),
            Architecture::Comparer(net) => power(net.halvings()),
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Architecture::Unet(_) => "a UNet",
            Architecture::Classifier(_) => "a classifier",
            Architecture::ResNet(_) => "a ResNet",
            Architecture::Autoencoder(_) => "an autoencoder",
            Architecture::Comparer(_) => "a comparer",
        })
    }
}
