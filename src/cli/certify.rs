//! `residua certify`: what no perturbation up to an l2 radius can change, by randomised smoothing.
use super::given::Given;
use super::kept::{Kept, OfSubject, key_of};
use super::model_args::ModelArgs;
use super::robust::{Hashes, ImagesArgs, amount, before_the_first, depends_on, said_of_input, subject};
use super::scoring::ScoringArgs;
use super::threshold_args::{Judged, ThresholdArgs};
use super::threshold_said::said;
use crate::data::{create_folder, lock_folder};
use crate::detect::certify::{Draws, Smoothing, at_radius, record};
use crate::detect::{Scorer, Subjects};
use crate::eval::robust::{CertificateReport, RADII, Subject};
use crate::report::number;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

#[derive(clap::Args)]
#[command(mut_arg("pixel_threshold", |a| a.hide(true)))]
pub(super) struct Args {
    #[command(flatten)]
    images: ImagesArgs,
    #[command(flatten)]
    model: ModelArgs,
    /// Where the results go
    #[arg(long, default_value = "residua-certify", value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    scoring: ScoringArgs,
    #[command(flatten)]
    thresholds: ThresholdArgs,
    /// Standard deviation of the noise on the image, in units of the 0..1 image at the network's size; larger noise certifies larger
    /// radii and blurs more
    #[arg(long, default_value_t = 0.2, value_name = "SIZE", value_parser = amount)]
    sigma: f64,
    /// The l2 radii to certify at, in the same units
    #[arg(long, default_value = "0.1,0.2", value_name = "R,R", value_delimiter = ',', value_parser = amount)]
    radii: Vec<f64>,
    /// Draws that choose the verdict to be certified
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    first_draws: u32,
    /// Further draws that certify, for each image
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    draws: u32,
    /// The probability that an image's certificate is wrong
    #[arg(long, default_value_t = 0.001, value_name = "P", value_parser = probability)]
    alpha: f64,
    /// Keep the draws that the output folder already holds for the same files, model, sigma and numbers of draws; radii, alpha and
    /// thresholds may be others
    #[arg(long)]
    resume: bool,
    /// Print certify.json to the standard output
    #[arg(long)]
    json: bool,
}

fn probability(text: &str) -> Result<f64, String> {
    let value = amount(text)?;
    if value < 0.5 { Ok(value) } else { Err("it must be below one half".into()) }
}

/// An image's draws, from which certificates for any radius, threshold and confidence are made.
#[derive(Clone, Serialize, Deserialize)]
struct Drawn {
    #[serde(flatten)]
    subject: Subject,
    #[serde(flatten)]
    draws: Draws,
    seconds: f64,
}

impl OfSubject for Drawn {
    fn subject(&self) -> &Subject {
        &self.subject
    }
}

pub(super) fn run(args: &Args, given: &Given) -> Result<ExitCode> {
    given.refuse(&["--pixel-threshold"], |flag| format!("{flag}: certificates are of scores, not of pixels"))?;
    let by = Smoothing {
        sigma: args.sigma,
        first: args.first_draws as usize,
        draws: args.draws as usize,
        alpha: args.alpha,
    };
    let (reach, far) = (by.reach(by.alpha), args.radii.iter().copied().fold(0.0, f64::max));
    if far > reach {
        return Err(Error::Invalid(format!(
            "--radii {far}: {} draws with sigma {} certify up to {reach:.4} at alpha {}; more draws or a larger sigma reach further",
            by.draws, by.sigma, by.alpha
        )));
    }
    if let Some(twice) = args.radii.iter().enumerate().find(|(i, r)| args.radii[..*i].contains(r)) {
        return Err(Error::Invalid(format!("--radii names {} twice", twice.1)));
    }
    let (mut model, chosen) = args.model.open_with_thresholds(given)?;
    let (subjects, taken_for) = args.images.subjects(given, &model, (&args.scoring, &args.out))?;
    let inputs: Vec<_> = subjects.inputs().into_iter().cloned().collect();
    let judged = Judged { inputs: &inputs, scoring: &args.scoring, gate: false };
    let calibration = args.thresholds.apply(&mut model, &chosen, &judged)?;
    let limit = model.config.threshold.image;
    // The map's threshold has no part in this.
    model.config.threshold.pixel = None;
    let origin = said(&args.thresholds, model.config.threshold, calibration.as_ref(), &args.model.origin(&model));
    let mut scorer = args.scoring.scorer(&model)?;
    let _lock = lock_folder(&args.out)?;
    scorer.look_at(subjects.inputs());
    let mut detector = depends_on(&scorer);
    // Draws hold under every threshold and every confidence.
    detector["parameters"]["threshold"] = json!(null);
    let key = key_of(&json!({ "sigma": by.sigma, "draws": [by.first, by.draws], "detector": detector }));
    let mut kept: Kept<Drawn> = Kept::open(&args.out, key, args.resume, |_| true)?;
    let mut used = HashSet::new();
    let ran = draw(&by, &mut scorer, &subjects, (&mut kept, &mut used));
    let all: Vec<Drawn> = kept.close()?.into_iter().filter(|d| used.contains(&d.subject.folder)).collect();
    if all.is_empty() {
        ran.map_err(before_the_first)?;
        let first = scorer.failures.first().map_or("there is no image".into(), |f| f.error.clone());
        return Err(Error::Invalid(format!("no image could be certified: {first}")));
    }
    let labelled: Vec<_> = all.iter().map(|d| (&d.draws, d.subject.anomalous())).collect();
    let radii = args.radii.iter().map(|&r| at_radius(&labelled, r, &by)).collect();
    let records = all.iter().map(|d| record(d.subject.clone(), &d.draws, limit, &args.radii, &by, d.seconds)).collect();
    let mut source = args.images.source(taken_for, &scorer);
    source.interrupted = ran.is_err();
    let mut settings = json!(by);
    settings["threshold"] = json!(limit);
    settings["radii"] = json!(args.radii);
    let mut report = CertificateReport::new(source, settings, records, radii, std::mem::take(&mut scorer.failures));
    report.said = promises(&by, all.len(), limit, origin);
    report.said.extend(said_of_input(&model));
    create_folder(&args.out)?;
    report.write(&args.out)?;
    if args.json {
        print!("{}", report.json()?)
    } else {
        print(args, &report)
    }
    for f in &report.failures {
        eprintln!("error: {}: {}", f.path.display(), f.error);
    }
    ran?;
    Ok(ExitCode::from(if report.failures.is_empty() { 0 } else { 2 }))
}

