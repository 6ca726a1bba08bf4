//! The config of a classifier, which may lie beside another network.
use super::TITLE;
use crate::Result;
use crate::model::layouts::CLASSIFIER;
use crate::model::{Checkpoint, Config, locate};

/// The config of a classifier in a folder whose `config.json` is another network's.
const OWN: &str = "classifier.json";

impl Config {
    /// The config of a classifier: `classifier.json` beside it; where there is none [`Config::of`], unless that is another network's.
    /// It is the classifier's when its `_class_name` says so or, where it names no class, when the classifier is the network that the
    /// folder stands for (see [`locate`]).
    /// # Errors
    /// As [`Config::beside`].
    pub fn of_classifier(checkpoint: &Checkpoint) -> Result<Self> {
        let own = Self::at(checkpoint.path().with_file_name(OWN))?;
        if own.path().is_file() {
            return Ok(own);
        }
        let config = Self::of(checkpoint)?;
        let named = match (config.text("_class_name")?, config.text("layout")?) {
            (Some(class), _) => Some(class.ends_with(CLASSIFIER)),
            (None, layout) => layout.map(|layout| layout == TITLE),
        };
        let alone = || {
            let inside = config.path() == checkpoint.path();
            let folder = checkpoint.path().parent();
            inside || folder.and_then(|f| locate(f).ok()).is_some_and(|file| file == checkpoint.path())
        };
        if named.unwrap_or_else(alone) {
            return Ok(config);
        }
        tracing::debug!("{}: is another network's, and not read for {}", config.path().display(), checkpoint.path().display());
        Ok(Self::nothing(own.path()))
    }
}
