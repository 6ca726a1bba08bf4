//! Labelled tables, scored by a fitted model or by a method that is fitted on each.
use super::Args;
use crate::cli::dte::{ColumnArgs, EstimateArgs, TrainingArgs, in_table};
use crate::cli::given::Given;
use crate::cli::scoring::interruption;
use crate::data::{Failure, lock_folder, path_text};
use crate::detect::dte::{
    FitSettings, Model, NEIGHBOURS, NEIGHBOURS_UNSUPERVISED, Protocol, Setting, dataset_name, evaluate_table,
    read_published,
};
use crate::eval::report::Numbers;
use crate::eval::report::tables::{COLUMNS, TableNumbers};
use crate::eval::{EvaluationReport, TableEvaluation};
use crate::{Device, Error, Result};
use clap::ValueEnum;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

mod find;

pub(super) use find::find;

/// Up to this many rows, all seeds are run.
const SMALL: usize = 10_000;
const SEEDS: u32 = 5;

#[derive(clap::Args)]
#[command(next_help_heading = "Tables")]
pub(super) struct TableArgs {
    #[command(flatten)]
    training: TrainingArgs,
    /// How rows are drawn: sane (no row on both sides) or paper (to compare with its numbers) [default: sane]
    #[arg(long, value_enum, value_name = "NAME", conflicts_with = "model", hide_possible_values = true)]
    protocol: Option<ProtocolName>,
    /// What is trained on: semi (normal rows only) or unsup (rows as they come) [default: semi]
    #[arg(long, value_enum, value_name = "NAME", conflicts_with = "model", hide_possible_values = true)]
    setting: Option<SettingName>,
    #[command(flatten)]
    estimate: EstimateArgs,
    /// Neighbours whose squared distances are averaged (np) [default: 5 for semi, 32 for unsup]
    #[arg(long, value_name = "K", conflicts_with = "model")]
    neighbours: Option<usize>,
    /// Seeds for each table of up to 10 000 rows [default: 5]
    #[arg(long, value_name = "N", conflicts_with = "model", value_parser = clap::value_parser!(u32).range(1..))]
    seeds: Option<u32>,
    /// Seeds for each larger table [default: 1]
    #[arg(long, value_name = "N", conflicts_with = "model", value_parser = clap::value_parser!(u32).range(1..))]
    large_seeds: Option<u32>,
    #[command(flatten)]
    columns: ColumnArgs,
    /// CSV of published AUROCs in percent to print beside: names first, a column for the method (DTE-NP)
    #[arg(long, value_name = "CSV")]
    published: Option<PathBuf>,
}

/// Flags that say nothing about images.
pub(super) const FLAGS: [&str; 17] = [
    "--method",
    "--epochs",
    "--max-steps",
    "--rate",
    "--members",
    "--mode",
    "--protocol",
    "--setting",
    "--neighbours",
    "--seeds",
    "--large-seeds",
    "--label",
    "--anomalous",
    "--normal",
    "--drop",
    "--keep",
    "--published",
];

#[derive(Clone, Copy, ValueEnum)]
enum ProtocolName {
    Sane,
    Paper,
}

#[derive(Clone, Copy, ValueEnum)]
enum SettingName {
    Semi,
    Unsup,
}

impl TableArgs {
    /// Refuses what says nothing about the method, or about a model that is fitted already.
    /// # Errors
    /// [`Error::Invalid`] with the flag.
    pub fn check(&self, given: &Given) -> Result<()> {
        if given.has("--model") {
            let training = ["--epochs", "--max-steps", "--rate", "--members", "--batch"];
            return given.refuse(&training, |flag| format!("{flag} is about fitting; --model is fitted already"));
        }
        self.training.check(given)
    }

    fn how(&self) -> (Protocol, Setting, usize) {
        let protocol = match self.protocol {
            Some(ProtocolName::Paper) => Protocol::Paper,
            Some(ProtocolName::Sane) | None => Protocol::Sane,
        };
        let (setting, neighbours) = match self.setting {
            Some(SettingName::Unsup) => (Setting::Unsupervised, NEIGHBOURS_UNSUPERVISED),
            Some(SettingName::Semi) | None => (Setting::Semi, NEIGHBOURS),
        };
        (protocol, setting, self.neighbours.unwrap_or(neighbours))
    }
}

/// What scores the tables.
enum Way {
    Fitted(Box<Model>),
    Fit(Protocol, Setting, FitSettings),
}

