//! `residua attack`: how far small perturbations drive the scores, and what is left of the ranking.
use super::given::Given;
use super::kept::{Kept, OfSubject, key_of};
use super::model_args::ModelArgs;
use super::robust::{Hashes, ImagesArgs, amount, before_the_first, depends_on, said_of_input, subject};
use super::scoring::ScoringArgs;
use crate::data::{ExactFormat, create_folder, hash_files, is_whole, lock_folder, remove_below};
use crate::detect::attack::{AttackSettings, Attacked, Attacker, Norm, Pgd, Start, Towards};
use crate::detect::{Item, ModelFolder, Scorer, Subjects};
use crate::eval::GOOD;
use crate::eval::robust::{AttackRecord, AttackReport, PICTURES, Subject};
use crate::{Error, Result};
use serde_json::json;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod pictures;

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    images: ImagesArgs,
    #[command(flatten)]
    model: ModelArgs,
    /// Where the results go
    #[arg(long, default_value = "residua-attack", value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    scoring: ScoringArgs,
    /// With --unlabelled, where all scores are driven: hide (down) or alarm (up). With labels, anomalous images are hidden and normal
    /// ones made alarms
    #[arg(long, value_name = "GOAL", value_parser = goal)]
    goal: Option<Towards>,
    /// How the size of a perturbation is measured: linf (the greatest change of a value) or l2 (over the whole image)
    #[arg(long, default_value = "linf", value_name = "NORM", value_parser = norm)]
    norm: Norm,
    /// The greatest size, in units of the 0..1 image at the network's size [default: 2/255 for linf, 0.2 for l2]
    #[arg(long, value_name = "SIZE", value_parser = amount)]
    epsilon: Option<f64>,
    /// Steps of a restart
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    attack_steps: u32,
    /// The length of a step [default: 2.5 times epsilon over the steps, so that the border is in reach from anywhere]
    #[arg(long, value_name = "SIZE", value_parser = amount)]
    step_size: Option<f64>,
    /// Independent tries, of which the best counts for each image
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    restarts: u32,
    /// Draws of the detector's noise that each gradient is averaged over; more than one is EOT [default: 4, or 1 without noise]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    draws: Option<u32>,
    /// How a restart begins: random (anywhere in reach) or image
    #[arg(long, default_value = "random", value_name = "WHERE", value_parser = start)]
    start: Start,
    /// Draws of the noise that the result is judged by, none of them used in the attack [default: 8, or 1 without noise]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    fresh_draws: Option<u32>,
    /// Files of the images: npy (float32, every value as it is) or png (16 bits)
    #[arg(long, default_value = "npy", value_name = "FORMAT", value_parser = format)]
    format: ExactFormat,
    /// Keep the images that the output folder already holds for the same files, model and settings
    #[arg(long)]
    resume: bool,
    /// Print attack.json to the standard output
    #[arg(long)]
    json: bool,
}

fn goal(text: &str) -> Result<Towards, String> {
    match text {
        "hide" => Ok(Towards::Lower),
        "alarm" => Ok(Towards::Higher),
        _ => Err("hide and alarm are known".into()),
    }
}

fn norm(text: &str) -> Result<Norm, String> {
    [Norm::Linf, Norm::L2].into_iter().find(|n| n.as_str() == text).ok_or("linf and l2 are known".into())
}

fn start(text: &str) -> Result<Start, String> {
    match text {
        "random" => Ok(Start::Random),
        "image" => Ok(Start::Image),
        _ => Err("random and image are known".into()),
    }
}

fn format(text: &str) -> Result<ExactFormat, String> {
    [ExactFormat::Npy, ExactFormat::Png]
        .into_iter()
        .find(|f| f.extension() == text)
        .ok_or("npy and png are known".into())
}

impl OfSubject for AttackRecord {
    fn subject(&self) -> &Subject {
        &self.subject
    }
}

impl Args {
    fn settings(&self, model: &ModelFolder) -> AttackSettings {
        let noisy = model.config.system.draws_noise();
        let (steps, usual) = (self.attack_steps as usize, if self.norm == Norm::Linf { 2.0 / 255.0 } else { 0.2 });
        let epsilon = self.epsilon.unwrap_or(usual);
        let count = |said: Option<u32>, usual: u32| said.unwrap_or(if noisy { usual } else { 1 }) as usize;
        AttackSettings {
            norm: self.norm,
            epsilon,
            steps,
            step_size: self.step_size.unwrap_or(Pgd::usual_step(epsilon, steps)),
            restarts: self.restarts as usize,
            draws: count(self.draws, 4),
            start: self.start,
            fresh_draws: count(self.fresh_draws, 8),
            format: self.format,
        }
    }
}

