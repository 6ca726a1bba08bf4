//! A model folder's networks by role.
use super::{DetectorConfig, ModelFolder, dte};
use crate::model::{Checkpoint, Network, Overrides, locate};
use crate::{Error, Result, Shape};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Predicts noise, image or velocity from a noised image.
    Denoiser,
    /// Makes rows of features from images.
    Features,
    /// Scores rows.
    Estimator,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Role::Denoiser => "denoiser",
            Role::Features => "features",
            Role::Estimator => "estimator",
        })
    }
}

/// Where a network lies, and what its weights do not tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkFile {
    /// The safetensors file, in the model folder; found by itself when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What cannot be inferred from a UNet's weights (heads, attention order).
    #[serde(skip_serializing_if = "Overrides::is_empty")]
    pub unet: Overrides,
}

/// The networks that a system runs.
#[derive(Default)]
pub struct Networks {
    /// UNets and ResNets.
    pub graphs: BTreeMap<Role, Network>,
    /// What scores rows.
    pub estimator: Option<RowScorer>,
}

/// A fitted estimator of rows, and the file that its numbers lie in.
pub struct RowScorer {
    /// The estimator with its standardisation.
    pub model: dte::Model,
    /// Its safetensors file.
    pub path: PathBuf,
    /// SHA-256 of that file.
    pub sha256: String,
}

impl Networks {
    /// Opens what the configuration names, or what lies where it usually does, in a model folder or at a single file.
    pub(super) fn open(path: &Path, config: &DetectorConfig) -> Result<Self> {
        let mut networks = Networks::default();
        for &role in config.system.roles() {
            let said = config.networks.get(&role).cloned().unwrap_or_default();
            let file = said.file.map(|name| path.join(name));
            match role {
                Role::Denoiser => {
                    let file = file.map_or_else(|| locate(path), Ok)?;
                    networks.graphs.insert(role, Network::unet(&file, &said.unet)?);
                }
                Role::Features => {
                    let usual = Some(path.join(dte::FEATURES_FILE)).filter(|p| p.is_file());
                    if let Some(file) = file.or(usual) {
                        networks.graphs.insert(role, Network::resnet(&file)?);
                    }
                }
                Role::Estimator => {
                    let (model, path) = (dte::Model::open(path)?, path.join(dte::MODEL_FILE));
                    let settings = path.with_file_name(dte::CONFIG_FILE);
                    let said = std::fs::read(&settings).map_err(|e| Error::io(&settings, e))?;
                    // Neighbours, scaling and the features' preprocessing stand beside the weights.
                    let all = [Checkpoint::open(&path)?.sha256().as_bytes(), &said].concat();
                    let sha256 = crate::hex::hex(&Sha256::digest(all));
                    networks.estimator = Some(RowScorer { model, path, sha256 });
                }
            }
        }
        Ok(networks)
    }
    /// A network that must be there.
    /// # Errors
    /// [`Error::Invalid`] when it is not.
    pub fn get(&self, role: Role) -> Result<&Network> {
        self.graphs.get(&role).ok_or_else(|| Error::Invalid(format!("the model has no network for `{role}`")))
    }
    /// What denoises.
    /// # Errors
    /// [`Error::Invalid`] when there is none.
    pub fn denoiser(&self) -> Result<&Network> {
        self.get(Role::Denoiser)
    }
    /// What scores rows.
    /// # Errors
    /// [`Error::Invalid`] when there is none.
    pub fn estimator(&self) -> Result<&RowScorer> {
        self.estimator.as_ref().ok_or_else(|| Error::Invalid("the model has no network for `estimator`".into()))
    }
    /// The files that hold weights.
    pub fn files(&self) -> Vec<PathBuf> {
        let graphs = self.graphs.values().map(|n| n.checkpoint.path().to_owned());
        graphs.chain(self.estimator.iter().map(|e| e.path.clone())).collect()
    }
    /// SHA-256 of the weights (and of the settings of an estimator of rows), in hexadecimal: the file's where there is one, otherwise that of all files' one after the other.
    pub fn sha256(&self) -> String {
        let graphs = self.graphs.values().map(|n| n.checkpoint.sha256());
        let all: Vec<String> = graphs.chain(self.estimator.iter().map(|e| e.sha256.clone())).collect();
        match &all[..] {
            [one] => one.clone(),
            several => crate::hex::hex(&Sha256::digest(several.concat())),
        }
    }
    /// Numbers that the networks use.
    pub fn parameters(&self) -> usize {
        let graphs: usize = self.graphs.values().map(Network::parameters).sum();
        graphs + self.estimator.as_ref().map_or(0, |e| e.model.parameters())
    }
    /// Reads every weight once, so that bad values and surplus tensors are heard of before any work is done.
    /// # Errors
    /// NaN or infinite weights; with `strict`, tensors that the network does not use.
    pub fn settle(&self, strict: bool) -> Result<()> {
        let unets = self.graphs.iter().filter(|(role, _)| **role != Role::Features);
        unets.map(|(_, network)| network).try_for_each(|n| n.settle(strict))
    }
}

/// A denoiser that takes and gives images of the model's input, with a variance beside where `learned`.
pub(super) fn agree(model: &ModelFolder, learned: bool) -> Result<()> {
    let (input, network) = (model.config.image()?, model.networks.denoiser()?);
    let (spec, path) = (network.as_unet()?, &model.settings);
    let out = if learned { 2 * input.channels } else { input.channels };
    if spec.in_channels() != input.channels {
        let fault = format!("input.channels is {}, but the network takes {}", input.channels, spec.in_channels());
        return Err(Error::file(path, fault));
    }
    if spec.out_channels() != out {
        let fault = format!("the network gives {} channels, but {out} are needed", spec.out_channels());
        return Err(Error::file(path, fault));
    }
    spec.accepts(Shape::new(1, input.height, input.width, input.channels), false)
}