pub(super) fn run(args: &Args, paths: &[PathBuf]) -> Result<ExitCode> {
    let (way, mut source) = way(args)?;
    let method = match &way {
        Way::Fitted(model) => model.method,
        Way::Fit(_, _, settings) => settings.method,
    };
    let published = args.tables.published.as_ref().map(|p| read_published(p, method.name())).transpose()?;
    let published: HashMap<String, f64> = published.unwrap_or_default();
    if let Some(file) =
        args.tables.published.as_ref().filter(|_| !paths.iter().any(|p| published.contains_key(&dataset_name(p))))
    {
        return Err(Error::file(file, "names none of the tables that are evaluated"));
    }
    let _lock = lock_folder(&args.out)?;
    let device = args.scoring.device.open()?;
    source["method"] = method.name().into();
    source["device"] = device.name().into();
    let (mut numbers, mut failures) = (TableNumbers::new(paths.len() == 1), Vec::new());
    // What is done is never lost: the report is written after each table.
    let report = |numbers: &TableNumbers, failures: &[Failure]| {
        let numbers = Numbers::Tables(numbers.clone());
        let report = EvaluationReport::new(&args.dataset, source.clone(), numbers);
        let what = if paths.len() == 1 { "a table" } else { "a folder of tables" };
        let taken_for = format!("{what}: {} with a column or array of labels", paths.len());
        EvaluationReport { failures: failures.to_vec(), taken_for, ..report }
    };
    let stop = interruption();
    say(args, &COLUMNS.map(String::from));
    let mut interrupted = false;
    for path in paths {
        let name = dataset_name(path);
        match one(args, &way, &device, path, &name, || !stop.load(Ordering::SeqCst)) {
            Ok(mut set) => {
                set.published = published.get(&name).map(|p| p / 100.0);
                say(args, &TableNumbers::cells(&set));
                numbers.add(set);
            }
            Err(Error::Interrupted) => interrupted = true,
            Err(e) => {
                eprintln!("error: {e}");
                failures.push(Failure { path: path.clone(), error: e.to_string() });
            }
        }
        report(&numbers, &failures).write(&args.out)?;
        if interrupted || stop.load(Ordering::SeqCst) {
            return Err(Error::Interrupted);
        }
    }
    if numbers.sets.len() > 1 {
        say(args, &numbers.mean_cells());
    }
    if args.json {
        print!("{}", report(&numbers, &failures).json()?);
    } else {
        let (all, failed) = (numbers.sets.len(), failures.len());
        println!("{all} tables, {failed} failed; report in {}", args.out.join("eval.html").display());
    }
    Ok(ExitCode::from(if failures.is_empty() { 0 } else { 2 }))
}

/// The fitted model that was named, or a method with its settings, each with what the report says of it.
fn way(args: &Args) -> Result<(Way, serde_json::Value)> {
    let t = &args.tables;
    if let Some(folder) = &args.model.model {
        if !Model::is_in(folder) && folder.join("detector.json").is_file() {
            let shown = args.dataset.display();
            let fault = format!("is no model that `residua dte fit` wrote, and {shown} is taken for a table or tables");
            return Err(Error::file(folder, fault));
        }
        return Ok((Way::Fitted(Box::new(Model::open(folder)?)), serde_json::json!({ "model": path_text(folder) })));
    }
    let (protocol, setting, neighbours) = t.how();
    let batch = args.scoring.batch.map(usize::from);
    let settings = t.training.settings(neighbours, batch, t.estimate.get(), 0);
    let setting_name = match setting {
        Setting::Semi => "semi",
        Setting::Unsupervised => "unsup",
    };
    let protocol_name = match protocol {
        Protocol::Sane => "sane",
        Protocol::Paper => "paper",
    };
    let np = settings.method == crate::detect::dte::EstimatorKind::Np;
    let mut source = serde_json::json!({ "protocol": protocol_name, "setting": setting_name });
    match np {
        true => source["neighbours"] = neighbours.into(),
        false => {
            let recipe = &settings.recipe;
            source["training"] = serde_json::json!({
                "epochs": recipe.epochs, "max_steps": recipe.max_steps, "batch": recipe.batch, "rate": recipe.rate,
                "members": recipe.members,
            });
        }
    }
    Ok((Way::Fit(protocol, setting, settings), source))
}

fn one(
    args: &Args,
    way: &Way,
    device: &Device,
    path: &Path,
    name: &str,
    go_on: impl Fn() -> bool + Sync,
) -> Result<TableEvaluation> {
    let t = &args.tables;
    let fitted = match way {
        Way::Fitted(model) => Some(&**model),
        Way::Fit(..) => None,
    };
    let table = t.columns.read(path, fitted)?.table;
    let done = match way {
        Way::Fit(protocol, setting, settings) => {
            let small = table.rows() <= SMALL;
            let seeds = if small { t.seeds.unwrap_or(SEEDS) } else { t.large_seeds.unwrap_or(1) };
            evaluate_table(device, (name, &table), (*protocol, *setting), settings, seeds, go_on)
        }
        Way::Fitted(model) => (|| {
            let unlabelled = || Error::Invalid("the table has no labels to evaluate with".into());
            let labels = table.labels.clone().ok_or_else(unlabelled)?;
            let scores = device.drive(model.score(device, &table, t.estimate.get()))?;
            TableEvaluation::new(name, &table, &[(scores, labels)])
        })(),
    };
    done.map_err(in_table(path))
}

/// A row as it comes: on the standard error where the standard output is for JSON.
fn say(args: &Args, cells: &[String; 12]) {
    let line = format!("| {} |", cells.join(" | "));
    if args.json { eprintln!("{line}") } else { println!("{line}") }
}
