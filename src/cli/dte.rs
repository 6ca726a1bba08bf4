//! `residua dte`: anomalous rows of tables, and images as such rows, by diffusion time estimation.
use super::DeviceArgs;
use super::given::Given;
use crate::data::{check_writable, write_bytes};
use crate::detect::dte::{Estimate, EstimatorKind, FitSettings, Model, RandomState, Recipe};
use crate::{Error, Result};
use clap::{Subcommand, ValueEnum};
pub(super) use columns::{ColumnArgs, in_table};
use input::InputArgs;
use std::path::PathBuf;
use std::process::ExitCode;

mod columns;
mod embed;
mod images;
mod input;
mod rows;

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fit to a table's rows, or to images (those labelled anomalous left out), and write a model folder
    Fit(Fit),
    /// Score a table's rows, or images, with a fitted model
    Score(Score),
    /// Write the features of images as a table
    Embed(embed::Args),
}

#[derive(clap::Args)]
struct Fit {
    #[command(flatten)]
    input: InputArgs,
    /// Model folder to write
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Train on at most this many rows, drawn at random
    #[arg(long, value_name = "N", default_value_t = crate::detect::dte::MAX_ROWS, value_parser = some_rows)]
    max_rows: usize,
    /// Neighbours whose squared distances are averaged (np)
    #[arg(long, value_name = "K", default_value_t = crate::detect::dte::NEIGHBOURS)]
    neighbours: usize,
    /// Decides the draw, and the weights, the order and the noise of training
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u32,
    #[command(flatten)]
    training: TrainingArgs,
    /// Rows of a step of training [default: 256 for ig, 64 for c and ddpm]
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    #[command(flatten)]
    device: DeviceArgs,
}

/// A number of rows.
fn some_rows(text: &str) -> Result<usize, String> {
    let fault = "a whole number is needed, and at least 1 row";
    text.trim().parse().ok().filter(|n| *n > 0).ok_or_else(|| fault.to_owned())
}

