//! Which model, and what of its settings the user wants otherwise: for every command that runs a detector.
use super::NetworkArgs;
use super::given::Given;
use crate::detect::config::SamplerConfig;
use crate::detect::{DetectorConfig, Dial, ModelFolder, Quality, System};
use crate::model::Layout;
use crate::{Error, Result};
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct ModelArgs {
    /// Model folder or checkpoint (safetensors, or PyTorch's .pt, .pth, .ckpt, .bin) [default: the texture model inside the program]
    #[arg(long, value_name = "FOLDER")]
    pub model: Option<PathBuf>,
    #[command(flatten)]
    network: NetworkArgs,
    /// Speed against quality, as `residua dial` measured it for the model: fast, balanced or best
    #[arg(long, value_name = "NAME")]
    quality: Option<Quality>,
    /// A setting of the model's system by name; may be repeated. `residua inspect` lists names and ranges
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// Noise level, short for --set lambda=T: how far the image is dissolved
    #[arg(long, value_name = "T", value_parser = count)]
    lambda: Option<usize>,
    /// DDIM steps on the way back, short for --set sampler.steps=N
    #[arg(long, value_name = "N", value_parser = count)]
    steps: Option<usize>,
    /// Reconstructions to average, short for --set runs=N
    #[arg(long, value_name = "N", value_parser = count)]
    runs: Option<usize>,
    /// Side of the network's input, for checkpoints that do not say
    #[arg(long, value_name = "PIXELS", value_parser = count)]
    size: Option<usize>,
}

/// A number of something.
fn count(text: &str) -> Result<usize, String> {
    text.trim().parse().map_err(|_| "a whole number is needed, and none below 0".to_owned())
}

/// `NAME=VALUE`.
pub(crate) fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| "NAME=VALUE is needed".to_owned())?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// Flags that say which model runs and how: where nothing is run, or no model of images, they say nothing.
pub(crate) const MODEL_FLAGS: [&str; 11] = [
    "--quality",
    "--set",
    "--lambda",
    "--steps",
    "--runs",
    "--size",
    "--heads",
    "--head-channels",
    "--attention-order",
    "--weights",
    "--strict",
];

/// What the model folder's thresholds were chosen for, held against the flags.
pub(crate) struct Chosen {
    /// The settings that flags make others than the thresholds' own, by name.
    pub changed: Option<String>,
    /// The axis of volumes that they were chosen along.
    pub axis: usize,
    /// The table of `--quality` and its file.
    pub dial: Option<(Dial, PathBuf)>,
}

