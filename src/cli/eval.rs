//! `residua eval`: a labelled dataset and a model in (or maps that a run left), metrics and a report out.
use super::given::Given;
use super::model_args::{MODEL_FLAGS, ModelArgs};
use super::scoring::ScoringArgs;
use crate::data::{Failure, Notice, lock_folder};
use crate::detect::{Evaluated, evaluate};
use crate::eval::report::{Numbers, images::ImageNumbers};
use crate::eval::{Dataset, DatasetLayout, Evaluation, EvaluationReport, Selection};
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod maps;
mod tables;

#[derive(clap::Args)]
#[command(mut_arg("method", |method| method.conflicts_with("model")))]
pub(super) struct Args {
    /// Images: a folder (test/good and test/DEFECT; good and bad; volumes beside *_seg.nii.gz) or a CSV manifest; or a
    /// table (.npz, .npy, CSV, Parquet) with labels, or a folder of tables
    #[arg(value_name = "DATASET")]
    dataset: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    /// Where the results go
    #[arg(long, default_value = "residua-eval", value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    scoring: ScoringArgs,
    /// Evaluate what `residua detect --maps` left in this folder, instead of running a model
    #[arg(long, value_name = "DIR", conflicts_with = "model")]
    maps: Option<PathBuf>,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Print eval.json to the standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    tables: tables::TableArgs,
}

/// What to take of a dataset of images.
#[derive(clap::Args)]
pub(super) struct SelectionArgs {
    /// The part of the dataset [default: test, where there is one]
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Which of several volumes beside one segmentation, by the end of its name
    #[arg(long, value_name = "NAME")]
    sequence: Option<String>,
}

impl SelectionArgs {
    /// The dataset, or that part of it, for a model whose images are one file or, with `suffixes`, several.
    pub fn find(&self, dataset: &Path, suffixes: &[String]) -> Result<Dataset> {
        let (split, sequence, suffixes) = (self.split.clone(), self.sequence.clone(), suffixes.to_vec());
        if self.sequence.is_some() && !suffixes.is_empty() {
            let ends = suffixes.join(", ");
            return Err(Error::Invalid(format!("--sequence: the model takes all of the sequences {ends} together")));
        }
        let found = Dataset::find(dataset, &Selection { split, sequence, suffixes })?;
        if self.sequence.is_some() && found.layout != DatasetLayout::Volumes {
            let what = found.taken_for();
            let fault = format!("--sequence is for volumes beside their segmentations; this is taken for {what}");
            return Err(Error::file(dataset, fault));
        }
        Ok(found)
    }
}

pub(super) fn run(args: &Args, given: &Given) -> Result<ExitCode> {
    let shown = args.dataset.display();
    if let Some(paths) = tables::find(args)? {
        let images = ["--axis", "--split", "--sequence", "--seed"];
        for flags in [&images[..], &MODEL_FLAGS] {
            given.refuse(flags, |flag| {
                format!("{shown} is taken for a table or a folder of them; {flag} is for images")
            })?;
        }
        args.tables.check(given)?;
        return tables::run(args, &paths);
    }
    let fault = |flag: &str| format!("{shown} is no table and no folder of tables, which {flag} is for");
    given.refuse(&tables::FLAGS, fault)?;
    let (dataset, done) = match &args.maps {
        Some(folder) => maps::evaluate(args, folder, given)?,
        None => score(args, given)?,
    };
    if done.evaluation.images.is_empty() && done.interrupted {
        return Err(Error::Interrupted);
    }
    if done.evaluation.images.is_empty() {
        let first = done.failures.first().map_or("the dataset is empty".into(), |f| f.error.clone());
        return Err(Error::file(&args.dataset, format!("no image could be evaluated: {first}")));
    }
    let scored = done.evaluation.images.len();
    let numbers = ImageNumbers::new(&dataset, done.evaluation);
    let taken_for = dataset.taken_for();
    let summary = (!args.json).then(|| summary(args, &taken_for, &numbers.evaluation, done.failures.len()));
    let mut report = EvaluationReport::new(&args.dataset, done.source, Numbers::Images(numbers));
    report.taken_for = taken_for;
    report.failures = done.failures;
    report.warnings = done.warnings;
    report.write(&args.out)?;
    match summary {
        Some(text) => print!("{text}"),
        None => print!("{}", report.json()?),
    }
    for f in &report.failures {
        eprintln!("error: {}: {}", f.path.display(), f.error);
    }
    if done.interrupted {
        eprintln!("error: interrupted: {scored} images of the dataset are in the numbers");
    }
    Ok(ExitCode::from(if report.failures.is_empty() && !done.interrupted { 0 } else { 2 }))
}

/// The numbers, where they come from, and what is not in them.
struct Done {
    evaluation: Evaluation,
    source: serde_json::Value,
    failures: Vec<Failure>,
    warnings: Vec<Notice>,
    interrupted: bool,
}

/// Runs the model over the dataset.
fn score(args: &Args, given: &Given) -> Result<(Dataset, Done)> {
    let model = args.model.open(given)?;
    let dataset = args.selection.find(&args.dataset, model.config.suffixes())?;
    args.scoring.check(given, &model, dataset.has_volumes())?;
    let _lock = lock_folder(&args.out)?;
    let mut scorer = args.scoring.scorer(&model)?;
    let Evaluated { evaluation, failures, warnings, interrupted, .. } = evaluate(&mut scorer, &dataset, &args.out)?;
    let mut source = serde_json::json!({
        "system": model.config.system.title(), "model": model.config.name, "sha256": model.sha256,
        "device": scorer.device.name(), "seed": scorer.options.seed, "parameters": model.config,
    });
    if !model.config.system.has_map() {
        source["maps"] = "none: the system gives a score for each image".into();
    }
    if interrupted {
        source["interrupted"] = true.into();
    }
    Ok((dataset, Done { evaluation, source, failures, warnings, interrupted }))
}

fn summary(args: &Args, taken_for: &str, evaluation: &Evaluation, failed: usize) -> String {
    let Evaluation { image, pixel, images, .. } = evaluation;
    let mut out = format!("{}: {taken_for}\n", args.dataset.display());
    for (what, level) in [("image", image), ("pixel", pixel)] {
        if let Some(reason) = &level.reason {
            out += &format!("{what}  none: {reason}\n");
        }
        for metric in level.metrics.iter().filter(|_| level.reason.is_none()) {
            let interval = metric.interval.map(|[low, high]| format!("[{low:.4}, {high:.4}]")).unwrap_or_default();
            out += &format!("{what}  {:16} {:.4}  {interval}\n", metric.title, metric.value.unwrap_or(f64::NAN));
        }
    }
    let page = args.out.join("eval.html");
    out + &format!("{} images, {failed} failed; report in {}\n", images.len(), page.display())
}
