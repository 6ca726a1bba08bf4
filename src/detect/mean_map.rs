//! The mean error map of normal images, from which a system's maps may be distances; `residua calibrate` makes it, and it is kept in
//! the model folder.
use super::identity::{beside, chosen, difference};
use super::{DetectorConfig, ModelFolder};
use crate::data::{Map, write_bytes};
use crate::hex::hex;
use crate::{Error, Result};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The file: the tensor `mean` (H,W), float32, with what it was made from as metadata.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanMap {
    /// The mean, at the networks' size.
    pub map: Map,
    /// Images that it is over.
    pub images: usize,
    /// SHA-256 over their files' contents, as a calibration has it.
    pub data_sha256: String,
    /// SHA-256 of the weights that it was made with.
    pub model_sha256: String,
    /// The settings that it was made with and that it depends on, those left out that are as published.
    pub settings: serde_json::Value,
    /// SHA-256 over all of this.
    pub sha256: String,
}

/// What `format` in the metadata must be.
const FORMAT: &str = "residua-mean-map-1";

/// Settings that the mean error does not depend on.
const FREE: &[&str] = &["score", "mean_map"];

impl MeanMap {
    /// The file of a model folder or of a single checkpoint's folder.
    pub fn path(model: &Path) -> PathBuf {
        beside(model, "mean_map.safetensors")
    }
    /// A mean over `images` maps that a model made as it is set.
    /// # Errors
    /// [`Error::Invalid`] for values that are not finite.
    pub fn new(model: &ModelFolder, map: Map, images: usize, data_sha256: String) -> Result<Self> {
        if images == 0 || !map.data.iter().all(|v| v.is_finite()) {
            return Err(Error::Invalid("a mean map needs images, and finite errors of each".into()));
        }
        let (model_sha256, settings) = (model.networks.weights_sha256(), chosen(&model.config, FREE));
        Ok(MeanMap { map, images, data_sha256, model_sha256, settings, sha256: String::new() }.hashed())
    }
    fn hashed(self) -> Self {
        let mut all = Sha256::new();
        let said = [&self.data_sha256, &self.model_sha256, &self.settings.to_string(), &self.images.to_string()];
        said.iter().for_each(|text| all.update(format!("{text}\n")));
        all.update(self.data());
        MeanMap { sha256: hex(&all.finalize()), ..self }
    }
    fn data(&self) -> Vec<u8> {
        self.map.data.iter().flat_map(|v| v.to_le_bytes()).collect()
    }
    /// Reads the file of a model; none where there is none.
    /// # Errors
    /// [`Error::File`] when it is damaged.
    pub fn open(model: &Path) -> Result<Option<Self>> {
        let path = Self::path(model);
        if !path.is_file() {
            return Ok(None);
        }
        let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
        let again = "remove it, and `residua calibrate` makes it anew";
        Self::parse(&bytes).map(Some).map_err(|fault| Error::file(&path, format!("is no mean map: {fault}; {again}")))
    }
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = |e: safetensors::SafeTensorError| e.to_string();
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(text)?;
        let said = |key: &str| {
            let found = header.metadata().as_ref().and_then(|m| m.get(key));
            found.cloned().ok_or_else(|| format!("its metadata has no `{key}`"))
        };
        let format = said("format")?;
        if format != FORMAT {
            return Err(format!("`format` is `{format}`, not `{FORMAT}`"));
        }
        let images = said("images")?.parse().ok().filter(|n| *n > 0).ok_or("`images` is no number above 0")?;
        let settings = serde_json::from_str(&said("settings")?).map_err(|e| format!("`settings`: {e}"))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(text)?;
        let mean = tensors.tensor("mean").map_err(text)?;
        let (&[height, width], Dtype::F32) = (mean.shape(), mean.dtype()) else {
            return Err(format!("`mean` is {:?} of {:?}, not (H,W) of F32", mean.dtype(), mean.shape()));
        };
        let data: Vec<f32> = mean.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        if !data.iter().all(|v| v.is_finite()) {
            return Err("`mean` holds values that are not finite".into());
        }
        let map = Map::new(width, height, data).map_err(|e| e.to_string())?;
        let (data_sha256, model_sha256) = (said("data_sha256")?, said("model_sha256")?);
        Ok(MeanMap { map, images, data_sha256, model_sha256, settings, sha256: String::new() }.hashed())
    }
    fn bytes(&self) -> Result<Vec<u8>> {
        let invalid = |e: safetensors::SafeTensorError| Error::Invalid(e.to_string());
        let (data, shape) = (self.data(), vec![self.map.height, self.map.width]);
        let view = TensorView::new(Dtype::F32, shape, &data).map_err(invalid)?;
        let said = [
            ("format", FORMAT.to_owned()),
            ("images", self.images.to_string()),
            ("data_sha256", self.data_sha256.clone()),
            ("model_sha256", self.model_sha256.clone()),
            ("settings", self.settings.to_string()),
        ];
        let said: HashMap<String, String> = said.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        safetensors::serialize([("mean", view)], Some(said)).map_err(invalid)
    }
    /// Writes it, whole or not at all, as the file of a model.
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, model: &Path) -> Result<()> {
        write_bytes(&Self::path(model), &self.bytes()?)
    }
    /// Holds it against the model as it is set; the sentence says what is another one.
    fn fault(&self, config: &DetectorConfig, weights: &str) -> Option<String> {
        let other = difference((&self.model_sha256, &self.settings), (weights, &chosen(config, FREE)));
        if let Some(what) = other {
            return Some(format!("was made with other {what}"));
        }
        let size = config.input.as_ref().map(|i| (i.width, i.height));
        let (w, h) = (self.map.width, self.map.height);
        (size != Some((w, h))).then(|| format!("is {h} x {w}, which is not the size of the input"))
    }
}

impl ModelFolder {
    /// The mean error of normal images that the model's maps are distances from.
    /// # Errors
    /// [`Error::File`] naming the file, when it is missing, or was made with other weights or settings, which are named.
    pub fn mean_map(&self) -> Result<&MeanMap> {
        let path = MeanMap::path(&self.path);
        let help = "`residua calibrate` makes it from normal images, and --set mean_map=false does without";
        let Some(mean) = &self.networks.mean_map else {
            let fault = "is not there: the model's maps are distances from the mean error of normal images";
            return Err(Error::file(path, format!("{fault}; {help}")));
        };
        match mean.fault(&self.config, &self.networks.weights_sha256()) {
            Some(fault) => Err(Error::file(path, format!("{fault}; {help}"))),
            None => Ok(mean),
        }
    }
    /// The same model with this mean error instead of that in its folder.
    pub fn with_mean_map(mut self, mean: MeanMap) -> Self {
        self.networks.mean_map = Some(mean);
        self.sha256 = self.networks.sha256();
        self
    }
    /// Refuses, before any work is done, what a job of the model would lack.
    /// # Errors
    /// As [`ModelFolder::mean_map`], of a system that needs one.
    pub fn ready(&self) -> Result<()> {
        if self.config.system.needs_mean_map() { self.mean_map().map(drop) } else { Ok(()) }
    }
}
