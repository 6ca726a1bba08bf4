//! `residua dte`: anomalous rows of tables, by diffusion time estimation.
use super::DeviceArgs;
use crate::Result;
use crate::data::{Table, read_table, write_bytes};
use crate::dte::{Estimate, Method, Model, RandomState, Recipe, Settings};
use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fit to a table's rows (those labelled anomalous left out) and write a model folder
    Fit(Fit),
    /// Score a table's rows with a fitted model
    Score(Score),
}

#[derive(clap::Args)]
struct TableArgs {
    /// The table: .npz with X and perhaps y, .npy, CSV with a header, or Parquet
    #[arg(value_name = "TABLE")]
    table: PathBuf,
    /// The label column or array (0 normal, 1 anomalous), instead of y or label
    #[arg(long, value_name = "NAME")]
    label: Option<String>,
}

impl TableArgs {
    fn read(&self) -> Result<Table> {
        read_table(&self.table, self.label.as_deref())
    }
}

#[derive(clap::Args)]
struct Fit {
    #[command(flatten)]
    table: TableArgs,
    /// Model folder to write
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Train on at most this many rows, drawn at random
    #[arg(long, value_name = "N", default_value_t = crate::dte::MAX_ROWS)]
    max_rows: usize,
    /// Neighbours whose squared distances are averaged (np)
    #[arg(long, value_name = "K", default_value_t = crate::dte::NEIGHBOURS)]
    neighbours: usize,
    /// Decides the draw, and the weights, the order and the noise of training
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u32,
    #[command(flatten)]
    training: TrainingArgs,
    /// Rows of a step of training
    #[arg(long, value_name = "N", default_value_t = Recipe::default().batch)]
    batch: usize,
    #[command(flatten)]
    device: DeviceArgs,
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
    /// Steps of training at most
    #[arg(long, value_name = "N")]
    max_steps: Option<usize>,
    /// Learning rate
    #[arg(long, value_name = "RATE", default_value_t = Recipe::default().rate)]
    rate: f64,
}

#[derive(Clone, Copy, ValueEnum)]
enum MethodName {
    Np,
    C,
    Ig,
    Ddpm,
}

impl TrainingArgs {
    /// `batch` is the rows of a step of training.
    pub fn settings(&self, neighbours: usize, batch: usize, estimate: Estimate, seed: u32) -> Settings {
        let method = match self.method {
            MethodName::Np => Method::Np,
            MethodName::C => Method::C,
            MethodName::Ig => Method::Ig,
            MethodName::Ddpm => Method::Ddpm,
        };
        let defaults = Recipe::default();
        let max_steps = self.max_steps.unwrap_or(defaults.max_steps);
        let recipe = Recipe { epochs: self.epochs, max_steps, batch, rate: self.rate, seed, ..defaults };
        Settings { method, neighbours, estimate, recipe }
    }
}

#[derive(clap::Args)]
struct Score {
    #[command(flatten)]
    table: TableArgs,
    /// Model folder that `fit` wrote
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    #[command(flatten)]
    estimate: EstimateArgs,
    /// CSV file for the scores, instead of the standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Decides the noise of ddpm's denoising
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u32,
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

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    match &args.command {
        Command::Fit(a) => fit(a),
        Command::Score(a) => score(a),
    }
    .map(|()| ExitCode::SUCCESS)
}

fn fit(args: &Fit) -> Result<()> {
    let table = args.table.read()?;
    let normal: Vec<usize> = match &table.labels {
        Some(y) => (0..y.len()).filter(|&i| !y[i]).collect(),
        None => (0..table.rows()).collect(),
    };
    let rows = if normal.len() > args.max_rows {
        let draws = RandomState::new(args.seed).choice_without_replacement(normal.len(), args.max_rows);
        draws.into_iter().map(|i| normal[i]).collect()
    } else {
        normal
    };
    let device = args.device.open()?;
    let settings = args.training.settings(args.neighbours, args.batch, Estimate::default(), args.seed);
    let mut loss = None;
    let normal = table.select(&rows);
    let fitted = Model::fit(&device, &settings, &normal, |_, now| {
        loss = Some(now);
        true
    });
    device.drive(fitted)?.write(&args.out)?;
    if let Some(loss) = loss {
        println!("mean loss of the last epoch: {loss:.5}");
    }
    println!("{}: fitted to {} of {} rows, {} columns", args.out.display(), rows.len(), table.rows(), table.columns);
    Ok(())
}

fn score(args: &Score) -> Result<()> {
    let (model, table, device) = (Model::open(&args.model)?, args.table.read()?, args.device.open()?);
    let scores = device.drive(model.score(&device, &table, args.estimate.get(), args.seed))?;
    let mut text = String::from("row,score\n");
    for (i, s) in scores.iter().enumerate() {
        text.push_str(&format!("{i},{s:e}\n"));
    }
    match &args.out {
        Some(path) => write_bytes(path, text.as_bytes())?,
        None => print!("{text}"),
    }
    if let Some(m) = table.labels.as_deref().and_then(|y| crate::dte::measures(&scores, y)) {
        eprintln!("AUROC {:.2} % over {} rows", 100.0 * m.auroc, scores.len());
    }
    Ok(())
}