/// The estimator and how its network is trained.
#[derive(clap::Args)]
pub(super) struct TrainingArgs {
    /// The estimator: np (neighbours), c (categorical), ig (inverse gamma) or ddpm (the baseline)
    #[arg(long, value_enum, default_value = "np", value_name = "METHOD")]
    method: MethodName,
    /// Passes over the training rows
    #[arg(long, value_name = "N", default_value_t = Recipe::default().epochs)]
    epochs: usize,
    /// Steps of training at most [default: 4000 or 60 passes, whichever is more; for ig 2000 or 100]
    #[arg(long, value_name = "N")]
    max_steps: Option<usize>,
    /// Learning rate at the beginning [default: 0.0006 for ig, 0.001 for c and ddpm]
    #[arg(long, value_name = "RATE")]
    rate: Option<f64>,
    /// Networks whose scores are averaged [default: 5 for ig, 1 for c and ddpm]
    #[arg(long, value_name = "N")]
    members: Option<usize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum MethodName {
    Np,
    C,
    Ig,
    Ddpm,
}

impl TrainingArgs {
    /// Refuses what says nothing about the method.
    /// # Errors
    /// [`crate::Error::Invalid`] with the flag.
    pub fn check(&self, given: &Given) -> Result<()> {
        match self.method {
            MethodName::Np => {
                let training = ["--epochs", "--max-steps", "--rate", "--members", "--batch"];
                given.refuse(&training, |flag| format!("{flag} is about training, and np, the method, is not trained"))
            }
            MethodName::C | MethodName::Ig | MethodName::Ddpm => given.refuse(&["--neighbours", "--mode"], |flag| {
                format!("{flag} is about the method np, and another one is chosen")
            }),
        }
    }
    /// `batch` is the rows of a step of training.
    pub fn settings(&self, neighbours: usize, batch: Option<usize>, estimate: Estimate, seed: u32) -> FitSettings {
        let method = match self.method {
            MethodName::Np => EstimatorKind::Np,
            MethodName::C => EstimatorKind::C,
            MethodName::Ig => EstimatorKind::Ig,
            MethodName::Ddpm => EstimatorKind::Ddpm,
        };
        let (max_steps, rate, members) = (self.max_steps, self.rate, self.members);
        let recipe = Recipe { epochs: self.epochs, max_steps, batch, rate, members, seed, ..Recipe::default() };
        FitSettings { method, neighbours, estimate, recipe }
    }
}

#[derive(clap::Args)]
struct Score {
    #[command(flatten)]
    input: InputArgs,
    /// Model folder that `fit` wrote
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    #[command(flatten)]
    estimate: EstimateArgs,
    /// CSV file for the scores, instead of the standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
}

#[derive(clap::Args, Clone, Copy)]
pub(super) struct EstimateArgs {
    /// What a score is: the continuous distance, or the posterior's mode over the steps
    #[arg(long, value_enum, default_value = "distance", value_name = "WHICH")]
    mode: EstimateName,
}

#[derive(Clone, Copy, ValueEnum)]
enum EstimateName {
    Distance,
    Argmax,
}

impl EstimateArgs {
    pub fn get(self) -> Estimate {
        match self.mode {
            EstimateName::Distance => Estimate::Distance,
            EstimateName::Argmax => Estimate::Mode,
        }
    }
}

pub(super) fn run(args: &Args, given: &Given) -> Result<ExitCode> {
    let failed = match &args.command {
        Command::Fit(a) => fit(a, given),
        Command::Score(a) => score(a, given),
        Command::Embed(a) => embed::run(a),
    }?;
    Ok(ExitCode::from(if failed { 2 } else { 0 }))
}

/// True when an image could not be read; the rest is done.
fn fit(args: &Fit, given: &Given) -> Result<bool> {
    args.training.check(given)?;
    check_writable(&args.out)?;
    if !Model::is_in(&args.out)
        && ["config.json", "model.safetensors", "detector.json"].iter().any(|f| args.out.join(f).exists())
    {
        let fault = "holds a model that `residua dte fit` did not write; give another --out, or an empty folder";
        return Err(Error::file(&args.out, fault));
    }
    let device = args.device.open()?;
    let input = args.input.read(&device, None)?;
    // Before what may fail for want of rows.
    let failed = input.tell_failures();
    let table = &input.table;
    if let (Some(paths), None) = (&input.paths, &table.labels) {
        super::abnormal::warn_of_abnormal(args.input.paths(), paths);
    }
    let normal: Vec<usize> = match &table.labels {
        Some(y) => (0..y.len()).filter(|&i| !y[i]).collect(),
        None => (0..table.rows()).collect(),
    };
    if normal.is_empty() {
        let fault = "every row is labelled anomalous, and a model is fitted to normal rows; if the labels mean the opposite, say so \
                     with --normal VALUE";
        return Err(input.name_fault(Error::Invalid(fault.into())));
    }
    let rows = if normal.len() > args.max_rows {
        let draws = RandomState::new(args.seed).choice_without_replacement(normal.len(), args.max_rows);
        draws.into_iter().map(|i| normal[i]).collect()
    } else {
        normal
    };
    let settings = args.training.settings(args.neighbours, args.batch, Estimate::default(), args.seed);
    let mut loss = None;
    let normal = table.select(&rows);
    input.tell_constant(&normal);
    let fitted = Model::fit(&device, &settings, &normal, |_, now| {
        loss = Some(now);
        true
    });
    let mut model = device.drive(fitted).map_err(|e| input.name_fault(e))?;
    (model.features, model.table) = (input.features.clone(), input.columns.clone());
    model.write(&args.out)?;
    let settings = args.out.join("detector.json");
    if settings.exists() {
        let path = settings.display();
        tracing::warn!(
            "{path} was written for the model that lay here before: thresholds in it do not hold for this one"
        );
    }
    if let Some(network) = args.input.network() {
        // With it the folder scores images by itself.
        let copy = args.out.join(crate::detect::dte::FEATURES_FILE);
        crate::data::copy_file(network, &copy)?;
        // What the weights do not say goes with them.
        let (config, opened) = (copy.with_extension("json"), crate::model::Network::resnet(network)?);
        match opened.config_text().as_deref() {
            Some(text) => write_bytes(&config, text)?,
            None if config.exists() => std::fs::remove_file(&config).map_err(|e| Error::io(&config, e))?,
            None => {}
        }
    }
    if let Some(loss) = loss {
        println!("mean loss of the last epoch: {loss:.5}");
    }
    println!("{}: fitted to {} of {} rows, {} columns", args.out.display(), rows.len(), table.rows(), table.columns);
    Ok(failed)
}

/// True when an image could not be read; the rest is done.
fn score(args: &Score, given: &Given) -> Result<bool> {
    if let Some(out) = &args.out {
        super::places::check_file(out)?;
        super::places::check_apart(out, args.input.paths())?;
    }
    let model = Model::open(&args.model)?;
    if model.method != EstimatorKind::Np {
        let name = model.method.name();
        given.refuse(&["--mode"], |flag| format!("{flag} is about the method np, and the model is of {name}"))?;
    }
    let device = args.device.open()?;
    let input = args.input.read(&device, Some((&args.model, &model)))?;
    let failed = input.tell_failures();
    let scored = device.drive(model.score(&device, &input.table, args.estimate.get()));
    let scores = scored.map_err(|e| input.name_fault(e))?;
    let text = input.csv(Some(("score", &scores.iter().map(|s| format!("{s:e}")).collect::<Vec<_>>())))?;
    match &args.out {
        Some(path) => write_bytes(path, &text)?,
        None => print!("{}", String::from_utf8_lossy(&text)),
    }
    let labels = input.table.labels.as_deref();
    match labels.and_then(|y| crate::eval::measures(&scores, y)) {
        Some(m) => eprintln!("AUROC {:.2} % over {} rows", 100.0 * m.auroc, scores.len()),
        None => labels.and_then(one_kind).into_iter().for_each(|kind| {
            eprintln!("note: no AUROC: all {} rows are labelled {kind}, and it takes rows of both kinds", scores.len());
        }),
    }
    Ok(failed)
}

/// What all rows are labelled, if they are one thing.
fn one_kind(labels: &[bool]) -> Option<&'static str> {
    match (labels.contains(&false), labels.contains(&true)) {
        (true, false) => Some("normal"),
        (false, true) => Some("anomalous"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_one_kind_are_told() {
        assert_eq!(one_kind(&[false, false]), Some("normal"));
        assert_eq!(one_kind(&[true]), Some("anomalous"));
        assert_eq!(one_kind(&[true, false]), None);
        assert!(some_rows("0").unwrap_err().contains("1 row") && some_rows("7") == Ok(7));
    }
}
