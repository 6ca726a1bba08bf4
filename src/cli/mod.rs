//! The command line: one file a command, each with its arguments and what it does.
use crate::report::{Results, Verdict};
use crate::{Device, Error, Result};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use given::Given;
use std::ffi::OsString;
use std::process::ExitCode;

#[macro_use]
mod out;

mod abnormal;
mod attack;
mod bench;
mod builtin;
mod calibrate;
mod certify;
mod compare;
mod convert;
mod detect;
mod devices;
mod dial;
mod dte;
mod eval;
mod given;
mod inspect;
mod kept;
mod layers;
mod model_args;
mod network;
mod places;
mod rescore;
mod results;
mod robust;
mod scoring;
mod selftest;
mod selftest_print;
mod shaders;
mod threshold_args;
mod threshold_said;

/// What every command that opens a checkpoint lets the user say about it.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct NetworkArgs {
    /// Attention heads, where neither the weights nor a config say how many
    #[arg(long, value_name = "N")]
    heads: Option<usize>,
    /// Channels of one attention head, instead of --heads
    #[arg(long, value_name = "N", conflicts_with = "heads")]
    head_channels: Option<usize>,
    /// How a guided-diffusion checkpoint orders q, k and v: legacy or new
    #[arg(long, value_name = "ORDER")]
    attention_order: Option<crate::model::AttentionOrder>,
    /// Which weights to read of a checkpoint that holds both: ema (averaged over training, the default) or raw
    #[arg(long, value_name = "COPY")]
    weights: Option<crate::model::WeightCopy>,
    /// Refuse checkpoints with tensors that the network does not use
    #[arg(long)]
    strict: bool,
}

impl NetworkArgs {
    /// Whether the flags say something else than `base` does.
    pub(crate) fn contradicts(&self, base: &crate::model::Overrides) -> bool {
        let other = self.overrides(*base);
        let differs = |said: bool, same: bool| said && !same;
        differs(base.heads.is_some(), base.heads == other.heads)
            || differs(base.head_channels.is_some(), base.head_channels == other.head_channels)
            || differs(base.attention_order.is_some(), base.attention_order == other.attention_order)
    }
    /// The flags over `base` (what detector.json says).
    pub(crate) fn overrides(&self, base: crate::model::Overrides) -> crate::model::Overrides {
        crate::model::Overrides {
            weights: self.weights.or(base.weights),
            heads: self.heads.or(base.heads.filter(|_| self.head_channels.is_none())),
            head_channels: self.head_channels.or(base.head_channels.filter(|_| self.heads.is_none())),
            attention_order: self.attention_order.or(base.attention_order),
            ..base
        }
    }
}

/// Where to compute.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct DeviceArgs {
    /// auto (a hardware GPU if there is one, otherwise the processor), cpu, gpu, or part of an adapter's name
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: String,
}

impl DeviceArgs {
    pub(crate) fn open(&self) -> Result<Device> {
        pollster::block_on(Device::select(&self.device))
    }
}

/// One JSON value on the standard output.
fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::Invalid(e.to_string()))?;
    println!("{text}");
    Ok(())
}

/// Names, scores and verdicts on the standard output, and how many there are.
fn print_results(results: &Results) {
    let width = results.records.iter().map(|r| r.name.chars().count()).max().unwrap_or(0);
    for r in &results.records {
        let p = r.p_value.map(|p| format!("  p {p:.4}")).unwrap_or_default();
        println!("{:width$}  {:10.6}{p}  {}", r.name, r.score, r.verdict.as_str());
    }
    for v in &results.volumes {
        let p = v.p_value.map(|p| format!("  p {p:.4}")).unwrap_or_default();
        println!("{:width$}  {:10.6}{p}  {}  (the whole volume)", v.name, v.score, v.verdict.as_str());
    }
    let anomalous = results.count(Verdict::Anomalous);
    let volumes = match results.volumes.iter().filter(|v| v.verdict == Verdict::Anomalous).count() {
        _ if results.volumes.is_empty() => String::new(),
        anomalous => format!("; {} volumes as a whole, {anomalous} anomalous", results.volumes.len()),
    };
    let (images, failed) = (results.records.len(), results.failures.len());
    println!("{images} images, {anomalous} anomalous, {failed} failed{volumes}");
}

/// Says on the standard error what the records warn of, each warning once.
fn say_warnings(results: &Results) {
    let mut all: Vec<(&str, &str, usize)> = Vec::new();
    for (name, text) in results.records.iter().flat_map(|r| r.warnings.iter().map(|w| (&*r.name, &**w))) {
        match all.iter_mut().find(|(_, known, _)| *known == text) {
            Some((.., count)) => *count += 1,
            None => all.push((name, text, 0)),
        }
    }
    /// Warnings that differ are as many as images, at worst.
    const SHOWN: usize = 10;
    for (name, text, more) in all.iter().take(SHOWN) {
        let more = if *more == 0 { String::new() } else { format!(" (and {more} more)") };
        eprintln!("warning: {name}{more}: {text}");
    }
    if all.len() > SHOWN {
        eprintln!("warning: {} further ones stand in the report", all.len() - SHOWN);
    }
}

