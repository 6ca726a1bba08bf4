//! `residua rescore`: the results of a run judged again, without running the model.
use super::detect::outputs::draw;
use crate::data::{Map, Picture, ValueRange, read_map, read_picture};
use crate::detect::Calibration;
use crate::report::{Record, Results, Verdict, write_report};
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Args {
    /// What a run wrote
    #[arg(default_value = "residua-out", value_name = "DIR")]
    results: PathBuf,
    /// Scores above it are anomalous
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    threshold: Option<f64>,
    /// Pixels of the map above it are in the mask; needs a run with --maps
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    pixel_threshold: Option<f64>,
    /// The false-positive rate of images and, after a run with --maps, of pixels, by the model's calibration
    #[arg(long, value_name = "RATE", conflicts_with = "threshold", requires = "model")]
    fpr: Option<f64>,
    /// The model folder with the calibration
    #[arg(long, value_name = "FOLDER")]
    model: Option<PathBuf>,
    /// Print results.json to the standard output
    #[arg(long)]
    json: bool,
    /// End with exit code 1 when anything is anomalous
    #[arg(long)]
    gate: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    if [args.threshold, args.pixel_threshold, args.fpr].iter().all(Option::is_none) {
        return Err(Error::Invalid("say what to judge by: --threshold, --pixel-threshold or --fpr".into()));
    }
    for (name, value) in [("--threshold", args.threshold), ("--pixel-threshold", args.pixel_threshold)] {
        if value.is_some_and(|v| !v.is_finite()) {
            return Err(Error::Invalid(format!("{name} must be a finite number")));
        }
    }
    let mut results = Results::read(&args.results.join("results.json"))?;
    let maps = results.records.iter().all(|r| map_of(&args.results, r).is_file());
    if args.pixel_threshold.is_some() && !maps {
        let fault = "masks cannot be made again without the maps: run `residua detect --maps`";
        return Err(Error::file(&args.results, fault));
    }
    // Everything is read and judged before anything is written.
    let mut judged = Vec::new();
    for record in &results.records {
        judged.push(judge(args, record, maps)?);
    }
    for (record, (new, pixels)) in results.records.iter_mut().zip(judged) {
        if let Some((map, input)) = pixels {
            let threshold = new.parameters["threshold"]["pixel"].as_f64();
            draw(&args.results.join(&new.folder), &input, &map, threshold)?;
        }
        *record = new;
    }
    results.write(&args.results)?;
    write_report(&args.results, &results, &[("judged again".into(), crate::report::utc_now())])?;
    if args.json {
        crate::cli::print_json(&results)?;
    } else {
        super::print_results(&results);
    }
    Ok(ExitCode::from(u8::from(args.gate && results.count(Verdict::Anomalous) > 0)))
}

type Pixels = Option<(Map, Picture)>;

/// A record under the new thresholds, and what its pictures are drawn from where they change.
fn judge(args: &Args, old: &Record, maps: bool) -> Result<(Record, Pixels)> {
    let mut record = old.clone();
    let mut pixel = args.pixel_threshold;
    record.threshold = args.threshold.or(record.threshold);
    record.p_value = record.p_value.filter(|_| args.threshold.is_none());
    if let (Some(rate), Some(model)) = (args.fpr, &args.model) {
        let c = Calibration::read_for(model, &record.model.sha256, &record.parameters)?;
        record.threshold = Some(c.threshold(rate)?);
        record.p_value = Some(c.p_value(record.score));
        if maps && pixel.is_none() {
            pixel = Some(c.pixel_threshold(rate)?.into());
        }
    }
    record.verdict = Verdict::of(record.score, record.threshold);
    let kept = &mut record.parameters["threshold"];
    kept["image"] = serde_json::json!(record.threshold);
    let Some(pixel) = pixel else { return Ok((record, None)) };
    kept["pixel"] = serde_json::json!(pixel);
    let own = args.results.join(&record.folder).join("input.png");
    let input = if own.is_file() { &own } else { &record.path };
    // The signed range also takes files in 0..1.
    let picture = read_picture(input, ValueRange::SIGNED)?;
    let map = read_map(&map_of(&args.results, &record))?;
    Ok((record, Some((map, picture))))
}

fn map_of(results: &Path, record: &Record) -> PathBuf {
    results.join(&record.folder).join("map.npy")
}
