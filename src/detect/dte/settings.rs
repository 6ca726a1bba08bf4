//! Diffusion time estimation as a system of a model folder.
use super::{Estimate, EstimatorKind};
use crate::detect::networks::Role;
use crate::detect::settings::{Range, Setting};
use crate::detect::{Job, ModelFolder};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Its settings. What was fitted lies with the estimator, in `config.json` and `model.safetensors`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dte {
    /// Which estimator. A file that says it must say that of the fitted model.
    pub estimator: Option<EstimatorKind>,
    /// DTE-NP: what a score is.
    pub estimate: Estimate,
}

/// Where the network lies that makes rows of images, when a model was fitted to images.
pub const FEATURES_FILE: &str = "features.safetensors";

/// Its settings by name.
pub(in crate::detect) const SETTINGS: &[Setting] = &[Setting::new(
    "estimate",
    Range::Words(&["distance", "mode"]),
    "of DTE-NP: the mean squared distance, or the likeliest step of the diffusion",
)];

impl Dte {
    /// What a batch of `n` rows runs.
    pub(in crate::detect) fn job(&self, model: &ModelFolder, n: usize) -> Result<Job> {
        let fitted = &model.networks.estimator()?.model;
        fitted.estimator.job(fitted.columns, n)
    }
    /// The network of features must be the one that the estimator was fitted with.
    pub(in crate::detect) fn agree(&self, model: &ModelFolder) -> Result<()> {
        let fitted = &model.networks.estimator()?.model;
        match (&fitted.features, model.networks.graphs.get(&Role::Features)) {
            (Some(wanted), Some(network)) if wanted.sha256 != network.identity() => {
                let fault = "is another network than the one that the model was fitted with";
                Err(Error::file(network.checkpoint.path(), fault))
            }
            (None, Some(network)) => {
                let fault = "makes rows of images, but the model was fitted to a table";
                Err(Error::file(network.checkpoint.path(), fault))
            }
            _ => Ok(()),
        }
    }
}
