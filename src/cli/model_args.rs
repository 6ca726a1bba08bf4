//! Which model, and what of its settings the user wants otherwise: for every command that runs a detector.
use super::NetworkArgs;
use crate::detect::config::SamplerConfig;
use crate::detect::{Dial, ModelFolder, Quality};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct ModelArgs {
    /// Model folder or safetensors file [default: the shipped texture model]
    #[arg(long, value_name = "FOLDER")]
    pub model: Option<PathBuf>,
    #[command(flatten)]
    network: NetworkArgs,
    /// Speed against quality, as `residua dial` measured it for the model: fast, balanced or best
    #[arg(long, value_name = "NAME")]
    quality: Option<Quality>,
    /// Noise level: how far the image is dissolved before it is healed
    #[arg(long, value_name = "T")]
    lambda: Option<usize>,
    /// DDIM steps on the way back, instead of what the model folder says
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Reconstructions to average, instead of what the model folder says
    #[arg(long, value_name = "N")]
    runs: Option<usize>,
    /// Side of the network's input, for checkpoints that do not say
    #[arg(long, value_name = "PIXELS")]
    size: Option<usize>,
}

impl ModelArgs {
    /// Opens the model with the flags over its settings, and reads every weight once.
    pub fn open(&self) -> Result<ModelFolder> {
        let path = match &self.model {
            Some(p) => p.clone(),
            None => shipped_model()?,
        };
        let dial = self.quality.map(|q| Ok::<_, Error>((q, Dial::open(&Dial::path(&path))?))).transpose()?;
        let model = ModelFolder::open(
            &path,
            |base| self.network.overrides(base),
            self.size,
            |c| {
                if let Some(row) = dial.as_ref().and_then(|(q, d)| d.choose(*q)) {
                    row.apply(c);
                }
                c.lambda = self.lambda.unwrap_or(c.lambda);
                c.runs = self.runs.unwrap_or(c.runs);
                if let Some(steps) = self.steps {
                    let eta = if let SamplerConfig::Ddim { eta, .. } = c.sampler { eta } else { 0.0 };
                    c.sampler = SamplerConfig::Ddim { steps, eta };
                }
                // A lower lambda leaves no room for as many steps.
                if let (SamplerConfig::Ddim { steps, .. }, None) = (&mut c.sampler, self.steps) {
                    *steps = (*steps).min(c.lambda);
                }
                Ok(())
            },
        )?;
        if let Some((_, d)) = &dial {
            d.check(&Dial::path(&path), &model)?;
        }
        model.settle(self.network.strict)?;
        Ok(model)
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