/// Names on the standard error what gave no result; then 2, or with a gate 1 when anything is anomalous.
fn exit_code(gate: bool, results: &Results) -> ExitCode {
    for f in &results.failures {
        // The error names the file itself where it can.
        let path = f.path.display().to_string();
        match f.error.starts_with(&path) {
            true => eprintln!("error: {}", f.error),
            false => eprintln!("error: {path}: {}", f.error),
        }
    }
    match results.failures.is_empty() {
        true => ExitCode::from(u8::from(gate && results.is_anomalous())),
        false => ExitCode::from(2),
    }
}

#[derive(Parser)]
#[command(version, about = "Finds what does not belong in an image, by diffusion models that know only the normal")]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    detect: detect::Args,
    /// Say more (-v: what is chosen and why, -vv: everything)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Subcommand)]
#[allow(clippy::large_enum_variant)]
enum Command {
    /// Find anomalies in images (what `residua` alone does)
    Detect(detect::Args),
    /// Measure a model, or the maps of a run, on a labelled dataset, of images or of tables
    Eval(eval::Args),
    /// Find anomalous rows in tables: fit, score
    Dte(dte::Args),
    /// Set the thresholds from normal images, at a stated false-positive rate
    Calibrate(calibrate::Args),
    /// Measure speed and quality at several settings, for --quality
    Dial(dial::Args),
    /// Find small perturbations that move the scores the most
    Attack(attack::Args),
    /// Certify what no small perturbation can change, by randomised smoothing
    Certify(certify::Args),
    /// Judge the results of a run again, under other thresholds, without running it
    Rescore(rescore::Args),
    /// Tell what a model folder or a checkpoint is
    Inspect(inspect::Args),
    /// Make a model folder of another program's checkpoint
    Convert(convert::Args),
    /// List the adapters of this machine
    Devices(devices::Args),
    /// Run golden folders and hold the results to theirs
    Compare(compare::Args),
    /// Tell whether this device computes what the originals compute
    Selftest(selftest::Args),
    /// Time the kernels of a model one by one
    Bench(bench::Args),
    /// Write out every specialised shader that a model would run
    Shaders(shaders::Args),
}

/// The command, and those in it, with what looks like a negative number being a value: what is wrong with it is then said of its flag.
fn with_negatives(command: clap::Command) -> clap::Command {
    command.allow_negative_numbers(true).mut_subcommands(with_negatives)
}

/// The arguments of this process, with what is said of verbosity behind the command: before it, clap takes the command for an image.
fn arguments() -> Vec<OsString> {
    let mut all: Vec<OsString> = std::env::args_os().collect();
    let is_verbosity = |arg: &&OsString| {
        let short = arg
            .to_str()
            .and_then(|a| a.strip_prefix('-'))
            .is_some_and(|v| v.starts_with('v') && v.trim_matches('v').is_empty());
        short || *arg == "--verbose"
    };
    let before = all.iter().skip(1).take_while(is_verbosity).count();
    if let Some(first) = all.get_mut(1..before + 2) {
        first.rotate_left(before);
    }
    all
}

/// Runs the command line of this process: 0 when all went well, 1 when `--gate`, `compare` or `selftest` found something, 2 on errors.
pub fn main() -> ExitCode {
    let parsed = with_negatives(Cli::command()).try_get_matches_from(arguments());
    let parsed = parsed.and_then(|m| Ok((Given::of(&m), Cli::from_arg_matches(&m)?)));
    let (given, cli) = match parsed {
        Ok(parsed) => parsed,
        Err(answer) => return out::tell(&answer),
    };
    let level = match cli.verbose {
        0 => tracing::Level::WARN,
        1 => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    // A second subscriber (a host's, a test's) may be there already; it then keeps its place.
    let _ = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .without_time()
        .with_writer(std::io::stderr)
        // It would panic where the standard error is closed.
        .log_internal_errors(false)
        .try_init();
    let done = match cli.command {
        None => detect::run(&cli.detect, &given),
        Some(Command::Detect(a)) => detect::run(&a, &given),
        Some(Command::Eval(a)) => eval::run(&a, &given),
        Some(Command::Dte(a)) => dte::run(&a, &given),
        Some(Command::Calibrate(a)) => calibrate::run(&a, &given),
        Some(Command::Dial(a)) => dial::run(&a, &given),
        Some(Command::Attack(a)) => attack::run(&a, &given),
        Some(Command::Certify(a)) => certify::run(&a, &given),
        Some(Command::Rescore(a)) => rescore::run(&a),
        Some(Command::Inspect(a)) => inspect::run(&a),
        Some(Command::Convert(a)) => convert::run(&a),
        Some(Command::Devices(a)) => devices::run(&a),
        Some(Command::Compare(a)) => compare::run(&a),
        Some(Command::Selftest(a)) => selftest::run(&a),
        Some(Command::Bench(a)) => bench::run(&a),
        Some(Command::Shaders(a)) => shaders::run(&a),
    };
    out::finish(done.unwrap_or_else(|e| {
        eprintln!("error: {e}");
        ExitCode::from(2)
    }))
}
