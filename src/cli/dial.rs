//! `residua dial`: what a model reaches at several settings, measured, for `--quality`.
use super::eval::SelectionArgs;
use super::eval::images::score;
use super::model_args::ModelArgs;
use super::scoring::{Scorer, ScoringArgs, interruption};
use crate::data::hash_files;
use crate::detect::config::Thresholds;
use crate::detect::{Dial, DialData, DialRow, Measure, ModelFolder, Quality, balanced_threshold};
use crate::eval::{Dataset, Level};
use crate::{Device, Error, Result};
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
    /// Noise levels to try [default: the model's]
    #[arg(long, value_name = "T,T,…", value_delimiter = ',')]
    try_lambdas: Vec<usize>,
    /// DDIM steps to try; 0 for DDPM, which takes every step [default: 2, 3, 5 and 10]
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', default_value = "2,3,5,10", hide_default_value = true)]
    try_steps: Vec<usize>,
    /// Numbers of averaged reconstructions to try [default: 1, 2, 4, 8 and 12]
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', default_value = "1,2,4,8,12", hide_default_value = true)]
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
    let dataset = args.selection.find(&args.dataset)?;
    let path = Dial::path(&model.path);
    let data = data(args, &dataset)?;
    let mut dial = if path.is_file() { Some(earlier(&path, &model, &data)?) } else { None };
    let device = args.scoring.device.open()?;
    let stop = interruption();
    let own = model.config.clone();
    for setting in settings(args, &model)? {
        let known = dial.iter().flat_map(|d: &Dial| &d.rows).find(|r| r.same_setting(&setting));
        if known.is_some_and(|r| r.seeds >= args.seeds && r.device == device.name()) {
            continue;
        }
        // From the model's own each time: a row without DDIM forgets its eta.
        model.config = own.clone();
        setting.apply(&mut model.config);
        model.config.check()?;
        let (row, measure, counts) = measure(args, &model, &device, &dataset, setting)?;
        let dial = match &mut dial {
            Some(d) => d,
            None => dial.insert(Dial::new(
                &model,
                DialData { normal: counts.0, anomalous: counts.1, ..data.clone() },
                measure,
            )?),
        };
        eprintln!("{}", line(&row, ""));
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

/// All combinations that are possible, the cheapest first.
fn settings(args: &Args, model: &ModelFolder) -> Result<Vec<DialRow>> {
    let own = [model.config.lambda];
    let lambdas = if args.try_lambdas.is_empty() { &own[..] } else { &args.try_lambdas };
    let most = model.config.schedule.train_steps;
    if let Some(bad) = lambdas.iter().find(|&&l| l == 0 || l > most) {
        return Err(Error::Invalid(format!("--try-lambdas: {bad} is not among the schedule's 1 to {most} steps")));
    }
    if args.try_runs.contains(&0) {
        return Err(Error::Invalid("--try-runs: 0 reconstructions make no map".into()));
    }
    let mut all = Vec::new();
    for &lambda in lambdas {
        for &steps in args.try_steps.iter().filter(|&&s| s <= lambda) {
            for &runs in &args.try_runs {
                all.push(DialRow { lambda, steps: (steps > 0).then_some(steps), runs, ..DialRow::default() });
            }
        }
    }
    all.sort_by_key(DialRow::passes);
    Ok(all)
}

/// Scores the dataset once for each seed.
fn measure(
    args: &Args,
    model: &ModelFolder,
    device: &Device,
    dataset: &Dataset,
    setting: DialRow,
) -> Result<(DialRow, Measure, (usize, usize))> {
    let mut scorer = Scorer::on(device.clone(), model, &args.scoring);
    let (mut seeds, mut seconds, mut counts) = (Vec::new(), Vec::new(), (0, 0));
    let mut kind = Measure::Images;
    for seed in 0..args.seeds {
        scorer.seed = args.scoring.seed.wrapping_add(seed);
        let folder = Dial::path(&model.path).with_file_name("");
        let scored = score(&mut scorer, dataset, args.scoring.axis, &folder)?;
        if scored.interrupted {
            return Err(Error::Interrupted);
        }
        if let Some(f) = scored.failures.first() {
            return Err(Error::file(
                &f.path,
                format!("nothing was kept of this setting, this image failed: {}", f.error),
            ));
        }
        let images = &scored.evaluation.images;
        let scores: Vec<(f64, bool)> = images.iter().map(|i| (i.score, i.anomalous())).collect();
        counts = (scores.iter().filter(|s| !s.1).count(), scores.iter().filter(|s| s.1).count());
        let level = |l: &Level, key: &str| l.metrics.iter().find(|m| m.key == key).and_then(|m| m.value);
        let (image, pixel) = (&scored.evaluation.image, &scored.evaluation.pixel);
        let auprc = match level(pixel, "auprc") {
            Some(v) => {
                kind = Measure::Pixels;
                v
            }
            None => level(image, "auprc").ok_or_else(|| {
                Error::file(&args.dataset, "needs normal and anomalous images, or masks, to measure quality")
            })?,
        };
        seconds.extend(scored.seconds);
        let (dice, auroc) = (level(pixel, "best_dice"), level(image, "auroc"));
        seeds.push((auprc, dice, auroc, pixel.threshold, balanced_threshold(&scores)));
    }
    seconds.sort_by(f64::total_cmp);
    let mean = |f: &dyn Fn(usize) -> Option<f64>| -> Option<f64> {
        let all: Option<Vec<f64>> = (0..seeds.len()).map(f).collect();
        all.map(|v| v.iter().sum::<f64>() / v.len() as f64)
    };
    let auprc = mean(&|i| Some(seeds[i].0)).unwrap_or(0.0);
    let spread: f64 = seeds.iter().map(|s| (s.0 - auprc).powi(2)).sum();
    let row = DialRow {
        auprc,
        auprc_std: (spread / (seeds.len() as f64 - 1.0).max(1.0)).sqrt(),
        best_dice: mean(&|i| seeds[i].1),
        image_auroc: mean(&|i| seeds[i].2),
        seconds: seconds[seconds.len() / 2],
        device: device.name(),
        seeds: args.seeds,
        threshold: Thresholds { pixel: mean(&|i| seeds[i].3), image: mean(&|i| seeds[i].4) },
        ..setting
    };
    Ok((row, kind, counts))
}

/// The table in Markdown.
fn table(dial: &Dial) -> String {
    let what = match dial.measure {
        Measure::Pixels => "pixel AUPRC",
        Measure::Images => "image AUPRC",
    };
    let d = &dial.data;
    let mut text = format!("{} ({} normal, {} anomalous images), {}\n\n", d.name, d.normal, d.anomalous, dial.created);
    text +=
        &format!("| quality | lambda | steps | runs | passes | {what} | ± | best Dice | image AUROC | s an image |\n");
    text += &format!("|{}\n", " --- |".repeat(10));
    for row in &dial.rows {
        let names: Vec<&str> =
            Quality::ALL.into_iter().filter(|&q| dial.choose(q) == Some(row)).map(Quality::as_str).collect();
        text += &line(row, &names.join(", "));
        text.push('\n');
    }
    text
}

fn line(r: &DialRow, name: &str) -> String {
    let number = |v: Option<f64>| v.map_or("–".into(), |v| format!("{v:.3}"));
    let steps = r.steps.map_or("all".into(), |s| s.to_string());
    format!(
        "| {name} | {} | {steps} | {} | {} | {:.3} | {:.3} | {} | {} | {:.3} |",
        r.lambda,
        r.runs,
        r.passes(),
        r.auprc,
        r.auprc_std,
        number(r.best_dice),
        number(r.image_auroc),
        r.seconds
    )
}
