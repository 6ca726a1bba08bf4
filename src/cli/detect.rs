//! `residua detect`: images in; scores, maps, pictures and a report out.
use super::model_args::ModelArgs;
use super::scoring::ScoringArgs;
use super::threshold_args::ThresholdArgs;
use crate::data::{find, lock_folder};
use crate::detect::ModelFolder;
use crate::report::Results;
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(in crate::cli) mod outputs;
mod resume;
mod run;
mod writer;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Images, volumes, arrays, or folders of them; the model's own samples when none is given
    #[arg(value_name = "IMAGE|FOLDER")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// Where the results go
    #[arg(long, default_value = "residua-out", value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    scoring: ScoringArgs,
    #[command(flatten)]
    thresholds: ThresholdArgs,
    /// Write the raw map of each image as map.npy (float32)
    #[arg(long)]
    maps: bool,
    /// Print results.json to the standard output
    #[arg(long)]
    json: bool,
    /// End with exit code 1 when anything is anomalous
    #[arg(long)]
    gate: bool,
    /// Keep the results that the output folder already holds for the same files, model and settings
    #[arg(long)]
    resume: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let mut model = args.model.open()?;
    if model.config.threshold.image.is_some() && thresholds_of_others(args) {
        tracing::warn!(
            "the model's thresholds were chosen for other settings than the flags give: calibrate, or give --threshold"
        );
    }
    let calibration = args.thresholds.apply(&mut model)?;
    if args.gate && model.config.threshold.image.is_none() {
        return Err(Error::Invalid(
            "--gate: there is no image threshold to judge by; give --threshold or --fpr".into(),
        ));
    }
    let given = if args.inputs.is_empty() { samples(&model.path)? } else { args.inputs.clone() };
    let scorer = args.scoring.scorer(&model)?;
    let found = find(&given, &scorer.spec().suffixes, Some(&args.out))?;
    if args.maps && !model.config.system.has_map() {
        return Err(Error::Invalid(format!("--maps: {} gives a score and no map", model.config.system.title())));
    }
    let _lock = lock_folder(&args.out)?;
    found.passed_over.iter().for_each(|text| tracing::warn!("{text}"));
    let mut run = run::detect(args, scorer, calibration, found)?;
    let saved = run.save(args, &settings(args, &model));
    if matches!(run.done, Err(Error::Interrupted)) {
        saved?;
        return Err(Error::Interrupted);
    }
    // Whatever could not be written, what was found is told.
    if args.json {
        crate::cli::print_json(&run.scored())?;
    } else {
        super::print_results(&run.scored());
    }
    let code = exit_code(args, &run.results);
    run.done.and(saved)?;
    if !args.json {
        if !model.config.system.has_map() {
            println!("{} gives a score and no map: the report shows the images alone", model.config.system.title());
        }
        println!("pictures and report in {}", args.out.join("report.html").display());
    }
    Ok(code)
}

fn exit_code(args: &Args, results: &Results) -> ExitCode {
    for f in &results.failures {
        // The error names the file itself where it can.
        let path = f.path.display().to_string();
        if f.error.starts_with(&path) {
            eprintln!("error: {}", f.error)
        } else {
            eprintln!("error: {path}: {}", f.error)
        }
    }
    if !results.failures.is_empty() {
        return ExitCode::from(2);
    }
    ExitCode::from(u8::from(args.gate && results.is_anomalous()))
}

/// Whether the model's thresholds count, under settings that are not those they were chosen with.
fn thresholds_of_others(args: &Args) -> bool {
    args.model.changes_settings() && args.thresholds.threshold.is_none() && args.thresholds.fpr.is_none()
}

/// The sample images of a model folder: everything under `samples` but the masks.
fn samples(model: &Path) -> Result<Vec<PathBuf>> {
    let folder = model.join("samples");
    let entries = std::fs::read_dir(&folder)
        .map_err(|_| Error::Invalid(format!("name the images to inspect: {} has no samples", model.display())))?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    folders.retain(|p| p.is_dir() && p.file_name().is_some_and(|n| n != "masks"));
    folders.sort();
    Ok(folders)
}

/// What the report shows beside the settings that the records hold.
fn settings(args: &Args, model: &ModelFolder) -> Vec<(String, String)> {
    let mut rows = vec![
        ("system".into(), model.config.system.title().to_owned()),
        ("model folder".into(), model.path.display().to_string()),
        ("parameters".into(), model.parameters().to_string()),
        ("output".into(), args.out.display().to_string()),
    ];
    if let Some(input) = &model.config.input {
        rows.push(("network input".into(), format!("{} × {} × {}", input.width, input.height, input.channels)));
    }
    if !model.config.system.has_map() {
        rows.push(("maps".into(), "none: this system gives a score for each image".into()));
    }
    rows
}