pub(super) fn run(args: &Args, given: &Given) -> Result<ExitCode> {
    let model = args.model.open(given)?;
    match (args.images.unlabelled, args.goal) {
        (true, None) => {
            return Err(Error::Invalid("--unlabelled: say where scores are driven, --goal hide or alarm".into()));
        }
        (false, Some(_)) => {
            let fault = "--goal is for --unlabelled images: with labels, anomalous images are hidden and normal ones made alarms";
            return Err(Error::Invalid(fault.into()));
        }
        _ => {}
    }
    let settings = args.settings(&model);
    let (subjects, taken_for) = args.images.subjects(given, &model, (&args.scoring, &args.out))?;
    let mut scorer = args.scoring.scorer(&model)?;
    let mut attacker = Attacker::new(&scorer, settings)?;
    let _lock = lock_folder(&args.out)?;
    scorer.look_at(subjects.inputs());
    let everything = json!({ "attack": settings, "goal": args.goal, "detector": depends_on(&scorer) });
    let there = |r: &AttackRecord| {
        let folder = args.out.join("pictures").join(&r.subject.folder);
        let files = r.files().map(|f| args.out.join(f));
        let same = || hash_files(files.iter().map(|f| &**f)).is_ok_and(|hash| hash == r.files_sha256);
        files.iter().all(|f| is_whole(f)) && is_whole(&folder.join(PICTURES[0].0)) && same()
    };
    let mut kept: Kept<AttackRecord> = Kept::open(&args.out, key_of(&everything), args.resume, there)?;
    let mut used = HashSet::new();
    let mut hashes = Hashes::default();
    let ran = attack(args, (&mut scorer, &mut attacker), &subjects, (&mut kept, &mut used, &mut hashes));
    // Of an earlier run what belongs to these images.
    let images = kept.close().map(|all| all.into_iter().filter(|r| used.contains(&r.subject.folder)).collect());
    let images: Vec<AttackRecord> = images?;
    if images.is_empty() {
        ran.map_err(before_the_first)?;
        let first = scorer.failures.first().map_or("there is no image".into(), |f| f.error.clone());
        return Err(Error::Invalid(format!("no image could be attacked: {first}")));
    }
    let mut source = args.images.source(taken_for, &scorer);
    source.interrupted = ran.is_err();
    let mut said = json!(settings);
    said["goal"] = json!(args.goal.map_or("by label: anomalous images lower, normal ones higher", Towards::as_str));
    said["input"] = json!(said_of_input(&model));
    let report = AttackReport::new(source, said, images, std::mem::take(&mut scorer.failures));
    create_folder(&args.out)?;
    report.write(&args.out)?;
    if args.json {
        print!("{}", report.json()?)
    } else {
        print(args, &settings, &report)
    }
    for f in &report.failures {
        eprintln!("error: {}: {}", f.path.display(), f.error);
    }
    ran?;
    Ok(ExitCode::from(if report.failures.is_empty() { 0 } else { 2 }))
}

/// Attacks what is not finished yet; `used` gets the folders of all images that belong to this run.
fn attack(
    args: &Args,
    (scorer, attacker): (&mut Scorer, &mut Attacker),
    subjects: &Subjects,
    (kept, used, hashes): (&mut Kept<AttackRecord>, &mut HashSet<String>, &mut Hashes),
) -> Result<()> {
    let foregrounds = scorer.model.config.reads_foregrounds();
    subjects.each(scorer, |scorer, items| {
        let mut rest = Vec::new();
        let mut labels = std::collections::HashMap::new();
        for (item, defect) in items {
            let sha256 = hashes.of(&item.input, foregrounds)?;
            used.insert(item.folder.clone());
            if kept.find(&item.folder, &sha256).is_some_and(|r| r.subject.defect == defect) {
                continue;
            }
            let by_label = || if defect.as_deref() == Some(GOOD) { Towards::Higher } else { Towards::Lower };
            rest.push((item.clone(), args.goal.unwrap_or_else(by_label)));
            labels.insert(item.folder, (defect, sha256));
        }
        if !rest.is_empty() {
            discard(&args.out, kept)?;
        }
        let name = |item: &Item| file_of(item, labels.get(&item.folder).and_then(|l| l.0.as_deref()));
        attacker.run(scorer, rest, (&args.out, &name), &mut |attacked| {
            let (defect, sha256) = labels.get(&attacked.item.folder).cloned().unwrap_or_default();
            pictures::write(&args.out.join("pictures").join(&attacked.item.folder), &attacked)?;
            kept.put(record(&attacked, &args.out, defect, sha256)?)
        })
    })
}

