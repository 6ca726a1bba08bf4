//! `detector.json`: everything about a detector that its networks' weights do not say.
use super::networks::{NetworkFile, Role};
use super::{Postprocessing, System};
use crate::{Error, Result, json};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Component, Path};

mod format_one;
mod parts;
mod schedule;

pub use format_one::FormatOne;
pub use parts::{BlurConfig, InputConfig, NoiseConfig, NoisePer, SamplerConfig, ScoreConfig, Thresholds, Variant};
pub use schedule::{PredictionKind, ScheduleConfig, ScheduleKind, VarianceKind};

/// The version that is written; format 1, which knew AnoDDPM alone, is read as well.
pub const FORMAT: u32 = 2;

/// The file itself, format 2. Fields of the system that are absent are the system's as published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorConfig {
    /// Version of this format: 2.
    pub format: u32,
    /// A name for results and reports.
    #[serde(default)]
    pub name: String,
    /// The image that the system's networks see; none for a system that takes rows, of a table or of features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<InputConfig>,
    /// Which file is which network; a network that is not named is found by itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub networks: BTreeMap<Role, NetworkFile>,
    /// The published system and its settings.
    pub system: System,
    /// From the map to one number; absent, what is usual for the system.
    #[serde(default)]
    pub score: ScoreConfig,
    /// Where normal ends.
    #[serde(default)]
    pub threshold: Thresholds,
    /// SHA-256 of the measurement of normal images (see [`crate::detect::NormalMeasurement`]) that the thresholds were chosen with; under
    /// another one they do not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold_for: Option<String>,
}

impl DetectorConfig {
    /// A system on an input, its maps scored as is usual for it, without thresholds.
    pub fn new(name: &str, input: Option<InputConfig>, system: System) -> Self {
        let (networks, threshold, score) = (BTreeMap::new(), Thresholds::default(), system.usual_score());
        let threshold_for = None;
        DetectorConfig { format: FORMAT, name: name.into(), input, networks, system, score, threshold, threshold_for }
    }
    /// AnoDDPM as published, for a network of this input: lambda 250, six octaves of simplex noise, every DDPM step with
    /// the large variance, the squared error, a pixel being anomalous above 0.5.
    pub fn as_published(input: InputConfig) -> Self {
        let threshold = Thresholds { pixel: Some(0.5), image: None };
        let system = System::AnoDdpm(Default::default());
        DetectorConfig { threshold, ..Self::new("AnoDDPM, as published", Some(input), system) }
    }
    /// Reads and checks a `detector.json` of either format.
    /// # Errors
    /// [`Error::Io`], or [`Error::File`] naming the field.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        Self::parse(&text).map_err(|fault| Error::file(path, fault.to_string()))
    }
    /// Parses and checks the text of a `detector.json` of either format.
    /// # Errors
    /// [`Error::Invalid`] naming the field.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let value: serde_json::Value = json::parse(text).map_err(Error::Invalid)?;
        // From the text, so that a fault comes with its line.
        let mut config: DetectorConfig = match value.get("format") {
            Some(format) if *format == 1 => json::parse::<FormatOne>(text).map_err(Error::Invalid)?.into_two()?,
            Some(format) if *format == 2 => json::parse(text).map_err(Error::Invalid)?,
            Some(other) => return Err(Error::Invalid(format!("`format` is {other}; 1 and 2 are known"))),
            None => return Err(Error::Invalid("`format` is missing; it is 1 or 2".into())),
        };
        if value.get("score").is_none() {
            config.score = config.system.usual_score();
        }
        config.check()?;
        Ok(config)
    }
    /// The settings that a record of results or of measurements holds, of either format.
    /// # Errors
    /// [`Error::Invalid`] when they are no settings.
    pub fn recorded(settings: &serde_json::Value) -> Result<Self> {
        let invalid = |fault: String| Error::Invalid(format!("the settings that it holds cannot be read: {fault}"));
        match settings.get("format").and_then(serde_json::Value::as_u64) {
            Some(2) => json::from_value(settings).map_err(invalid),
            _ => json::from_value::<FormatOne>(settings).map_err(invalid)?.into_two(),
        }
    }
    /// The image that the networks see.
    /// # Errors
    /// [`Error::Invalid`] for a detector that takes rows.
    pub fn image(&self) -> Result<&InputConfig> {
        self.input.as_ref().ok_or_else(|| Error::Invalid("this detector takes rows of numbers, not an image".into()))
    }
    /// What the names of the files end in that make one image; empty where a file is a whole image.
    pub fn suffixes(&self) -> &[String] {
        self.input.as_ref().map_or(&[], |i| &i.suffixes)
    }
    /// What is done with the maps of a whole volume; none for a system whose slices stand alone.
    pub fn postprocessing(&self) -> Option<Postprocessing> {
        self.system.postprocessing(self.input.as_ref())
    }
    /// Whether map or score depend on what is foreground.
    pub fn judges_foregrounds(&self) -> bool {
        self.score == ScoreConfig::Foreground || self.postprocessing().is_some_and(|p| p.erosion > 0)
    }
    /// Whether anything depends on what is foreground, the scaling of the input included; a mask beside an image may say it.
    pub fn reads_foregrounds(&self) -> bool {
        let scales = |i: &InputConfig| i.scaling.over() == Some(crate::data::Over::Mask);
        self.judges_foregrounds() || self.input.as_ref().is_some_and(scales)
    }
    /// Holds every value to its range.
    /// # Errors
    /// [`Error::Invalid`] naming the field.
    pub fn check(&self) -> Result<()> {
        if self.format != FORMAT {
            return Err(Error::Invalid(format!("`format` must be {FORMAT}")));
        }
        if self.system.takes_image() != self.input.is_some() {
            let what = if self.input.is_some() { "has none: its rows are not images" } else { "is missing" };
            return Err(Error::Invalid(format!("`input` {what} (method `{}`)", self.system.method())));
        }
        self.input.iter().try_for_each(InputConfig::check)?;
        if let ScoreConfig::Top { fraction } = self.score
            && !(fraction > 0.0 && fraction <= 1.0)
        {
            return Err(Error::Invalid("`score.fraction` must be above 0 and at most 1".into()));
        }
        if let ScoreConfig::Window { side } = self.score {
            let most = self.input.as_ref().map_or(255, |i| i.width.min(i.height).min(255));
            must(
                side % 2 == 1 && side <= most,
                "score.side",
                &format!("odd and up to {most}, as the map has no more"),
            )?;
        }
        let limits = [("pixel", self.threshold.pixel), ("image", self.threshold.image)];
        if let Some((name, _)) = limits.iter().find(|l| l.1.is_some_and(|v| !v.is_finite())) {
            return Err(Error::Invalid(format!("`threshold.{name}` must be finite")));
        }
        for (role, network) in &self.networks {
            if !self.system.roles().contains(role) {
                let method = self.system.method();
                return Err(Error::Invalid(format!("`networks.{role}`: the system `{method}` has no such network")));
            }
            if !network.file.as_deref().is_none_or(inside) {
                let fault =
                    format!("`networks.{role}.file` must be a file in the model folder, or in a folder inside it");
                return Err(Error::Invalid(fault));
            }
        }
        self.system.check(self.input.as_ref())
    }
}

/// `Ok` when it holds, otherwise an error that names the field and what it must be.
pub(super) fn must(holds: bool, field: &str, be: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Invalid(format!("`{field}` must be {be}"))) }
}

/// Whether a path leads to something below the folder that it starts from, by names alone.
pub(super) fn inside(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|c| matches!(c, Component::Normal(_)))
}

#[cfg(test)]
mod tests;
