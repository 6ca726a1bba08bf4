//! What a system takes from normal images before it can judge any: measured by `residua calibrate` and kept in the model folder.
use super::{HealthyLatents, MeanMap, ModelFolder, System, advrad::AdvRad};
use crate::Result;
use std::path::{Path, PathBuf};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromNormal {
    /// The mean of the error maps, which maps are distances from: [`super::MeanMap`].
    MeanMap,
    /// The divergence of healthy latents, which the mask is cut by: [`super::HealthyLatents`].
    Latents,
}

/// What was measured.
#[derive(Clone, Debug)]
pub enum NormalMeasurement {
    /// See [`FromNormal::MeanMap`].
    MeanMap(MeanMap),
    /// See [`FromNormal::Latents`].
    Latents(HealthyLatents),
}

impl NormalMeasurement {
    /// Writes it, whole or not at all, as the file of a model, and returns that.
    /// # Errors
    /// [`crate::Error::Io`].
    pub fn write(&self, model: &Path) -> Result<PathBuf> {
        match self {
            NormalMeasurement::MeanMap(mean) => mean.write(model).map(|()| MeanMap::path(model)),
            NormalMeasurement::Latents(latents) => latents.write(model).map(|()| HealthyLatents::path(model)),
        }
    }
    /// What it is, in words.
    pub fn said(&self) -> String {
        match self {
            NormalMeasurement::MeanMap(mean) => format!("the mean error of {} normal images", mean.images),
            NormalMeasurement::Latents(l) => {
                format!("the divergence of {} latents of {} normal images", l.latents, l.images)
            }
        }
    }
}

impl System {
    /// What it takes from normal images as it is set; none for a system that needs nothing of the kind.
    pub fn from_normal(&self) -> Option<FromNormal> {
        match self {
            System::AdvRad(AdvRad { mean_map: true, .. }) => Some(FromNormal::MeanMap),
            System::Pinaya(s) if s.paints() && s.threshold.is_none() => Some(FromNormal::Latents),
            _ => None,
        }
    }
    /// Sets it so that its maps are what is measured, for which nothing is needed; a system that needs nothing stays as it is.
    /// # Errors
    /// As [`System::set`].
    pub fn set_to_measure(&mut self) -> Result<()> {
        match self.from_normal() {
            Some(FromNormal::MeanMap) => self.set("mean_map", "false"),
            Some(FromNormal::Latents) => self.set("map", "divergence").and_then(|()| self.set("blur", "none")),
            None => Ok(()),
        }
    }
    /// Sets it so that it runs without what is measured, by the same kernels: for times and shaders, not for judgements.
    /// # Errors
    /// As [`System::set`].
    pub fn set_to_run_without(&mut self) -> Result<()> {
        match self.from_normal() {
            Some(FromNormal::MeanMap) => self.set("mean_map", "false"),
            Some(FromNormal::Latents) => self.set("threshold", "0"),
            None => Ok(()),
        }
    }
}

impl ModelFolder {
    /// The same model with this measurement instead of that in its folder.
    pub fn with_measured(mut self, measured: NormalMeasurement) -> Self {
        match measured {
            NormalMeasurement::MeanMap(mean) => self.networks.mean_map = Some(mean),
            NormalMeasurement::Latents(latents) => self.networks.healthy_latents = Some(latents),
        }
        self.sha256 = self.networks.sha256();
        self
    }
    /// SHA-256 of the measurement that it has, in hexadecimal.
    pub fn measured_sha256(&self) -> Option<String> {
        match self.config.system.from_normal()? {
            FromNormal::MeanMap => self.networks.mean_map.as_ref().map(|m| m.sha256.clone()),
            FromNormal::Latents => self.networks.healthy_latents.as_ref().map(|l| l.sha256.clone()),
        }
    }
    /// Refuses, before any work is done, what a job of the model would lack.
    /// # Errors
    /// As [`ModelFolder::mean_map`] and [`ModelFolder::healthy_latents`], of a system that needs them.
    pub fn ready(&self) -> Result<()> {
        match self.config.system.from_normal() {
            Some(FromNormal::MeanMap) => self.mean_map().map(drop),
            Some(FromNormal::Latents) => self.healthy_latents().map(drop),
            None => Ok(()),
        }
    }
}
