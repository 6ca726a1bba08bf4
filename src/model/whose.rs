//! Which config is a network's, where another network's may lie beside it.
use super::layouts::{CLASSIFIER, is_autoencoder_class};
use super::{Architecture, Checkpoint, Config, Network, classifier, locate};
use crate::Result;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::path::PathBuf;

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

impl Network {
    /// The file that says what its weights do not, where there is one.
    pub fn config_file(&self) -> Option<PathBuf> {
        let checkpoint = self.checkpoint.path();
        let file = match &self.architecture {
            Architecture::Classifier(_) => Config::of_classifier(&self.checkpoint).ok()?.path().to_owned(),
            Architecture::Autoencoder(_) => Config::of_autoencoder(&self.checkpoint).ok()?.path().to_owned(),
            Architecture::Comparer(_) => Config::of_comparer(&self.checkpoint).ok()?.path().to_owned(),
            Architecture::ResNet(_) => Config::of_features(&self.checkpoint).ok()?.path().to_owned(),
            Architecture::Unet(_) => checkpoint.with_file_name("config.json"),
        };
        (file != checkpoint && file.is_file()).then_some(file)
    }
    /// The bytes of that file: those that the network was opened by, where it is the `config.json` beside the weights.
    pub fn config_text(&self) -> Option<Cow<'_, [u8]>> {
        let file = self.config_file()?;
        if file.file_name()? == "config.json" {
            return self.checkpoint.config_json().ok()?.map(Cow::Borrowed);
        }
        std::fs::read(file).ok().map(Cow::Owned)
    }
    /// SHA-256 of the weights, in hexadecimal; where a file says what they do not, of that file's bytes behind that text.
    pub fn identity(&self) -> String {
        let weights = self.checkpoint.sha256();
        match self.config_text() {
            None => weights,
            Some(text) => crate::hex::hex(&Sha256::digest([weights.as_bytes(), &text].concat())),
        }
    }
}
