//! `residua calibrate`: from normal images to a threshold with a stated false-positive rate.
use super::items;
use super::model_args::ModelArgs;
use super::scoring::{Scorer, ScoringArgs};
use crate::data::{find_inputs, hash_files};
use crate::detect::{Calibration, PixelHistogram};
use crate::{Error, Result};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Normal images that the model was not trained on, or folders of them
    #[arg(required = true, value_name = "IMAGE|FOLDER")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    scoring: ScoringArgs,
    /// Print the calibration as JSON
    #[arg(long)]
    json: bool,
}

/// The rates that the table shows.
const RATES: [f64; 6] = [0.2, 0.1, 0.05, 0.02, 0.01, 0.001];

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let model = args.model.open()?;
    let inputs = find_inputs(&args.inputs, &[])?;
    let data = hash_files(inputs.iter().map(|i| &*i.path))?;
    let (items, mut failures) = items::expand(&inputs, usize::from(args.scoring.axis));
    let mut scorer = Scorer::open(&model, &args.scoring)?;
    let (mut scores, mut pixels) = (Vec::new(), PixelHistogram::default());
    scorer.run(&items, |scored| {
        scores.push(scored.score);
        pixels.add(&scored.map.data);
        Ok(())
    })?;
    failures.append(&mut scorer.failures);
    // A rate is promised for what was asked for: an image that failed may be the one that is hardest.
    if let Some(f) = failures.first() {
        let more = if failures.len() > 1 { format!(" (and {} more)", failures.len() - 1) } else { String::new() };
        return Err(Error::file(&f.path, format!("nothing was calibrated, this image failed{more}: {}", f.error)));
    }
    let calibration = Calibration::new(&model, scores, &pixels, data)?;
    let path = Calibration::path(&model.path);
    calibration.write(&path)?;
    if args.json {
        crate::cli::print_json(&calibration)?;
    } else {
        table(&calibration);
        println!("kept in {}; `residua detect --fpr RATE` uses it", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn table(c: &Calibration) {
    let n = c.images();
    println!("{n} normal images, {} pixels", c.pixels);
    println!("{:>8}  {:>12}  {:>22}  {:>14}", "rate", "threshold", "within, 19 times of 20", "pixel threshold");
    for rate in RATES {
        let pixel = c.pixel_threshold(rate).map_or("-".into(), |v| format!("{v:.6}"));
        match c.threshold(rate).and_then(|t| Ok((t, c.bound(rate, 0.95)?))) {
            Ok((t, bound)) => println!("{rate:8}  {t:12.6}  {bound:22.4}  {pixel:>14}"),
            Err(_) => println!("{rate:8}  {:>12}  {:>22}  {pixel:>14}", "-", "-"),
        }
    }
    println!("the smallest rate that {n} images can promise is {:.4}", c.smallest_rate());
    println!("it holds for images that are normal in the same way, one by one: slices of one volume count as one");
}
