//! The published systems: the only list of them.
use super::config::{InputConfig, NoisePer, ScoreConfig};
use super::settings::{Range, Setting, apply};
use super::{
    Job, ModelFolder,
    advrad::AdvRad,
    anoddpm::AnoDdpm,
    dte::Dte,
    networks::Role,
    pddpm::{Pddpm, Postprocessing},
    pinaya::Pinaya,
    wolleb::Wolleb,
};
use crate::diffusion::NoiseSource;
use crate::{Error, Result, json};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

/// A published system with its settings; in `detector.json` told apart by `method`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "method")]
pub enum System {
    /// AnoDDPM (Wyatt et al. 2022).
    #[serde(rename = "anoddpm")]
    AnoDdpm(AnoDdpm),
    /// pDDPM (Behrendt et al. 2023).
    #[serde(rename = "pddpm")]
    Pddpm(Pddpm),
    /// AdvRAD (Cao et al. 2024).
    #[serde(rename = "advrad")]
    AdvRad(AdvRad),
    /// Diffusion time estimation and its DDPM baseline (Livernoche et al. 2024).
    #[serde(rename = "dte")]
    Dte(Dte),
    /// Wolleb et al. 2022: DDIM's encoding, and decoding under a classifier.
    #[serde(rename = "wolleb")]
    Wolleb(Wolleb),
    /// Pinaya et al. 2022: latents that fit badly are painted anew.
    #[serde(rename = "pinaya")]
    Pinaya(Pinaya),
}

/// By its method, so that a fault names the setting.
impl<'de> Deserialize<'de> for System {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut settings = serde_json::Map::<String, Value>::deserialize(from)?;
        let method = settings.remove("method");
        let method = method.as_ref().and_then(Value::as_str);
        let method = method.ok_or_else(|| D::Error::custom("the field `method` is missing, or no text"))?;
        let settings = Value::Object(settings);
        let read = match System::named(method).map_err(D::Error::custom)? {
            System::AnoDdpm(_) => json::from_value(&settings).map(System::AnoDdpm),
            System::Pddpm(_) => json::from_value(&settings).map(System::Pddpm),
            System::AdvRad(_) => json::from_value(&settings).map(System::AdvRad),
            System::Dte(_) => json::from_value(&settings).map(System::Dte),
            System::Wolleb(_) => json::from_value(&settings).map(System::Wolleb),
            System::Pinaya(_) => json::from_value(&settings).map(System::Pinaya),
        };
        read.map_err(D::Error::custom)
    }
}

