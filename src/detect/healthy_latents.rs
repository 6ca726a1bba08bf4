//! How badly healthy latents fit the diffusion model of them, from which a mask's threshold is taken; `residua calibrate` measures it, and
//! it is kept in the model folder.
use super::identity::{beside, chosen, difference};
use super::{DetectorConfig, ModelFolder};
use crate::data::write_bytes;
use crate::hex::hex;
use crate::{Error, Result, json};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The file `healthy_latents.json`: quantiles of the divergence over all latents of normal images, with what they were measured with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthyLatents {
    /// Version of this format: 1.
    pub format: u32,
    /// Images whose latents they are.
    pub images: usize,
    /// All of their latents.
    pub latents: usize,
    /// SHA-256 over the images' files' contents, as a calibration has it.
    pub data_sha256: String,
    /// SHA-256 of the weights.
    pub model_sha256: String,
    /// The settings that the divergence depends on, those left out that are as published.
    pub settings: serde_json::Value,
    /// The quantiles 0, 1/1000, 2/1000, … 1, each between its two neighbours among the sorted values, in proportion.
    pub quantiles: Vec<f32>,
    /// SHA-256 over all of this; not in the file.
    #[serde(skip)]
    pub sha256: String,
}

/// Gaps between the quantiles that are kept.
const GAPS: usize = 1000;

/// Settings that the divergence does not depend on.
const FREE: &[&str] = &[
    "score",
    "quantile",
    "threshold",
    "grow",
    "start",
    "sampler",
    "residual",
    "reference",
    "filter",
    "smooth",
    "blur",
    "erosion",
    "median",
    "map",
];

impl HealthyLatents {
    /// The file of a model folder or of a single checkpoint's folder.
    pub fn path(model: &Path) -> PathBuf {
        beside(model, "healthy_latents.json")
    }
    /// From the divergences of all latents of `images` images, in any order, that a model measured as it is set.
    /// # Errors
    /// [`Error::Invalid`] where there are none, or some that are not finite.
    pub fn new(model: &ModelFolder, mut values: Vec<f32>, images: usize, data_sha256: String) -> Result<Self> {
        if values.is_empty() || !values.iter().all(|v| v.is_finite()) {
            return Err(Error::Invalid("a threshold of healthy latents needs images, and finite divergences".into()));
        }
        values.sort_by(f32::total_cmp);
        let at = |k: usize| between(&values, k as f64 / GAPS as f64);
        let (model_sha256, settings) = (model.networks.weights_sha256(), chosen(&model.config, FREE));
        let quantiles = (0..=GAPS).map(at).collect();
        let (format, latents, sha256) = (1, values.len(), String::new());
        let all = HealthyLatents { format, images, latents, data_sha256, model_sha256, settings, quantiles, sha256 };
        Ok(all.hashed())
    }
    fn hashed(self) -> Self {
        let text = serde_json::to_string(&self).unwrap_or_default();
        HealthyLatents { sha256: hex(&Sha256::digest(text.as_bytes())), ..self }
    }
    /// The divergence that a share of `q` (0..=1) of the healthy latents does not exceed.
    pub fn quantile(&self, q: f64) -> f32 {
        between(&self.quantiles, q)
    }
    /// Reads the file of a model; none where there is none.
    /// # Errors
    /// [`Error::File`] when it is damaged.
    pub fn open(model: &Path) -> Result<Option<Self>> {
        let path = Self::path(model);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
        let fault = |what: String| {
            let again = "remove it, and `residua calibrate` makes it anew";
            Error::file(&path, format!("is no measurement of healthy latents: {what}; {again}"))
        };
        let found: Self = json::parse(&bytes).map_err(fault)?;
        let sorted = found.quantiles.is_sorted() && found.quantiles.iter().all(|v| v.is_finite());
        let counted = found.images > 0 && found.latents.is_multiple_of(found.images) && found.latents > 0;
        if !counted || found.quantiles.first().is_some_and(|v| *v < 0.0) {
            return Err(fault("it must be of images of as many latents each, and no divergence is below 0".into()));
        }
        if found.format != 1 || found.quantiles.len() != GAPS + 1 || !sorted {
            return Err(fault(format!("it must be of format 1, of images, and with {} rising quantiles", GAPS + 1)));
        }
        Ok(Some(found.hashed()))
    }
    /// Writes it, whole or not at all, as the file of a model.
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, model: &Path) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(self).map_err(|e| Error::Invalid(e.to_string()))?;
        text.push(b'\n');
        write_bytes(&Self::path(model), &text)
    }
    /// Holds it against the model as it is set; the sentence says what is another one.
    fn fault(&self, config: &DetectorConfig, weights: &str) -> Option<String> {
        let other = difference((&self.model_sha256, &self.settings), (weights, &chosen(config, FREE)));
        other.map(|what| format!("was made with other {what}"))
    }
}

/// The quantile `q` of sorted values, in proportion between two neighbours.
fn between(sorted: &[f32], q: f64) -> f32 {
    let at = q * (sorted.len() - 1) as f64;
    let (low, rest) = (at as usize, at.fract());
    let value = |i: usize| f64::from(sorted[i.min(sorted.len() - 1)]);
    (value(low) + rest * (value(low + 1) - value(low))) as f32
}

impl ModelFolder {
    /// The divergence of healthy latents that the model's mask is cut by.
    /// # Errors
    /// [`Error::File`] naming the file, when it is missing, or was made with other weights or settings, which are named.
    pub fn healthy_latents(&self) -> Result<&HealthyLatents> {
        let path = HealthyLatents::path(&self.path);
        let help = "`residua calibrate` makes it from normal images, and --set threshold=VALUE does without";
        let Some(found) = &self.networks.healthy_latents else {
            let fault = "is not there: the mask is cut at a quantile of the divergence of healthy latents";
            return Err(Error::file(path, format!("{fault}; {help}")));
        };
        match found.fault(&self.config, &self.networks.weights_sha256()) {
            Some(fault) => Err(Error::file(path, format!("{fault}; {help}"))),
            None => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::between;

    #[test]
    fn quantiles_lie_between_their_neighbours() {
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        for (q, want) in [(0.0, 1.0), (0.25, 2.0), (0.3, 2.4), (0.9, 12.8), (1.0, 16.0)] {
            assert!((between(&values, q) - want).abs() < 1e-6, "{q}");
        }
        assert_eq!(between(&[3.0], 0.7), 3.0);
    }
}