/// Draws what is not there yet; `used` gets the folders of all images that belong to this run.
fn draw(
    by: &Smoothing,
    scorer: &mut Scorer,
    subjects: &Subjects,
    (kept, used): (&mut Kept<Drawn>, &mut HashSet<String>),
) -> Result<()> {
    let (foregrounds, seed) = (scorer.model.config.reads_foregrounds(), scorer.options.seed);
    let mut hashes = Hashes::default();
    subjects.each(scorer, |scorer, items| {
        for (item, defect) in items {
            let sha256 = hashes.of(&item.input, foregrounds)?;
            used.insert(item.folder.clone());
            if kept.find(&item.folder, &sha256).is_some_and(|d| d.subject.defect == defect) {
                scorer.done(1)?;
                continue;
            }
            let started = Instant::now();
            match by.draw(scorer, &item, seed) {
                Ok((draws, warnings)) => {
                    let subject = subject(&item, defect, sha256, warnings);
                    kept.put(Drawn { subject, draws, seconds: started.elapsed().as_secs_f64() })?;
                }
                Err(e @ Error::File { .. }) => scorer.fail(&item, e),
                Err(e) => return Err(e),
            }
            scorer.done(1)?;
        }
        Ok(())
    })
}

/// What the numbers promise.
fn promises(by: &Smoothing, images: usize, limit: Option<f64>, origin: String) -> Vec<String> {
    let Smoothing { sigma, first, draws, alpha } = by;
    let mut said = vec![
        format!(
            "What is certified is the detector under Gaussian noise of standard deviation {sigma} on the image, by {draws} draws for each \
             image: its median score, and by a threshold the verdict of most draws, which {first} further draws choose."
        ),
        format!(
            "Each image's verdict, and each of its bounds at each radius, is wrong with a probability of at most {} by itself. That all of \
             {images} images are right together, at one radius, but for that probability, takes {} for each.",
            number(*alpha),
            number(alpha / images as f64)
        ),
        "The detector's own noise is that of the seed in every draw, so that it is a function of the image alone."
            .into(),
    ];
    match limit {
        Some(_) => {
            said.push(format!(
                "{origin} It was not chosen for images under this noise, at the network's size, whose scores differ."
            ));
        }
        None => said.push("No verdict is certified, as there is no threshold for images (--threshold, --fpr).".into()),
    }
    said
}

fn print(args: &Args, report: &CertificateReport) {
    let width = report.images.iter().map(|r| r.subject.name.chars().count()).max().unwrap_or(0);
    for r in &report.images {
        let verdict = match r.verdict.map(|v| (v.anomalous, v.radius)) {
            None => String::new(),
            Some((None, _)) => "abstains".into(),
            Some((Some(a), radius)) => format!("{} within {radius:.4}", if a { "anomalous" } else { "normal" }),
        };
        println!("{:width$}  {:10.6}  {verdict}", r.subject.name, r.median);
    }
    report.said.iter().for_each(|text| println!("{text}"));
    if let Some(auroc) = report.auroc {
        println!("image AUROC of the median scores  {auroc:.4}");
    }
    if let Some(abstained) = report.abstained {
        println!("abstained  {abstained}");
    }
    println!("{}", RADII.join("  "));
    for row in report.radius_rows() {
        let cells: Vec<String> =
            RADII.iter().zip(row).map(|(head, cell)| format!("{cell:>w$}", w = head.len())).collect();
        println!("{}", cells.join("  "));
    }
    let (n, failed, page) = (report.images.len(), report.failures.len(), args.out.join("certify.html"));
    println!("{n} images, {failed} failed; report in {}", page.display());
}
