//! `residua dial`: what a model reaches at several settings, measured, for `--quality`.
use super::eval::SelectionArgs;
use super::given::Given;
use super::model_args::{ModelArgs, setting};
use super::places::check_file;
use super::scoring::{ScoringArgs, interruption};
use crate::data::{Notices, copy_file};
use crate::detect::{Dial, DialData, DialRow, Measure, Measured, ModelFolder, Quality, measure};
use crate::eval::Dataset;
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use tries::settings;

mod tries;

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
    /// Seeds of the noise, over which results are averaged; those of the table that is added to, if there is one
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

pub(super) fn run(args: &Args, given: &Given) -> Result<ExitCode> {
    given.refuse(&["--quality"], |flag| format!("{flag}: it is what `residua dial` measures; leave it out"))?;
    let mut model = args.model.open(given)?;
    let configs = settings(args, &model)?;
    let dataset = args.selection.find(&args.dataset, model.config.suffixes())?;
    args.scoring.check(given, &model, dataset.has_volumes())?;
    let path = Dial::path(&model.path);
    check_file(&path)?;
    let foregrounds = model.config.reads_foregrounds();
    let data = DialData::new(name(args, &dataset), &dataset, foregrounds, usize::from(args.scoring.axis))?;
    let asked = (given.has("--seed").then_some(args.scoring.seed), given.has("--seeds").then_some(args.seeds));
    let (mut dial, mut aside) = if path.is_file() { earlier(&path, &model, &data, asked)? } else { (None, None) };
    eprintln!("{}: {}", args.dataset.display(), dataset.taken_for());
    // Rows of other noise cannot be compared, so that all of a table have the same.
    let known = dial.as_ref().and_then(Dial::seeds);
    let (first, seeds) = known.unwrap_or((args.scoring.seed, args.seeds));
    if (first, seeds) != (args.scoring.seed, args.seeds) {
        eprintln!("note: {}: seeds {}, as its other rows", path.display(), words_of((first, seeds)));
    }
    let device = args.scoring.device.open()?;
    let stop = interruption();
    // What is said of the images is said once, not for every setting.
    let mut notices = Notices::default();
    for config in configs {
        let setting = DialRow::of(&config);
        let known = dial.iter().flat_map(|d: &Dial| &d.rows).find(|r| r.same_setting(&setting));
        if known.is_some_and(|r| r.device == device.name()) {
            continue;
        }
        model.config = config;
        let folder = path.with_file_name("");
        let mut scorer = args.scoring.scorer_on(device.clone(), &model)?;
        scorer.options.seed = first;
        scorer.notices = std::mem::take(&mut notices);
        let Measured { row, measure, counts } = measure(&mut scorer, &dataset, &args.dataset, &folder, seeds)?;
        let float_range = scorer.float_range();
        notices = std::mem::take(&mut scorer.notices);
        drop(scorer);
        if let Some(other) = dial.as_ref().map(|d| d.measure).filter(|&m| m != measure) {
            let fault = format!("was measured by {other:?}, but now there are {measure:?} to measure: remove it first");
            return Err(Error::file(&path, fault));
        }
        let dial = dial.get_or_insert_with(|| {
            let data = DialData { normal: counts.0, anomalous: counts.1, float_range, ..data.clone() };
            Dial::new(&model, data, measure)
        });
        eprintln!("{}", line(&row, "", &names(std::slice::from_ref(&row))));
        dial.put(row);
        // What is measured is never lost, and what was measured before is not, either.
        if let Some(to) = aside.take() {
            copy_file(&path, &to)?;
        }
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

/// A table that is there already is added to, when it is about the same. Of the same images with other labels, or with other seeds
/// than were asked for, it is kept under the name that comes second, and all is measured anew.
fn earlier(
    path: &Path,
    model: &ModelFolder,
    data: &DialData,
    asked: (Option<u64>, Option<u64>),
) -> Result<(Option<Dial>, Option<PathBuf>)> {
    let found = Dial::open(path)?;
    // Here it would not help to run this command again.
    let again = ": run `residua dial` again";
    found.check(path, model).map_err(|e| match e {
        Error::File { path, fault } if fault.ends_with(again) => {
            let fault = fault.trim_end_matches(again);
            Error::file(path, format!("{fault}: move it away to measure with these"))
        }
        e => e,
    })?;
    if found.data.sha256 != data.sha256 {
        return Err(Error::file(path, "was measured on other images: remove it to measure on these"));
    }
    let same = (&found.data.truth_sha256, found.data.axis) == (&data.truth_sha256, data.axis);
    let why = match (found.seeds(), &found.data.truth_sha256, found.data.axis == data.axis) {
        (_, None, _) => "does not say with which labels and masks it was measured".to_owned(),
        (_, Some(_), false) => "was measured along another axis".to_owned(),
        (_, Some(_), true) if !same => {
            "was measured with other labels, masks or further channels of the same images".to_owned()
        }
        (None, ..) => "holds rows of different seeds of the noise, which cannot be compared".to_owned(),
        (Some(seeds), ..) if (asked.0.unwrap_or(seeds.0), asked.1.unwrap_or(seeds.1)) != seeds => {
            format!("was measured with seeds {} of the noise", words_of(seeds))
        }
        _ => return Ok((Some(found), None)),
    };
    let aside = path.with_file_name(format!("quality-{}.json", found.created.replace(':', "-")));
    tracing::warn!("{} {why}: it is kept as {}, and all is measured anew", path.display(), aside.display());
    Ok((None, Some(aside)))
}

/// The first seed and how many, as a span.
fn words_of((first, count): (u64, u64)) -> String {
    match count {
        0 | 1 => first.to_string(),
        _ => format!("{first} to {}", first.wrapping_add(count - 1)),
    }
}

/// What to call the data.
fn name(args: &Args, dataset: &Dataset) -> String {
    let name = args.dataset.file_stem().map_or("dataset".into(), |n| n.to_string_lossy().into_owned());
    dataset.split.as_ref().map_or(name.clone(), |split| format!("{name}, {split}"))
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
    let devices: BTreeSet<&str> = dial.rows.iter().map(|r| &*r.device).collect();
    if devices.len() > 1 {
        let all = devices.into_iter().collect::<Vec<_>>().join("; ");
        text += &format!("\nseconds are those of several devices, and cannot be compared: {all}\n");
    }
    text
}

/// The settings that rows are about; DDIM's eta where rows differ in it.
fn names(rows: &[DialRow]) -> Vec<String> {
    let all: BTreeSet<&String> = rows.iter().flat_map(|r| r.settings.keys()).collect();
    let mut etas = rows.iter().filter_map(|r| r.eta);
    let first = etas.next();
    let eta = etas.any(|e| Some(e) != first).then(|| ETA.to_owned());
    all.into_iter().cloned().chain(eta).collect()
}

/// What a column of DDIM's eta is called.
const ETA: &str = "eta";

fn line(r: &DialRow, quality: &str, names: &[String]) -> String {
    let number = |v: Option<f64>| v.map_or("–".into(), |v| format!("{v:.3}"));
    let eta = r.eta.map(|e| e.to_string()).filter(|_| names.iter().any(|n| n == ETA));
    let of = |n: &String| r.settings.get(n).cloned().or_else(|| eta.clone().filter(|_| n == ETA));
    let settings: Vec<String> = names.iter().map(|n| of(n).unwrap_or_else(|| "–".into())).collect();
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
