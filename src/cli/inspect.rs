//! `residua inspect`: what a model folder or a checkpoint is, what one step of it takes, and its settings by name.
use super::NetworkArgs;
use super::network::{Size, Subject};
use crate::detect::networks::Role;
use crate::detect::{DetectorConfig, FromNormal, ModelFolder};
use crate::model::{Cost, Summary};
use crate::report::in_words;
use crate::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Model folder, checkpoint (safetensors, .pt, .pth, .ckpt, .bin), or manifest of keys and shapes (.tsv)
    #[arg(value_name = "FOLDER|FILE")]
    path: PathBuf,
    #[command(flatten)]
    network: NetworkArgs,
    /// Input size for memory and compute, a side or HEIGHTxWIDTH, instead of what the folder says
    #[arg(long, value_name = "SIZE")]
    size: Option<Size>,
    /// Memory for the values, in GiB: with less than the gradient would keep, it computes values again
    #[arg(long, value_name = "GIB", value_parser = gibibytes)]
    memory: Option<f64>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// More than nothing, and less than any machine's.
pub(super) fn gibibytes(text: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|v| *v > 0.0 && *v <= 65536.0);
    value.ok_or_else(|| "a memory is a number of GiB above 0, 65536 at most".to_owned())
}

/// The JSON object.
#[derive(Serialize)]
struct Report {
    /// Of the first network that is a graph; an estimator of rows has none.
    #[serde(flatten)]
    summary: Option<Summary>,
    /// The other networks, by role.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    networks: BTreeMap<String, Summary>,
    /// An estimator of rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimator: Option<Estimator>,
    /// One image, one call of the network.
    step: Option<Cost>,
    /// The same with the gradient with respect to the image; none for a network that has no such gradient.
    gradient: Option<Cost>,
    /// Nothing says the input's size: that of `step` is a guess.
    size_guessed: bool,
    detector: Option<DetectorConfig>,
    /// Of a system whose maps are distances from the mean error of normal images.
    #[serde(skip_serializing_if = "Option::is_none")]
    mean_map: Option<OfNormal>,
    /// Of a system whose mask is cut at a quantile of the divergence of healthy latents.
    #[serde(skip_serializing_if = "Option::is_none")]
    healthy_latents: Option<OfNormal>,
    /// What `--set` takes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    settings: Vec<Setting>,
}