impl System {
    /// What `detector.json` calls the systems.
    pub const METHODS: [&'static str; 6] = ["anoddpm", "pddpm", "advrad", "dte", "wolleb", "pinaya"];

    /// A system by the name of its method, as published.
    /// # Errors
    /// [`Error::Invalid`] for a name that no system has.
    pub fn named(method: &str) -> Result<Self> {
        match method {
            "anoddpm" => Ok(System::AnoDdpm(AnoDdpm::default())),
            "pddpm" => Ok(System::Pddpm(Pddpm::default())),
            "advrad" => Ok(System::AdvRad(AdvRad::default())),
            "dte" => Ok(System::Dte(Dte::default())),
            "wolleb" => Ok(System::Wolleb(Wolleb::default())),
            "pinaya" => Ok(System::Pinaya(Pinaya::default())),
            _ => {
                let known = System::METHODS.join(", ");
                Err(Error::Invalid(format!("there is no method `{method}`; these are known: {known}")))
            }
        }
    }
    /// What `detector.json` calls it.
    pub fn method(&self) -> &'static str {
        match self {
            System::AnoDdpm(_) => "anoddpm",
            System::Pddpm(_) => "pddpm",
            System::AdvRad(_) => "advrad",
            System::Dte(_) => "dte",
            System::Wolleb(_) => "wolleb",
            System::Pinaya(_) => "pinaya",
        }
    }
    /// What publications call it.
    pub fn title(&self) -> &'static str {
        match self {
            System::AnoDdpm(_) => "AnoDDPM",
            System::Pddpm(_) => "pDDPM",
            System::AdvRad(_) => "AdvRAD",
            System::Dte(d) => d.estimator.unwrap_or_default().name(),
            System::Wolleb(_) => "Wolleb et al.",
            System::Pinaya(_) => "Pinaya et al.",
        }
    }
    /// The networks that it may have.
    pub fn roles(&self) -> &'static [Role] {
        match self {
            System::AnoDdpm(_) | System::Pddpm(_) | System::AdvRad(_) => &[Role::Denoiser],
            System::Dte(_) => &[Role::Estimator, Role::Features],
            System::Wolleb(_) => &[Role::Denoiser, Role::Classifier],
            System::Pinaya(_) => &[Role::Denoiser, Role::Autoencoder],
        }
    }
    /// Whether its networks see the image itself, brought to their size; otherwise it takes rows of numbers.
    pub fn takes_image(&self) -> bool {
        !matches!(self, System::Dte(_))
    }
    /// Whether it tells where in an image something is anomalous. A system without maps gives a score alone.
    pub fn has_map(&self) -> bool {
        !matches!(self, System::Dte(_))
    }
    /// Whether it draws noise when it scores.
    pub fn draws_noise(&self) -> bool {
        match self {
            System::AnoDdpm(_) | System::Pddpm(_) | System::Pinaya(_) => true,
            System::AdvRad(s) => s.noise != super::advrad::Diffusion::None,
            System::Dte(_) => false,
            System::Wolleb(s) => s.variant == super::config::Variant::Published,
        }
    }
    /// What shares one noise.
    pub fn noise_per(&self) -> NoisePer {
        match self {
            System::AnoDdpm(s) => s.noise_per,
            System::Pddpm(s) => s.noise_per,
            System::AdvRad(s) => s.noise_per(),
            System::Dte(_) => NoisePer::Run,
            System::Wolleb(s) => s.noise_per(),
            System::Pinaya(s) => s.noise_per,
        }
    }
    /// Forward passes of the denoiser for an image of this size: what its time is proportional to, on every device.
    pub fn passes(&self, input: Option<&InputConfig>) -> usize {
        match self {
            System::AnoDdpm(s) => s.passes(),
            System::Pddpm(s) => input.map_or(1, |i| s.patches(i.height, i.width).len()),
            System::AdvRad(s) => s.passes(),
            System::Dte(_) => 1,
            System::Wolleb(s) => s.passes(),
            System::Pinaya(s) => s.passes(),
        }
    }
    /// Whether each map has its own threshold for pixels, by Otsu's method.
    pub fn cuts_by_otsu(&self) -> bool {
        matches!(self, System::Wolleb(s) if s.otsu)
    }
    /// How a map becomes a score where nothing else is said: AdvRAD's is the maximum, the others' the mean.
    pub fn usual_score(&self) -> ScoreConfig {
        if matches!(self, System::AdvRad(_)) { ScoreConfig::Max } else { ScoreConfig::default() }
    }
    /// What is done with the maps of a whole volume; none for a system whose slices stand alone.
    pub fn postprocessing(&self, input: Option<&InputConfig>) -> Option<Postprocessing> {
        match self {
            System::Pddpm(s) => input.map(|i| s.postprocessing(i.height)),
            _ => None,
        }
    }
    /// Holds every setting to its range.
    /// # Errors
    /// [`Error::Invalid`] naming the field.
    pub fn check(&self, input: Option<&InputConfig>) -> Result<()> {
        match self {
            System::AnoDdpm(s) => s.check(),
            System::Pddpm(s) => s.check(input),
            System::AdvRad(s) => s.check(input),
            System::Dte(_) => Ok(()),
            System::Wolleb(s) => s.check(input),
            System::Pinaya(s) => s.check(input),
        }
    }
    /// Holds the networks of a model folder against the settings.
    /// # Errors
    /// [`Error::File`] or [`Error::Invalid`] for a network that is missing, or is another than the settings need.
    pub(super) fn agree(&self, model: &ModelFolder) -> Result<()> {
        match self {
            System::AnoDdpm(s) => super::networks::agree(model, s.sampler()?.variance_channels, false),
            System::Pddpm(s) => super::networks::agree(model, s.sampler()?.variance_channels, false),
            System::AdvRad(s) => super::networks::agree(model, s.sampler()?.variance_channels, false),
            System::Dte(s) => s.agree(model),
            System::Wolleb(s) => s.agree(model),
            System::Pinaya(s) => s.agree(model),
        }
    }
    /// What a batch of `n` images, or rows, runs. `noise` replaces the source that the settings name.
    /// # Errors
    /// Shapes that do not fit, settings out of range, a network that is missing.
    pub fn job(&self, model: &ModelFolder, n: usize, noise: Option<NoiseSource>) -> Result<Job> {
        match self {
            System::AnoDdpm(s) => s.job(model, n, noise),
            System::Pddpm(s) => s.job(model, n, noise),
            System::AdvRad(s) => s.job(model, n, noise),
            System::Dte(s) => s.job(model, n),
            System::Wolleb(s) => s.job(model, n, noise),
            System::Pinaya(s) => s.job(model, n, noise),
        }
    }
    /// Its settings by name.
    pub fn settings(&self) -> &'static [Setting] {
        match self {
            System::AnoDdpm(_) => super::anoddpm::SETTINGS,
            System::Pddpm(_) => super::pddpm::SETTINGS,
            System::AdvRad(_) => super::advrad::SETTINGS,
            System::Dte(_) => super::dte::SETTINGS,
            System::Wolleb(_) => super::wolleb::SETTINGS,
            System::Pinaya(_) => super::pinaya::SETTINGS,
        }
    }
    /// The settings that trade speed for quality, which `residua dial` measures. Names of parts come after that of the whole.
    pub fn dialled(&self) -> &'static [&'static str] {
        match self {
            System::AnoDdpm(_) => &["lambda", "runs", "sampler", "sampler.steps"],
            System::Pddpm(_) => &["lambda", "patch", "stride", "overlap"],
            System::AdvRad(_) => &["k", "sampler", "sampler.steps", "scales", "blur"],
            System::Dte(_) => &["estimate"],
            System::Wolleb(_) => &["noise_level", "scale", "respacing"],
            System::Pinaya(_) => {
                &["quantile", "start", "sampler", "sampler.steps", "grow", "residual", "reference", "filter"]
            }
        }
    }
    /// The value of a setting, in words.
    pub fn value(&self, setting: &Setting) -> String {
        setting.show(&serde_json::to_value(self).unwrap_or_default())
    }
    /// Sets a setting from its text. Ranges that hang together with other settings are checked by [`System::check`].
    /// # Errors
    /// [`Error::Invalid`] for a name that the system does not have, listing those that it has, and for a value that does not fit.
    pub fn set(&mut self, name: &str, text: &str) -> Result<()> {
        let Some(setting) = self.settings().iter().find(|s| s.name == name) else {
            let names: Vec<&str> = self.settings().iter().map(|s| s.name).collect();
            let fault = format!("{} has no setting `{name}`; it has {}", self.title(), names.join(", "));
            return Err(Error::Invalid(fault));
        };
        let invalid = |fault: String| Error::Invalid(format!("`{name}` cannot be `{text}`: {fault}"));
        let mut all = serde_json::to_value(&*self).map_err(|e| invalid(e.to_string()))?;
        // Steps may come before the level that leaves room for them, a level before its respacing: `check` holds them together.
        let later = matches!(setting.range, Range::DdimSteps(..)) || setting.name == "noise_level";
        let range = if later { setting.range } else { self.range(setting) };
        apply(&Setting { range, ..*setting }, &mut all, text).map_err(invalid)?;
        *self = json::from_value(&all).map_err(invalid)?;
        Ok(())
    }
    /// What a setting may be, as far as the other settings allow: lambda ends with the schedule, DDIM's steps with lambda.
    pub fn range(&self, setting: &Setting) -> Range {
        let (steps, lambda) = match self {
            System::AnoDdpm(s) => (s.schedule.train_steps, s.lambda),
            System::Pddpm(s) => (s.schedule.train_steps, s.lambda),
            System::Wolleb(s) => return s.range(setting),
            System::AdvRad(s) => (s.schedule.train_steps, s.k + 1),
            System::Pinaya(s) => (s.schedule.train_steps, s.start + 1),
            System::Dte(_) => return setting.range,
        };
        match setting.range {
            Range::Count(low, high) if ["k", "start", "band.first", "band.last"].contains(&setting.name) => {
                Range::Count(low, high.min(steps.saturating_sub(1)))
            }
            Range::Count(low, high) if setting.name == "lambda" => Range::Count(low, high.min(steps)),
            Range::DdimSteps(low, high) => Range::DdimSteps(low, high.min(lambda)),
            other => other,
        }
    }
    /// The settings that maps and scores depend on, as JSON, those left out that are as published.
    pub(super) fn chosen(&self) -> Value {
        let published = System::named(self.method()).and_then(|s| to_json(&s));
        let mut all = to_json(self).unwrap_or_default();
        if let (Some(all), Ok(published)) = (all.as_object_mut(), published) {
            all.retain(|key, value| key == "method" || published.get(key) != Some(value));
            // How masks are cut changes neither maps nor scores.
            all.remove("otsu");
        }
        all
    }
}

fn to_json(system: &System) -> Result<Value> {
    serde_json::to_value(system).map_err(|e| Error::Invalid(e.to_string()))
}
