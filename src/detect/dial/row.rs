//! One setting of the table of speed and quality.
use crate::Result;
use crate::detect::System;
use crate::detect::config::{DetectorConfig, SamplerConfig, Thresholds};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A setting and what it reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialRow {
    /// The settings that the table is about, by name and as `--set` takes them.
    pub settings: BTreeMap<String, String>,
    /// Forward passes of the network for an image: what its time is proportional to, on every device.
    pub passes: usize,
    /// Average precision, the mean over the seeds; 0..=1.
    pub auprc: f64,
    /// Its standard deviation over the seeds; 0 for one.
    pub auprc_std: f64,
    /// The best Dice of the pixels, the mean over the seeds.
    pub best_dice: Option<f64>,
    /// AUROC of the images, the mean over the seeds.
    pub image_auroc: Option<f64>,
    /// Seconds an image took, the median.
    pub seconds: f64,
    /// The device that took them.
    pub device: String,
    /// How many seeds of the noise.
    pub seeds: u64,
    /// Pixels: that of the best Dice; images: that of the best balanced accuracy. Means over the seeds.
    pub threshold: Thresholds,
    /// Of DDIM; a row of before this field leaves the model's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<f64>,
    /// The first of the seeds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub first_seed: u64,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// DDIM's eta, where a detector has it.
fn eta(config: &mut DetectorConfig) -> Option<&mut f64> {
    let sampler = match &mut config.system {
        System::AnoDdpm(s) => &mut s.sampler,
        System::AdvRad(s) => &mut s.sampler,
        System::Pinaya(s) => &mut s.sampler,
        System::DiffAd(s) => s.sampler.as_mut()?,
        System::Xu(s) => s.sampler.as_mut()?,
        System::Ddad(s) => return Some(&mut s.eta),
        System::Pddpm(_) | System::Dte(_) | System::Wolleb(_) => return None,
    };
    if let SamplerConfig::Ddim { eta, .. } = sampler { Some(eta) } else { None }
}

impl DialRow {
    /// The setting that a detector has, nothing measured yet.
    pub fn of(config: &DetectorConfig) -> Self {
        let system = &config.system;
        let shown = system.dialled().iter().filter_map(|name| {
            let setting = system.settings().iter().find(|s| s.name == *name)?;
            Some(((*name).to_owned(), system.value(setting))).filter(|(_, value)| value != "-")
        });
        let mut settings: BTreeMap<String, String> = shown.collect();
        // DDIM is said by its steps, and eta beside them.
        if settings.contains_key("sampler.steps") {
            settings.remove("sampler");
        }
        let eta = eta(&mut config.clone()).copied();
        DialRow { settings, passes: system.passes(config.input.as_ref()), eta, ..DialRow::default() }
    }
    /// Whether it is the same setting.
    pub fn same_setting(&self, other: &DialRow) -> bool {
        self.settings == other.settings && self.eta == other.eta
    }
    /// Puts the setting and its thresholds into a detector's.
    /// # Errors
    /// [`crate::Error::Invalid`] for a setting that the system does not have.
    pub fn apply(&self, config: &mut DetectorConfig) -> Result<()> {
        self.settings.iter().try_for_each(|(name, value)| config.system.set(name, value))?;
        if let (Some(measured), Some(eta)) = (self.eta, eta(config)) {
            *eta = measured;
        }
        config.threshold = self.threshold;
        Ok(())
    }
}