/// What was measured on normal images.
#[derive(Serialize)]
struct OfNormal {
    /// How many; none where there is no measurement that fits.
    images: Option<usize>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

/// What scores rows.
#[derive(Serialize)]
struct Estimator {
    method: &'static str,
    columns: usize,
    parameters: usize,
    sha256: String,
    /// Rows are those of images, by their features.
    of_images: bool,
}

/// A setting of the system, as it is.
#[derive(Serialize)]
struct Setting {
    name: &'static str,
    /// In brackets what a setting that is not given comes to.
    value: String,
    range: String,
    about: &'static str,
    /// Why it changes nothing beside the others, if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    idle: Option<&'static str>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let subject = Subject::open(&args.path, &args.network, args.size)?;
    let report = Report::new(&subject, args)?;
    if args.json {
        crate::cli::print_json(&report)?;
    } else {
        report.print(&subject)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Report {
    fn new(subject: &Subject, args: &Args) -> Result<Self> {
        let none = (None, BTreeMap::new(), None, Vec::new());
        let (detector, mut networks, estimator, settings) = match subject {
            Subject::Network { .. } => none,
            Subject::Detector(model) => {
                let graphs = model.networks.graphs.iter();
                let summaries = graphs.map(|(role, n)| (role.to_string(), n.summary())).collect();
                let estimator = model.networks.estimator.as_ref().map(|e| Estimator {
                    method: e.model.method.name(),
                    columns: e.model.columns,
                    parameters: e.model.parameters(),
                    sha256: e.sha256.clone(),
                    of_images: e.model.features.is_some(),
                });
                (Some(model.config.clone()), summaries, estimator, Setting::all(model))
            }
        };
        let first = match subject {
            Subject::Network { network, .. } => Some(network),
            Subject::Detector(model) => model.networks.graphs.get(&Role::Denoiser),
        };
        let summary = match subject {
            Subject::Network { network, .. } => Some(network.summary()),
            Subject::Detector(_) => networks.remove(&Role::Denoiser.to_string()),
        };
        if let Subject::Network { network, .. } = subject {
            let beside = network.autoencoder_beside()?;
            networks.extend(beside.map(|n| (Role::Autoencoder.to_string(), n.summary())));
        }
        if let (Some(network), true) = (first, args.network.strict) {
            network.checkpoint.settle(true)?;
        }
        let memory = args.memory.map(|gib| (gib * f64::from(1 << 30)) as u64);
        let costs = first.map(|n| n.costs(subject.network_shape()?, memory)).transpose()?;
        let (step, gradient) = match costs {
            Some((step, gradient)) if memory.is_some() => (Some(step), Some(gradient?)),
            Some((step, gradient)) => (Some(step), gradient.inspect_err(|e| tracing::debug!("no gradient: {e}")).ok()),
            None if memory.is_some() => return Err(Error::Invalid("--memory is for networks of images".into())),
            None => (None, None),
        };
        let size_guessed = matches!(subject, Subject::Network { guessed: true, .. });
        let (mean_map, healthy_latents) = match subject {
            Subject::Detector(model) => OfNormal::both(model),
            Subject::Network { .. } => (None, None),
        };
        Ok(Report {
            summary,
            networks,
            estimator,
            step,
            gradient,
            size_guessed,
            detector,
            mean_map,
            healthy_latents,
            settings,
        })
    }

    fn print(&self, subject: &Subject) -> Result<()> {
        self.summary.iter().for_each(|s| print!("{s}"));
        if let Some(Estimator { method, columns, parameters, sha256, of_images }) = &self.estimator {
            let rows = if *of_images { "features of images" } else { "rows of a table" };
            println!("{method}, fitted to {rows}\n  sha256       {sha256}");
            println!("  columns      {columns}\n  parameters   {parameters}");
        }
        // These are of the network above, so that the others follow.
        self.step.iter().for_each(|step| print!("{step}"));
        if let Some(Cost { activation_bytes, launches, .. }) = self.gradient {
            let mib = activation_bytes as f64 / f64::from(1 << 20);
            println!("  gradient     {mib:.1} MiB activations, {launches} launches forwards and backwards");
        }
        if self.size_guessed {
            let crate::Shape { h, w, .. } = subject.shape()?;
            println!("  (no file says the input's size: {h} x {w} is a guess, --size chooses another)");
        }
        self.networks.iter().for_each(|(role, s)| print!("{role}: {s}"));
        let Some(config) = &self.detector else { return Ok(()) };
        println!("  detector     {} ({})", config.name, config.system.title());
        let all = serde_json::to_value(config).map_err(|e| Error::Invalid(e.to_string()))?;
        for (name, value) in [
            ("input", &all["input"]),
            ("schedule", &all["system"]["schedule"]),
            ("score", &all["score"]),
            ("threshold", &all["threshold"]),
        ] {
            if !value.is_null() {
                println!("  {name:12} {}", in_words(value));
            }
        }
        for (name, measured) in [("mean map", &self.mean_map), ("latents", &self.healthy_latents)] {
            match measured {
                Some(OfNormal { images: Some(images), .. }) => println!("  {name:12} of {images} normal images"),
                Some(OfNormal { fault: Some(fault), .. }) => println!("  {name:12} {fault}"),
                _ => {}
            }
        }
        println!("settings, for --set NAME=VALUE:");
        let width = |of: fn(&Setting) -> usize| self.settings.iter().map(of).max().unwrap_or(0);
        let (name, value) = (width(|s| s.name.len()), width(|s| s.value.len()));
        for s in &self.settings {
            let idle = s.idle.map(|why| format!("; changes nothing here: {why}")).unwrap_or_default();
            println!("  {:name$}  {:value$}  {} ({}){idle}", s.name, s.value, s.about, s.range);
        }
        Ok(())
    }
}

impl OfNormal {
    /// The mean map and the healthy latents, whichever the system takes.
    fn both(model: &ModelFolder) -> (Option<Self>, Option<Self>) {
        let of = |found: Result<usize>| match found {
            Ok(images) => OfNormal { images: Some(images), fault: None },
            Err(e) => OfNormal { images: None, fault: Some(e.to_string()) },
        };
        match model.config.system.from_normal() {
            Some(FromNormal::MeanMap) => (Some(of(model.mean_map().map(|m| m.images))), None),
            Some(FromNormal::Latents) => (None, Some(of(model.healthy_latents().map(|l| l.images)))),
            None => (None, None),
        }
    }
}

impl Setting {
    fn all(model: &ModelFolder) -> Vec<Self> {
        let system = &model.config.system;
        let one = |s: &crate::detect::Setting| Setting {
            name: s.name,
            value: match (system.value(s), system.left_to_others(s.name)) {
                (value, Some(usual)) if value == "-" => format!("- ({usual})"),
                (value, _) => value,
            },
            range: system.range(s).to_string(),
            about: s.about,
            idle: system.idle(s.name),
        };
        system.settings().iter().map(one).collect()
    }
}
