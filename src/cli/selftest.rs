//! `residua selftest`: whether this device computes what the originals compute.
use super::{DeviceArgs, print_json, selftest_print};
use crate::Result;
use crate::verify::selftest::selftest;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Model folder with selftest.safetensors [default: the texture model that comes with the program]
    #[arg(long, value_name = "FOLDER")]
    model: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Print every layer
    #[arg(long)]
    layers: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let path = args.model.clone().map_or_else(super::builtin::model, Ok)?;
    let report = selftest(&path, &args.device.open()?)?;
    if args.json {
        print_json(&report)?;
    } else {
        selftest_print::print(&report, args.layers);
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
