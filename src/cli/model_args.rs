//! Which model, and what of its settings the user wants otherwise: for every command that runs a detector.
use super::NetworkArgs;
use crate::detect::config::SamplerConfig;
use crate::detect::{DetectorConfig, Dial, ModelFolder, Quality, System};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct ModelArgs {
    /// Model folder or checkpoint (safetensors, or PyTorch's .pt, .pth, .ckpt, .bin) [default: the shipped texture model]
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
    #[arg(long, value_name = "T")]
    lambda: Option<usize>,
    /// DDIM steps on the way back, short for --set sampler.steps=N
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Reconstructions to average, short for --set runs=N
    #[arg(long, value_name = "N")]
    runs: Option<usize>,
    /// Side of the network's input, for checkpoints that do not say
    #[arg(long, value_name = "PIXELS")]
    size: Option<usize>,
}

/// `NAME=VALUE`.
pub(crate) fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| "NAME=VALUE is needed".to_owned())?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

impl ModelArgs {
    /// Whether flags change a setting of the system, for which the model folder's thresholds were then not chosen.
    pub fn changes_settings(&self) -> bool {
        !self.set.is_empty() || self.lambda.is_some() || self.runs.is_some() || self.steps.is_some()
    }
    /// Opens the model with the flags over its settings, and reads every weight once.
    pub fn open(&self) -> Result<ModelFolder> {
        let path = match &self.model {
            Some(p) => p.clone(),
            None => shipped_model()?,
        };
        let dial = self.quality.map(|q| Ok::<_, Error>((q, Dial::open(&Dial::path(&path))?))).transpose()?;
        let model = ModelFolder::open_with(
            &path,
            |base| self.network.overrides(base),
            self.size,
            |config| {
                if let Some(row) = dial.as_ref().and_then(|(q, d)| d.choose(*q)) {
                    row.apply(config)?;
                }
                self.apply(config)
            },
        )?;
        if let Some((_, d)) = &dial {
            d.check(&Dial::path(&path), &model)?;
        }
        model.settle(self.network.strict)?;
        Ok(model)
    }
    /// Settings and shorthands over a detector's. A shorthand that the system has no such setting for is refused.
    fn apply(&self, config: &mut DetectorConfig) -> Result<()> {
        let short =
            [("lambda", "lambda", self.lambda), ("runs", "runs", self.runs), ("sampler.steps", "steps", self.steps)];
        let short = short.iter().filter_map(|&(name, flag, value)| {
            let value = value?.to_string();
            Some((name.to_owned(), value.clone(), format!("--{flag} {value}")))
        });
        let set = self.set.iter().map(|(n, v)| (n.clone(), v.clone(), format!("--set {n}={v}")));
        let all: Vec<(String, String, String)> = short.chain(set).collect();
        all.iter().try_for_each(|(name, value, _)| config.system.set(name, value))?;
        // A lower lambda leaves no room for as many steps, unless they were asked for.
        let asked = all.iter().any(|(name, ..)| name.starts_with("sampler"));
        if let (System::AnoDdpm(s), false) = (&mut config.system, asked)
            && let SamplerConfig::Ddim { steps, .. } = &mut s.sampler
        {
            *steps = (*steps).min(s.lambda);
        }
        // Settings hang together, so that what does not fit is told with all flags.
        config.check().map_err(|e| match all.iter().map(|(.., flag)| flag.clone()).reduce(|a, b| a + " " + &b) {
            Some(flags) => Error::Invalid(format!("{flags}: {e}")),
            None => e,
        })
    }
}

/// The model that comes with Residua: beside the current folder, beside the program, or where it was built.
pub(crate) fn shipped_model() -> Result<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|p| p.parent().map(Path::to_owned));
    let places = [Some(PathBuf::from(".")), beside, Some(PathBuf::from(env!("CARGO_MANIFEST_DIR")))];
    let folders = places.into_iter().flatten().map(|p| p.join("weights/texture"));
    folders.into_iter().find(|p| p.join("detector.json").is_file()).ok_or_else(|| {
        Error::Invalid("the shipped model weights/texture is not here; name a model folder with --model".into())
    })
}
