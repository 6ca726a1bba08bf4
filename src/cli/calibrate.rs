//! `residua calibrate`: from normal images to a threshold with a stated false-positive rate.
use super::abnormal::warn_of_abnormal;
use super::given::Given;
use super::model_args::ModelArgs;
use super::places::check_file;
use super::scoring::ScoringArgs;
use crate::data::{FileKind, Input, find_inputs};
use crate::detect::{
    Calibrated, Calibration, FromNormal, HealthyLatents, MeanMap, ModelFolder, NormalMeasurement, ScoreOf, calibrate,
    measure_healthy_latents, measure_mean_map,
};
use crate::{Device, Error, Result};
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

pub(super) fn run(args: &Args, given: &Given) -> Result<ExitCode> {
    let model = args.model.open(given)?;
    let inputs = find_inputs(&args.inputs, &model.spec().suffixes)?;
    args.scoring.check(given, &model, inputs.iter().any(|i| i.kind == FileKind::Volume))?;
    let path = Calibration::path(&model.path);
    check_file(&path)?;
    warn_of_abnormal(&args.inputs, inputs.iter().flat_map(|i| i.files.first()));
    let device = args.scoring.device.open()?;
    // What is measured is kept only with the calibration that was made with it.
    let before = model.measured_sha256();
    let measured = match model.config.system.from_normal() {
        Some(what) => Some(measure(args, given, &device, &inputs, what)?),
        None => None,
    };
    let model = match &measured {
        Some(m) => model.with_measured(m.clone()),
        None => model,
    };
    let mut scorer = args.scoring.scorer_on(device, &model)?;
    let Calibrated { calibration, equal, highest } = calibrate(&mut scorer, &inputs).map_err(interrupted)?;
    drop(scorer);
    if let Some((file, first)) = equal.first() {
        let (file, first, n, all) = (file.display(), first.display(), equal.len(), inputs.len());
        tracing::warn!("{n} of {all} inputs show the same as another one, such as {file} and {first}: they count once");
    }
    if let Some(measured) = measured {
        keep(&model, &measured, before, args.json)?;
    }
    calibration.write(&path)?;
    if args.json {
        crate::cli::print_json(&calibration)?;
    } else {
        table(&calibration, &highest);
        println!("kept in {}; `residua detect --fpr RATE` uses it", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// What the system takes from its normal images.
fn measure(
    args: &Args,
    given: &Given,
    device: &Device,
    inputs: &[Input],
    what: FromNormal,
) -> Result<NormalMeasurement> {
    let plain = args.model.open_to_measure(given)?;
    check_file(&match what {
        FromNormal::MeanMap => MeanMap::path(&plain.path),
        FromNormal::Latents => HealthyLatents::path(&plain.path),
    })?;
    let mut scorer = args.scoring.scorer_on(device.clone(), &plain)?;
    let measured = match what {
        FromNormal::MeanMap => measure_mean_map(&mut scorer, inputs).map(NormalMeasurement::MeanMap),
        FromNormal::Latents => measure_healthy_latents(&mut scorer, inputs).map(NormalMeasurement::Latents),
    };
    measured.map_err(interrupted)
}

/// Keeps it in the model's folder, in place of that with the hash `before`.
fn keep(model: &ModelFolder, measured: &NormalMeasurement, before: Option<String>, json: bool) -> Result<()> {
    let path = measured.write(&model.path)?;
    if !json {
        println!("{} is kept in {}", measured.said(), path.display());
    }
    if before != model.measured_sha256() && model.config.threshold != Default::default() {
        let settings = model.settings.display();
        tracing::warn!(
            "{settings}: its thresholds were chosen with another measurement of normal images; use --fpr, or write them anew"
        );
    }
    Ok(())
}

fn interrupted(e: Error) -> Error {
    match e {
        Error::Interrupted => Error::Invalid(
            "interrupted: a calibration needs all of its images, so nothing is kept of what it was at".into(),
        ),
        e => e,
    }
}

/// `highest` has the highest score of each volume whose slices are judged one by one.
fn table(c: &Calibration, highest: &[f64]) {
    let n = c.images();
    let (what, of) = match c.of {
        None | Some(ScoreOf::Pictures) => ("images", "normal images".to_owned()),
        Some(ScoreOf::Slices) => ("slices", format!("slices of {} normal volumes", highest.len())),
        Some(ScoreOf::Volumes) => ("volumes", "normal volumes, each judged as a whole".to_owned()),
    };
    let of = c.axis.map_or(of.clone(), |axis| format!("{of}, along axis {axis}"));
    match c.pixels {
        0 => println!("{n} {of}; the model gives no maps, so pixels have no threshold"),
        pixels => println!("{n} {of}, {pixels} pixels"),
    }
    let slices = c.of == Some(ScoreOf::Slices);
    let more = |text: String| if slices { format!("  {text:>18}") } else { String::new() };
    println!(
        "{:>8}  {:>12}  {:>22}  {:>14}{}",
        "rate",
        "threshold",
        "within, 19 times of 20",
        "pixel threshold",
        more("volumes with such".into())
    );
    for rate in RATES {
        let pixel = c.pixel_threshold(rate).map_or("-".into(), |v| format!("{v:.6}"));
        match c.threshold(rate).and_then(|t| Ok((t, c.bound(rate, 0.95)?))) {
            Ok((t, bound)) => {
                let above = highest.iter().filter(|&&score| score > t).count();
                let volumes = more(format!("{above} of {}", highest.len()));
                println!("{rate:8}  {t:12.6}  {bound:22.4}  {pixel:>14}{volumes}");
            }
            Err(_) => println!("{rate:8}  {:>12}  {:>22}  {pixel:>14}{}", "-", "-", more("-".into())),
        }
    }
    println!("the smallest rate that {n} {what} can promise is {:.4}", c.smallest_rate());
    if slices {
        println!(
            "each rate is that of single slices: where a volume counts as anomalous because one of its slices is, normal volumes do \
             so far more often, here as the last column says"
        );
    }
    println!("it holds for {what} that are normal in the same way, one by one: slices of one volume count as one");
}
