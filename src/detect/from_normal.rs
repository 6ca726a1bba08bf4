//! What a system takes from normal images before it can judge any: measured by `residua calibrate` and kept in the model folder.
use super::{ModelFolder, System, advrad::AdvRad};
use crate::Result;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromNormal {
    /// The mean of the error maps, which maps are distances from: [`super::MeanMap`].
    MeanMap,
    /// The divergence of healthy latents, which the mask is cut by: [`super::HealthyLatents`].
    Latents,
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
