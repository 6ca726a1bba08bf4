//! `residua detect`: images in; scores, maps, pictures and a report out.
use super::given::Given;
use super::model_args::ModelArgs;
use super::scoring::ScoringArgs;
use super::threshold_args::{Judged, ThresholdArgs};
use super::threshold_said::said;
use crate::data::{FileKind, find, lock_folder};
use crate::detect::ModelFolder;
use crate::report::About;
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

pub(super) fn run(args: &Args, given: &Given) -> Result<ExitCode> {
    let (mut model, chosen) = args.model.open_with_thresholds(given)?;
    if args.maps && !model.config.system.has_map() {
        return Err(Error::Invalid(format!("--maps: {} gives a score and no map", model.config.system.title())));
    }
    let paths = if args.inputs.is_empty() { samples(&model.path)? } else { args.inputs.clone() };
    let found = find(&paths, &model.spec().suffixes, Some(&args.out))?;
    args.scoring.check(given, &model, found.inputs.iter().any(|i| i.kind == FileKind::Volume))?;
    let judged = Judged { inputs: &found.inputs, scoring: &args.scoring, gate: args.gate };
    let calibration = args.thresholds.apply(&mut model, &chosen, &judged)?;
    let scorer = args.scoring.scorer(&model)?;
    let _lock = lock_folder(&args.out)?;
    found.passed_over.iter().for_each(|text| tracing::warn!("{text}"));
    let judged = match &chosen.changed {
        Some(names) if model.config.threshold.image.is_none() => {
            format!("No image is judged: the thresholds of the model folder were chosen for other settings ({names}).")
        }
        _ => said(&args.thresholds, model.config.threshold, calibration.as_ref(), &args.model.origin(&model)),
    };
    let about = About { said: [vec![judged], model.config.taken()].concat(), settings: settings(args, &model) };
    let mut run = run::detect(args, scorer, (calibration, &chosen), found)?;
    let saved = run.save(args, &about);
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
    super::say_warnings(&run.results);
    let code = super::exit_code(args.gate, &run.results);
    run.done.and(saved)?;
    if !args.json {
        if !model.config.system.has_map() {
            println!("{} gives a score and no map: the report shows the images alone", model.config.system.title());
        }
        println!("pictures and report in {}", args.out.join("report.html").display());
    }
    Ok(code)
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
