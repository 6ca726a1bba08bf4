//! Which config is a network's, where another network's may lie beside it.
use super::layouts::{CLASSIFIER, is_autoencoder_class};
use super::{Checkpoint, Config, classifier, locate};
use crate::Result;

impl Config {
    /// The config of a classifier: `classifier.json` beside it; where there is none [`Config::of`], unless that is another network's.
    /// It is the classifier's when its `_class_name` says so or, where it names no class, when the classifier is the network that the
    /// folder stands for (see [`locate`]).
    /// # Errors
    /// As [`Config::beside`].
    pub fn of_classifier(checkpoint: &Checkpoint) -> Result<Self> {
        let named = |config: &Config| {
            Ok(match (config.text("_class_name")?, config.text("layout")?) {
                (Some(class), _) => Some(class.ends_with(CLASSIFIER)),
                (None, layout) => layout.map(|layout| layout == classifier::TITLE),
            })
        };
        Self::of_role(checkpoint, "classifier.json", named)
    }
    /// The config of an autoencoder, by the same rules: `autoencoder.json` beside it goes first.
    /// # Errors
    /// As [`Config::beside`].
    pub fn of_autoencoder(checkpoint: &Checkpoint) -> Result<Self> {
        let named = |config: &Config| match config.text("_class_name")? {
            Some(class) => Ok(Some(is_autoencoder_class(class))),
            // In a file of several networks the config is the denoiser's.
            None if config.has("ddconfig") => Ok(Some(true)),
            None => Ok(checkpoint.has_autoencoder_beside().then_some(false)),
        };
        Self::of_role(checkpoint, "autoencoder.json", named)
    }
    /// The config of a comparer, by the same rules: `comparer.json` beside it goes first.
    /// # Errors
    /// As [`Config::beside`].
    pub fn of_comparer(checkpoint: &Checkpoint) -> Result<Self> {
        let named =
            |config: &Config| Ok(config.text("_class_name")?.map(|class| class.ends_with("DiscriminativeSubNetwork")));
        Self::of_role(checkpoint, "comparer.json", named)
    }
    /// The config of a ResNet, by the same rules: `features.json` beside it goes first. Without one the network is torchvision's.
    /// # Errors
    /// As [`Config::beside`].
    pub fn of_features(checkpoint: &Checkpoint) -> Result<Self> {
        let named = |config: &Config| Ok(config.text("_class_name")?.map(|class| class.ends_with("ResNet")));
        Self::of_role(checkpoint, "features.json", named)
    }

    /// `own` beside the checkpoint; else the usual one when `named` says that it is this network's, or says nothing and the network is
    /// the one that the folder stands for.
    fn of_role(checkpoint: &Checkpoint, own: &str, named: impl Fn(&Config) -> Result<Option<bool>>) -> Result<Self> {
        let own = Self::at(checkpoint.path().with_file_name(own))?;
        if own.path().is_file() {
            return Ok(own);
        }
        let config = Self::of(checkpoint)?;
        let alone = || {
            let inside = config.path() == checkpoint.path();
            let folder = checkpoint.path().parent();
            inside || folder.and_then(|f| locate(f).ok()).is_some_and(|file| file == checkpoint.path())
        };
        if named(&config)?.unwrap_or_else(alone) {
            return Ok(config);
        }
        tracing::debug!(
            "{}: is another network's, and not read for {}",
            config.path().display(),
            checkpoint.path().display()
        );
        Ok(Self::nothing(own.path()))
    }
}