/// Removes the images of an earlier run that this one replaces, so that the folders hold what the report is about.
fn discard(out: &Path, kept: &mut Kept<AttackRecord>) -> Result<()> {
    let ours: HashSet<String> = kept.all.iter().flat_map(|r| r.files().map(str::to_owned)).collect();
    for stale in std::mem::take(&mut kept.replaced) {
        for file in stale.files().into_iter().filter(|f| !ours.contains(*f)) {
            remove_below(out, file)?;
        }
    }
    Ok(())
}

/// Where an image's files lie below `clean` and `adversarial`: by label, so that each of the two is a dataset.
fn file_of(item: &Item, defect: Option<&str>) -> PathBuf {
    let plain = |text: &str| -> String {
        let kept = |c: char| if c.is_alphanumeric() || "-_ ".contains(c) { c } else { '_' };
        text.chars().map(kept).collect()
    };
    let file = item.folder.replace('/', "-");
    defect.map_or_else(|| PathBuf::from(&file), |d| Path::new(&plain(d)).join(&file))
}

fn record(a: &Attacked, out: &Path, defect: Option<String>, sha256: String) -> Result<AttackRecord> {
    let below = |path: &Path| crate::data::path_text(path.strip_prefix(out).unwrap_or(path)).replace('\\', "/");
    let [before, after] = a.scores.clone();
    Ok(AttackRecord {
        subject: subject(&a.item, defect, sha256, a.pictures[0].warnings.clone()),
        towards: a.towards.as_str().into(),
        before,
        after,
        linf: a.distance(Norm::Linf),
        l2: a.distance(Norm::L2),
        restart: a.restart,
        flat_steps: a.flat_steps,
        clean: below(&a.files[0]),
        adversarial: below(&a.files[1]),
        files_sha256: hash_files(a.files.iter().map(|f| &**f))?,
        seconds: a.seconds,
    })
}

fn print(args: &Args, settings: &AttackSettings, report: &AttackReport) {
    let width = report.images.iter().map(|r| r.subject.name.chars().count()).max().unwrap_or(0);
    for r in &report.images {
        let [before, after] = r.means();
        let defect = r.subject.defect.as_deref().unwrap_or("");
        println!("{:width$}  {before:10.6} → {after:10.6}  {:6}  {defect}", r.subject.name, r.towards);
    }
    for m in &report.moved {
        let (b, a) = (m.before, m.after);
        println!("driven {:6}  {} images, mean score {b:.6} → {a:.6}, {} moved so", m.towards, m.images, m.followed);
    }
    let fresh = match settings.fresh_draws {
        1 => "by one draw of the noise, unseen by the attack".to_owned(),
        n => format!("means over {n} draws of the noise, unseen by the attack"),
    };
    match &report.auroc {
        Some(auroc) => {
            println!("image AUROC  {:.4} → {:.4}  ({fresh})", auroc.before.mean, auroc.after.mean)
        }
        None => println!("image AUROC  none: {}", report.reason.as_deref().unwrap_or_default()),
    }
    let stayed = report.images.iter().filter(|r| r.restart.is_none()).count();
    if stayed > 0 {
        println!(
            "{stayed} images stayed as they were, as no candidate was better: the attack may be weaker than it could be"
        );
    }
    let flat: usize = report.images.iter().map(|r| r.flat_steps).sum();
    if flat > 0 {
        println!("in {flat} steps the gradient was zero or not finite: the attack may be weaker than it could be");
    }
    let (n, failed, page) = (report.images.len(), report.failures.len(), args.out.join("attack.html"));
    println!("{n} images, {failed} failed; report in {}", page.display());
}