impl ModelArgs {
    /// Where the thresholds of `model` come from, unless flags replace them.
    pub fn origin(&self, model: &ModelFolder) -> String {
        match self.quality {
            Some(quality) => format!("quality.json, for --quality {}", quality.as_str()),
            None if model.settings.is_file() => "detector.json".into(),
            None => format!("{} as published", model.config.system.title()),
        }
    }
    /// Opens the model with the flags over its settings, and reads every weight once.
    pub fn open(&self, given: &Given) -> Result<ModelFolder> {
        Ok(self.open_with_thresholds(given)?.0)
    }
    /// The same with maps of what the system takes from normal images.
    pub fn open_to_measure(&self, given: &Given) -> Result<ModelFolder> {
        Ok(self.open_as(given, Some(|config: &mut DetectorConfig| config.system.set_to_measure()))?.0)
    }
    /// As [`ModelArgs::open`], and what the thresholds that the model holds were chosen for: its folder's own settings, or those of the row that
    /// `--quality` means.
    pub fn open_with_thresholds(&self, given: &Given) -> Result<(ModelFolder, Chosen)> {
        self.open_as(given, None::<fn(&mut DetectorConfig) -> Result<()>>)
    }
    fn open_as(
        &self,
        given: &Given,
        measure: Option<impl FnOnce(&mut DetectorConfig) -> Result<()>>,
    ) -> Result<(ModelFolder, Chosen)> {
        let path = match &self.model {
            Some(p) => p.clone(),
            None => super::builtin::model()?,
        };
        let dial = self.quality.map(|q| Ok::<_, Error>((q, Dial::open(&Dial::path(&path))?))).transpose()?;
        let axis = dial.as_ref().and_then(|(_, d)| d.data.axis).unwrap_or(2);
        let measures = measure.is_some();
        let (mut changed, network) = (None, std::cell::Cell::new(false));
        let model = ModelFolder::open_with(
            &path,
            |base| {
                network.set(self.network.contradicts(&base));
                self.network.overrides(base)
            },
            self.size,
            |config| {
                if let Some(row) = dial.as_ref().and_then(|(q, d)| d.choose(*q)) {
                    row.apply(config)?;
                }
                let chosen_for = config.clone();
                self.apply(config)?;
                measure.map_or(Ok(()), |measure| measure(config))?;
                changed = config.changed(&chosen_for);
                Ok(())
            },
        )?;
        if let Ok(unet) = model.networks.denoiser().and_then(|n| n.as_unet()) {
            let layout = unet.layout;
            let apart = [Layout::Diffusers, Layout::MonaiCore, Layout::MonaiGenerative].contains(&layout);
            let fault = |flag: &str| format!("{flag}: {layout} keeps q, k and v apart, so that they have no order");
            given.refuse(if apart { &["--attention-order"] } else { &[] }, fault)?;
        }
        // A flag that a config.json contradicts changes the network, too.
        let flags = ["--heads", "--head-channels", "--attention-order"].iter().any(|flag| given.has(flag));
        let other = || match (ModelFolder::open(&path), model.networks.denoiser()) {
            (Ok(plain), Ok(now)) => plain.networks.denoiser().is_ok_and(|n| n.as_unet().ok() != now.as_unet().ok()),
            // They were needed.
            _ => false,
        };
        if network.get() || (flags && model.settings.is_file() && other()) {
            changed = Some(changed.map_or("`unet`".to_owned(), |others| others + ", `unet`"));
        }
        let measured = model.measured_sha256();
        if self.quality.is_none() && model.config.threshold_for.is_some() && model.config.threshold_for != measured {
            let what = "the measurement of normal images";
            changed = Some(changed.map_or(what.to_owned(), |others| format!("{others}, {what}")));
        }
        if !model.config.system.takes_image() {
            let system = model.config.system.title();
            given.refuse(&["--size"], |flag| format!("{flag} is about a UNet and its input; {system} has none"))?;
        }
        // A model that is to measure lacks what the table was made with.
        if let (Some((_, d)), false) = (&dial, measures) {
            d.check(&Dial::path(&path), &model)?;
            if d.seeds().is_none() {
                tracing::warn!(
                    "{}: its rows were measured with different seeds of the noise, so that chance may have ranked them: run \
                     `residua dial` again",
                    Dial::path(&path).display()
                );
            }
        }
        model.settle(self.network.strict)?;
        let dial = dial.map(|(_, dial)| (dial, Dial::path(&path)));
        Ok((model, Chosen { changed, axis, dial }))
    }
    /// The settings that flags give, by name, each once.
    /// # Errors
    /// [`Error::Invalid`] for a setting that is given twice, as a whole and in part included.
    pub fn named(&self) -> Result<Vec<(String, String)>> {
        Ok(self.flags()?.into_iter().map(|(name, value, _)| (name, value)).collect())
    }
    /// The same, each with the flag as it was given.
    fn flags(&self) -> Result<Vec<(String, String, String)>> {
        let short =
            [("lambda", "lambda", self.lambda), ("runs", "runs", self.runs), ("sampler.steps", "steps", self.steps)];
        let short = short.iter().filter_map(|&(name, flag, value)| {
            let value = value?.to_string();
            Some((name.to_owned(), value.clone(), format!("--{flag} {value}")))
        });
        let set = self.set.iter().map(|(n, v)| (n.clone(), v.clone(), format!("--set {n}={v}")));
        let all: Vec<(String, String, String)> = short.chain(set).collect();
        for (i, (name, ..)) in all.iter().enumerate() {
            let whole = |a: &str, b: &str| a == b || b.strip_prefix(a).is_some_and(|rest| rest.starts_with('.'));
            if let Some((other, ..)) = all[..i].iter().find(|(other, ..)| whole(other, name) || whole(name, other)) {
                let what = if other == name {
                    format!("`{name}` is given twice")
                } else {
                    format!("`{other}` and `{name}` are given")
                };
                return Err(Error::Invalid(format!("{what}: one value of a setting is needed")));
            }
        }
        Ok(all)
    }
    /// Settings and shorthands over a detector's. A shorthand that the system has no such setting for is refused.
    fn apply(&self, config: &mut DetectorConfig) -> Result<()> {
        let all = self.flags()?;
        all.iter().try_for_each(|(name, value, _)| config.system.set(name, value))?;
        if let Some((flag, why)) = all.iter().find_map(|(name, _, flag)| Some((flag, config.system.idle(name)?))) {
            return Err(Error::Invalid(format!("{flag} changes nothing: {why}")));
        }
        // A lower lambda leaves no room for as many steps, unless they were asked for.
        let asked = all.iter().any(|(name, ..)| name.starts_with("sampler"));
        let (sampler, levels) = match &mut config.system {
            System::AnoDdpm(s) => (Some(&mut s.sampler), s.lambda),
            System::AdvRad(s) => (Some(&mut s.sampler), s.k.saturating_add(1)),
            System::Pinaya(s) => (Some(&mut s.sampler), s.start.saturating_add(1)),
            System::Pddpm(_)
            | System::Dte(_)
            | System::Wolleb(_)
            | System::DiffAd(_)
            | System::Xu(_)
            | System::Ddad(_) => (None, 0),
        };
        if let (Some(SamplerConfig::Ddim { steps, .. }), false) = (sampler, asked) {
            *steps = (*steps).min(levels);
        }
        // Settings hang together, so that what does not fit is told with all flags.
        config.check().map_err(|e| match all.iter().map(|(.., flag)| flag.clone()).reduce(|a, b| a + " " + &b) {
            Some(flags) => Error::Invalid(format!("{flags}: {e}")),
            None => e,
        })
    }
}
