//! `residua compare`: runs goldens and holds the results to what the original made.
//!
//! A golden is a folder with `config.json` and `io.safetensors`: a network, UNet or ResNet (with its `model.safetensors`), or
//! a chain (whose `model` lies beside the folder of chains, or beside the chain). A folder of folders stands for all goldens
//! below it. `--dump-layers` looks into the networks layer by layer. Goldens of systems that Residua does not compute are
//! listed; they are an error only when they were named one by one, or when nothing else was there.
use super::{DeviceArgs, layers};
use crate::verify::compare::{Compared, Status, compare, is_golden};
use crate::verify::layers::Layer;
use crate::verify::measure::Deviation;
use crate::{Error, Result};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Golden folders, or folders that hold some
    #[arg(required = true, value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Largest NMSE that passes, instead of 1e-9 for networks and 1e-6 for chains
    #[arg(long, value_name = "NMSE", value_parser = tolerance)]
    tolerance: Option<f64>,
    /// Hold every layer of the networks, as it runs on the device, to the same in f64, and mark the first wrong one
    #[arg(long)]
    dump_layers: bool,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

fn tolerance(text: &str) -> Result<f64, String> {
    let wanted = || "a number from 0 up is needed".to_owned();
    text.parse().ok().filter(|v: &f64| v.is_finite() && *v >= 0.0).ok_or_else(wanted)
}

/// One golden in the JSON.
#[derive(Serialize)]
struct Record {
    name: String,
    folder: PathBuf,
    status: Status,
    outputs: Vec<Deviation>,
    /// Of a network, when they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Vec<Layer>>,
    /// The first layer beyond tolerance.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_wrong_layer: Option<String>,
    seconds: f64,
    /// The error, or what kind of golden is not supported.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip)]
    named: bool,
}

/// The JSON object.
#[derive(Serialize)]
struct Report<'a> {
    device: String,
    ok: usize,
    failed: usize,
    errors: usize,
    unsupported: usize,
    goldens: &'a [Record],
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let mut found: Vec<(PathBuf, bool)> = Vec::new();
    for folder in &args.folders {
        let before = found.len();
        if is_golden(folder) {
            found.push((folder.clone(), true));
        } else {
            discover(folder, 0, &mut found)?;
        }
        if found.len() == before {
            return Err(Error::file(folder, "no golden here: a folder with config.json and io.safetensors"));
        }
    }
    let device = args.device.open()?;
    let width = found.iter().map(|(f, _)| name(f).chars().count()).max().unwrap_or(0).max("golden".len());
    if !args.json {
        println!("device: {}", device.name());
        println!(
            "{:width$}  {:13}  {:>9}  {:>9}  {:>9}  {:6}  {:>8}",
            "golden", "output", "NMSE", "worst", "tolerance", "", "seconds"
        );
    }
    let mut records = Vec::new();
    for (folder, named) in &found {
        let start = Instant::now();
        let mut record = one(folder, &device, args);
        (record.seconds, record.named) = (start.elapsed().as_secs_f64(), *named);
        if !args.json {
            record.print(width);
        }
        records.push(record);
    }
    let count = |status| records.iter().filter(|r| r.status == status).count();
    let report = Report {
        device: device.name(),
        ok: count(Status::Ok),
        failed: count(Status::Fail),
        errors: count(Status::Error),
        unsupported: count(Status::Unsupported),
        goldens: &records,
    };
    if args.json {
        crate::cli::print_json(&report)?;
    } else {
        let Report { ok, failed, errors, unsupported, .. } = report;
        println!("{ok} ok, {failed} out of tolerance, {errors} errors, {unsupported} not supported yet");
    }
    let ran = report.ok + report.failed > 0;
    let refused = records.iter().any(|r| r.named && r.status == Status::Unsupported);
    Ok(match (report.errors > 0 || refused || !ran, report.failed > 0) {
        (true, _) => ExitCode::from(2),
        (false, true) => ExitCode::from(1),
        (false, false) => ExitCode::SUCCESS,
    })
}

fn one(folder: &Path, device: &crate::Device, args: &Args) -> Record {
    let compared = compare(folder, device, args.tolerance, args.dump_layers);
    let (name, first_wrong_layer) = (name(folder), compared.first_wrong_layer());
    let Compared { status, outputs, layers, message } = compared;
    let (folder, seconds, named) = (folder.to_owned(), 0.0, false);
    Record { name, folder, status, outputs, layers, first_wrong_layer, seconds, message, named }
}

impl Record {
    fn print(&self, width: usize) {
        for (i, d) in self.outputs.iter().enumerate() {
            let (name, seconds) =
                if i == 0 { (&self.name[..], format!("{:8.2}", self.seconds)) } else { Default::default() };
            let verdict = if d.ok { "ok" } else { "FAIL" };
            let Deviation { output, nmse, worst, tolerance, .. } = d;
            println!("{name:width$}  {output:13}  {nmse:9.2e}  {worst:9.2e}  {tolerance:9.0e}  {verdict:6}  {seconds}");
        }
        if let Some(layers) = &self.layers {
            layers::print(layers);
        }
        let message = self.message.as_deref().unwrap_or_default();
        match self.status {
            Status::Error => println!("{:width$}  ERROR  {message}", self.name),
            Status::Unsupported => println!("{:width$}  not supported yet: {message}", self.name),
            Status::Ok | Status::Fail => {}
        }
    }
}

fn name(folder: &Path) -> String {
    let real = std::fs::canonicalize(folder);
    let last = real.as_deref().unwrap_or(folder).file_name();
    last.map_or_else(|| folder.display().to_string(), |n| n.to_string_lossy().into_owned())
}

/// Goldens in the folders below, by name, at most four levels down.
fn discover(folder: &Path, depth: usize, found: &mut Vec<(PathBuf, bool)>) -> Result<()> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    let mut below: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).filter(|p| p.is_dir()).collect();
    below.sort();
    for path in below {
        if is_golden(&path) {
            found.push((path, false));
        } else if depth < 4 {
            discover(&path, depth + 1, found)?;
        }
    }
    Ok(())
}
