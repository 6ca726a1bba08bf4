//! `residua inspect`: what a model folder or a safetensors file is, and what one step of it takes.
use super::NetworkArgs;
use super::network::{Network, Size};
use crate::detect::DetectorConfig;
use crate::model::{Cost, Summary};
use crate::report::in_words;
use crate::{Error, Result};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Model folder or safetensors file
    #[arg(value_name = "FOLDER|FILE")]
    path: PathBuf,
    #[command(flatten)]
    network: NetworkArgs,
    /// Input size for memory and compute, a side or HEIGHTxWIDTH, instead of what the folder says
    #[arg(long, value_name = "SIZE")]
    size: Option<Size>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The JSON object.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    /// One image, one step.
    step: Cost,
    /// Nothing says the input's size: that of `step` is a guess.
    size_guessed: bool,
    detector: Option<&'a DetectorConfig>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let network = Network::open(&args.path, &args.network, args.size)?;
    let Network { checkpoint, spec, detector, height, width, guessed, .. } = &network;
    let summary = Summary::new(checkpoint, spec);
    if args.network.strict {
        checkpoint.settle(true)?;
    }
    let step = spec.cost(checkpoint, 1, *height, *width)?;
    if args.json {
        let report = Report { summary: &summary, step, size_guessed: *guessed, detector: detector.as_ref() };
        crate::cli::print_json(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    print!("{summary}{step}");
    if *guessed {
        println!("  (no file says the input's size: {height} x {width} is a guess, --size chooses another)");
    }
    if let Some(d) = detector {
        println!("  detector     {} ({}), lambda {}, {} run(s)", d.name, d.method, d.lambda, d.runs);
        let settings = serde_json::to_value(d).map_err(|e| Error::Invalid(e.to_string()))?;
        for key in ["input", "noise", "sampler", "schedule", "residual", "blur", "score", "threshold"] {
            println!("  {key:12} {}", in_words(&settings[key]));
        }
    }
    Ok(ExitCode::SUCCESS)
}
