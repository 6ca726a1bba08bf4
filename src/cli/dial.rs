//! `residua dial`: what a model reaches at several settings, measured, for `--quality`.
use super::eval::SelectionArgs;
use super::model_args::{ModelArgs, setting};
use super::scoring::{ScoringArgs, interruption};
use crate::data::hash_files;
use crate::detect::{
    DetectorConfig, Dial, DialData, DialRow, Measure, Measured, ModelFolder, Quality, System, measure,
};
use crate::eval::Dataset;
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Labelled images, as `eval` takes them; not those of which results will be reported
    #[arg(value_name = "DATASET")]
    dataset: PathBuf,
    #[command(flatten)]
    model: ModelArgs,
    /// Values of a setting to try; may be repeated. `residua inspect` lists names and ranges
    #[arg(long, value_name = "NAME=V,V,…", value_parser = setting)]
    r#try: Vec<(String, String)>,
    /// Noise levels to try, short for --try lambda=… [default: the model's]
    #[arg(long, value_name = "T,T,…", value_delimiter = ',')]
    try_lambdas: Vec<usize>,
    /// DDIM steps to try, short for --try sampler.steps=…; 0 for DDPM, which takes every step [default: 2, 3, 5 and 10]
    #[arg(long, value_name = "N,N,…", value_delimiter = ',')]
    try_steps: Vec<usize>,
    /// Numbers of averaged reconstructions to try, short for --try runs=… [default: 1, 2, 4, 8 and 12]
    #[arg(long, value_name = "N,N,…", value_delimiter = ',')]
    try_runs: Vec<usize>,
    /// Seeds of the noise, over which results are averaged
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=100))]
    seeds: u64,
    #[command(flatten)]
    scoring: ScoringArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Print the table as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let mut model = args.model.open()?;
    let dataset = args.selection.find(&args.dataset, model.config.suffixes())?;
    let path = Dial::path(&model.path);
    let data = data(args, &dataset)?;
    let mut dial = if path.is_file() { Some(earlier(&path, &model, &data)?) } else { None };
    let device = args.scoring.device.open()?;
    let stop = interruption();
    for config in settings(args, &model)? {
        let setting = DialRow::of(&config);
        let known = dial.iter().flat_map(|d: &Dial| &d.rows).find(|r| r.same_setting(&setting));
        if known.is_some_and(|r| r.seeds >= args.seeds && r.device == device.name()) {
            continue;
        }
        model.config = config;
        let folder = path.with_file_name("");
        let mut scorer = args.scoring.scorer_on(device.clone(), &model)?;
        let Measured { row, measure, counts } = measure(&mut scorer, &dataset, &args.dataset, &folder, args.seeds)?;
        drop(scorer);
        if let Some(other) = dial.as_ref().map(|d| d.measure).filter(|&m| m != measure) {
            let fault = format!("was measured by {other:?}, but now there are {measure:?} to measure: remove it first");
            return Err(Error::file(&path, fault));
        }
        let dial = dial.get_or_insert_with(|| {
            let data = DialData { normal: counts.0, anomalous: counts.1, ..data.clone() };
            Dial::new(&model, data, measure)
        });
        eprintln!("{}", line(&row, "", &names(std::slice::from_ref(&row))));
        dial.put(row);
        // What is measured is never lost.
        dial.write(&path)?;
        if stop.load(Ordering::SeqCst) {
            return Err(Error::Interrupted);
        }
    }
    let dial = dial.ok_or_else(|| Error::Invalid("there is no setting to try".into()))?;
    if args.json {
        crate::cli::print_json(&dial)?;
    } else {
        print!("{}", table(&dial));
        println!("\nkept in {}; `residua detect --quality fast|balanced|best` uses it", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// A table that is there already is added to, when it is about the same.
fn earlier(path: &Path, model: &ModelFolder, data: &DialData) -> Result<Dial> {
    let found = Dial::open(path)?;
    found.check(path, model)?;
    if found.data.sha256 != data.sha256 {
        return Err(Error::file(path, "was measured on other images: remove it to measure on these"));
    }
    Ok(found)
}

/// What is measured on; how many there are of each kind is known later.
fn data(args: &Args, dataset: &Dataset) -> Result<DialData> {
    let name = args.dataset.file_stem().map_or("dataset".into(), |n| n.to_string_lossy().into_owned());
    let name = dataset.split.as_ref().map_or(name.clone(), |split| format!("{name}, {split}"));
    let sha256 = hash_files(dataset.samples.iter().map(|s| &*s.input.path))?;
    Ok(DialData { name, sha256, normal: 0, anomalous: 0 })
}

/// The names and values to try: what was asked for, and for what was not, what is usual for the system.
fn tries(args: &Args, model: &ModelFolder) -> Result<Vec<(String, Vec<String>)>> {
    let mut tries: Vec<(String, Vec<String>)> = Vec::new();
    let texts = |values: &[usize]| values.iter().map(usize::to_string).collect::<Vec<_>>();
    // DDPM takes every step: 0 stands for it.
    let samplers = |steps: &[usize]| {
        let name = |&s: &usize| if s == 0 { "ddpm".to_owned() } else { s.to_string() };
        steps.iter().map(name).collect::<Vec<_>>()
    };
    let mut add = |name: &str, values: Vec<String>| {
        if !values.is_empty() && !tries.iter().any(|t| t.0 == name) {
            tries.push((name.to_owned(), values));
        }
    };
    let dialled = model.config.system.dialled();
    for (name, values) in &args.r#try {
        if !dialled.contains(&name.as_str()) {
            let fault = format!("--try {name}: {} is measured by {}", model.config.system.title(), dialled.join(", "));
            return Err(Error::Invalid(fault));
        }
        add(name, values.split(',').map(|v| v.trim().to_owned()).collect());
    }
    for (flag, name, values) in [
        ("--try-lambdas", "lambda", texts(&args.try_lambdas)),
        ("--try-steps", "sampler.steps", samplers(&args.try_steps)),
        ("--try-runs", "runs", texts(&args.try_runs)),
    ] {
        if !values.is_empty() && !dialled.contains(&name) {
            return Err(Error::Invalid(format!("{flag}: {} has no such setting", model.config.system.title())));
        }
        add(name, values);
    }
    match &model.config.system {
        System::AnoDdpm(_) => {
            add("sampler.steps", samplers(&[2, 3, 5, 10]));
            add("runs", texts(&[1, 2, 4, 8, 12]));
        }
        System::Pddpm(s) => add("stride", texts(&[s.patch, (s.patch / 2).max(1)])),
        System::Dte(_) => {}
    }
    Ok(tries)
}

/// All combinations that are possible, the cheapest first.
fn settings(args: &Args, model: &ModelFolder) -> Result<Vec<DetectorConfig>> {
    let mut all = vec![model.config.clone()];
    for (name, values) in tries(args, model)? {
        let mut more = Vec::new();
        for config in &all {
            for value in &values {
                let mut next = config.clone();
                let name = if value == "ddpm" { "sampler" } else { &name };
                next.system.set(name, value)?;
                more.push(next);
            }
        }
        all = more;
    }
    // More steps than the level has are no combination; any other fault is the user's.
    let steps = |c: &DetectorConfig| match &c.system {
        System::AnoDdpm(s) => s.passes() / s.runs.max(1) <= s.lambda,
        _ => true,
    };
    all.retain(steps);
    for config in &all {
        let setting = DialRow::of(config).settings;
        config.check().map_err(|e| {
            let words: Vec<String> = setting.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            Error::Invalid(format!("{} cannot be tried: {e}", words.join(", ")))
        })?;
    }
    all.sort_by_key(|c| c.system.passes(c.input.as_ref()));
    Ok(all)
}

/// The table in Markdown.
fn table(dial: &Dial) -> String {
    let what = match dial.measure {
        Measure::Pixels => "pixel AUPRC",
        Measure::Images => "image AUPRC",
    };
    let d = &dial.data;
    let mut text = format!("{} ({} normal, {} anomalous images), {}\n\n", d.name, d.normal, d.anomalous, dial.created);
    let names = names(&dial.rows);
    text +=
        &format!("| quality | {} | passes | {what} | ± | best Dice | image AUROC | s an image |\n", names.join(" | "));
    text += &format!("|{}\n", " --- |".repeat(7 + names.len()));
    for row in &dial.rows {
        let qualities: Vec<&str> =
            Quality::ALL.into_iter().filter(|&q| dial.choose(q) == Some(row)).map(Quality::as_str).collect();
        text += &line(row, &qualities.join(", "), &names);
        text.push('\n');
    }
    text
}

/// The settings that rows are about.
fn names(rows: &[DialRow]) -> Vec<String> {
    let all: BTreeSet<&String> = rows.iter().flat_map(|r| r.settings.keys()).collect();
    all.into_iter().cloned().collect()
}

fn line(r: &DialRow, quality: &str, names: &[String]) -> String {
    let number = |v: Option<f64>| v.map_or("–".into(), |v| format!("{v:.3}"));
    let settings: Vec<&str> = names.iter().map(|n| r.settings.get(n).map_or("–", |v| v)).collect();
    format!(
        "| {quality} | {} | {} | {:.3} | {:.3} | {} | {} | {:.3} |",
        settings.join(" | "),
        r.passes,
        r.auprc,
        r.auprc_std,
        number(r.best_dice),
        number(r.image_auroc),
        r.seconds
    )
}
