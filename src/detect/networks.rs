//! A model folder's networks by role.
use super::xu::FixedNoise;
use super::{DetectorConfig, HealthyLatents, MeanMap, System, dte};
use crate::model::{
    AUTOENCODER, CLASSIFIER, COMPARER, Checkpoint, FEATURES, Member, Network, Overrides, find_role, locate, locate_role,
};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

mod agree;

pub(super) use agree::{Denoised, agree, agree_on, compares, latents};

/// What a network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Predicts noise, image or velocity from a noised image.
    Denoiser,
    /// Tells the class of a noised image.
    Classifier,
    /// Makes rows of features from images.
    Features,
    /// Brings images to a latent space and back.
    Autoencoder,
    /// Marks where an image and its reconstruction differ.
    Comparer,
    /// Scores rows.
    Estimator,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Role::Denoiser => "denoiser",
            Role::Classifier => "classifier",
            Role::Features => "features",
            Role::Autoencoder => "autoencoder",
            Role::Comparer => "comparer",
            Role::Estimator => "estimator",
        })
    }
}

/// Where a network lies, and what its weights do not tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkFile {
    /// The file, in the model folder or a folder inside it: safetensors, one of PyTorch's, or the index of several; found by itself when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What cannot be inferred from the network's weights (heads, attention order, which copy of two).
    #[serde(skip_serializing_if = "Overrides::is_empty")]
    pub unet: Overrides,
}

/// The networks that a system runs.
#[derive(Default)]
pub struct Networks {
    /// All that are graphs.
    pub graphs: BTreeMap<Role, Network>,
    /// What scores rows.
    pub estimator: Option<RowScorer>,
    /// The mean error of normal images, of a system whose maps are distances from it.
    pub mean_map: Option<MeanMap>,
    /// The divergence of healthy latents, of a system whose mask is cut at a quantile of it.
    pub healthy_latents: Option<HealthyLatents>,
    /// The noise that all images are drawn from, where a file holds it.
    pub fixed_noise: Option<FixedNoise>,
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
                Role::Classifier => {
                    let file = file.map_or_else(|| locate_role(path, CLASSIFIER), Ok)?;
                    networks.graphs.insert(role, Network::classifier(&file, &said.unet)?);
                }
                Role::Autoencoder => {
                    let file = match file {
                        Some(file) => file,
                        // Latent-diffusion's files hold it beside the denoiser.
                        None => {
                            locate_role(path, AUTOENCODER).or_else(|none| beside_denoiser(path, config)?.ok_or(none))?
                        }
                    };
                    networks.graphs.insert(role, Network::autoencoder(&file, &said.unet)?);
                }
                Role::Comparer => {
                    // A system that can do without one says so itself.
                    let file = match (file, config.system.needs(role)) {
                        (None, true) => Some(locate_role(path, COMPARER)?),
                        (None, false) => find_role(path, COMPARER)?,
                        (said, _) => said,
                    };
                    if let Some(file) = file {
                        networks.graphs.insert(role, Network::comparer(&file, &said.unet)?);
                    }
                }
                Role::Features => {
                    let file = file.map_or_else(|| find_role(path, FEATURES), |file| Ok(Some(file)))?;
                    if let Some(file) = file {
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
        if let System::Xu(s) = &config.system {
            // DiffAE's own checkpoints hold it beside the denoiser.
            let denoiser = &networks.denoiser()?.checkpoint;
            let read = |file: PathBuf| match file == denoiser.path() {
                true => FixedNoise::of(denoiser),
                false => FixedNoise::of(&Checkpoint::outline(&file, None, Member::Main)?),
            };
            networks.fixed_noise = s.noise_file.as_ref().map(|name| read(path.join(name))).transpose()?;
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
    /// What tells the class of a noised image.
    /// # Errors
    /// [`Error::Invalid`] when there is none.
    pub fn classifier(&self) -> Result<&Network> {
        self.get(Role::Classifier)
    }
    /// What brings images to a latent space and back.
    /// # Errors
    /// [`Error::Invalid`] when there is none.
    pub fn autoencoder(&self) -> Result<&Network> {
        self.get(Role::Autoencoder)
    }
    /// What marks where an image and its reconstruction differ.
    /// # Errors
    /// [`Error::Invalid`] when there is none.
    pub fn comparer(&self) -> Result<&Network> {
        self.get(Role::Comparer)
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
    /// As [`Networks::sha256`], of the weights alone.
    pub(super) fn weights_sha256(&self) -> String {
        self.hash(&[])
    }
    /// SHA-256 of the weights (and of the settings of an estimator of rows), in hexadecimal: the file's where there is one, otherwise that of all files' one after the other. What was measured on normal images counts as one of them: with another measurement, scores are others.
    pub fn sha256(&self) -> String {
        let mean = self.mean_map.iter().map(|m| m.sha256.clone());
        let measured: Vec<String> = mean.chain(self.healthy_latents.iter().map(|l| l.sha256.clone())).collect();
        self.hash(&measured)
    }
    fn hash(&self, measured: &[String]) -> String {
        let graphs = self.graphs.values().map(|n| n.checkpoint.sha256());
        let noise = self.fixed_noise.iter().map(|n| n.sha256.clone());
        let others = self.estimator.iter().map(|e| e.sha256.clone()).chain(noise).chain(measured.iter().cloned());
        let all: Vec<String> = graphs.chain(others).collect();
        match &all[..] {
            [one] => one.clone(),
            several => crate::hex::hex(&Sha256::digest(several.concat())),
        }
    }
    /// SHA-256 of the `config.json` beside the weights, one after the other where there are several, in hexadecimal: what the weights do
    /// not tell. None where there is none, and of an estimator, whose settings are hashed with its weights.
    pub fn config_sha256(&self) -> Option<String> {
        let texts: Vec<_> = self.graphs.values().filter_map(Network::config_text).collect();
        let all = texts.concat();
        (!all.is_empty() && self.estimator.is_none()).then(|| crate::hex::hex(&Sha256::digest(all)))
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

/// The denoiser's file in a model folder, where an autoencoder lies in it too.
fn beside_denoiser(path: &Path, config: &DetectorConfig) -> Result<Option<PathBuf>> {
    let said = config.networks.get(&Role::Denoiser).cloned().unwrap_or_default();
    let file = said.file.map_or_else(|| locate(path), |name| Ok(path.join(name)))?;
    Ok(Checkpoint::open_copy(&file, said.unet.weights)?.has_autoencoder_beside().then_some(file))
}
