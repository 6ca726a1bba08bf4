//! `residua rescore`: the results of a run judged again, without running the model.
use super::detect::outputs::draw;
use super::results::{map_of, read_map_of, scope_of};
use super::threshold_args::{ThresholdArgs, check_scope};
use super::threshold_said::said;
use crate::data::{Map, Picture, ValueRange, Volume, VolumeMap, lock_folder, read_picture, utc_now};
use crate::detect::{Calibration, DetectorConfig, Scope, segment};
use crate::report::{About, Record, Results, Verdict, write_report};
use crate::{Error, Result};
use serde_json::json;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
#[command(mut_arg("fpr", |fpr| fpr.requires("model")))]
pub(super) struct Args {
    /// What a run wrote; new pixel thresholds need one with --maps
    #[arg(default_value = "residua-out", value_name = "DIR")]
    results: PathBuf,
    #[command(flatten)]
    thresholds: ThresholdArgs,
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
    args.thresholds.require()?;
    if args.model.is_some() && args.thresholds.fpr.is_none() {
        return Err(Error::Invalid("--model: its calibration is for --fpr, which is not given".into()));
    }
    let file = args.results.join("results.json");
    let mut results = Results::read(&file)?;
    if results.records.is_empty() && results.failures.is_empty() {
        return Err(Error::file(file, "holds no result to judge"));
    }
    let _lock = lock_folder(&args.results)?;
    let maps = results.records.iter().all(|r| map_of(&args.results, r).is_file());
    let own =
        results.records.iter().any(|r| DetectorConfig::recorded(&r.parameters).is_ok_and(|c| c.system.cuts_by_otsu()));
    args.thresholds.agree(own)?;
    if args.thresholds.pixel_threshold.is_some() && !maps {
        let fault = "masks cannot be made again without the maps: run `residua detect --maps`";
        return Err(Error::file(&args.results, fault));
    }
    let limits = Limits::new(args, maps && !own, &results)?;
    // Everything is judged, and all that will be drawn from is read, before anything is written.
    let mut judged = Vec::new();
    for record in &results.records {
        let new = limits.judge(record, results.volumes.iter().any(|v| v.path == record.path))?;
        if limits.pixel.is_some() {
            sources(&args.results, &new)?;
        }
        judged.push(new);
    }
    if let Some(r) = judged.iter().find(|r| {
        let volume = || results.volumes.iter().find(|v| v.path == r.path);
        r.threshold.is_none() && volume().is_none_or(|v| v.threshold.or(limits.image).is_none())
    }) && args.gate
    {
        let fault = "--gate: there is no image threshold to judge it by; give --threshold or --fpr";
        return Err(Error::file(&r.path, fault));
    }
    if let Some(threshold) = limits.pixel {
        // The slices of a volume belong together: what is too small is so in the whole.
        for volume in judged.chunk_by(|a, b| a.path == b.path) {
            redraw(&args.results, volume, threshold)?;
        }
    }
    results.records = judged;
    for v in results.volumes.iter_mut().filter(|_| limits.image.is_some()) {
        v.threshold = limits.image;
        v.p_value = limits.calibration.as_ref().map(|(c, _)| c.p_value(v.score));
        v.verdict = Verdict::of(v.score, v.threshold);
    }
    results.write(&args.results)?;
    write_report(&args.results, &results, &about(args, &results, &limits))?;
    if args.json {
        crate::cli::print_json(&results)?;
    } else {
        super::print_results(&results);
    }
    Ok(super::exit_code(args.gate, &results))
}

/// What the report says beside the records.
fn about(args: &Args, results: &Results, limits: &Limits) -> About {
    let mut about = About { said: Vec::new(), settings: vec![("judged again".into(), utc_now())] };
    let recorded = results.records.first().map(|first| DetectorConfig::recorded(&first.parameters));
    if let Some(Ok(config)) = recorded {
        let calibration = limits.calibration.as_ref().map(|(c, _)| c);
        about.said.push(said(&args.thresholds, config.threshold, calibration, "the run before"));
        about.said.extend(config.taken());
    }
    about
}

/// What the records are judged by.
struct Limits {
    image: Option<f64>,
    pixel: Option<f64>,
    /// The calibration that they come from, and its file.
    calibration: Option<(Calibration, PathBuf)>,
}

impl Limits {
    /// The calibration is read here, once; pixels are judged again where there are `maps`.
    fn new(args: &Args, maps: bool, results: &Results) -> Result<Self> {
        let given = &args.thresholds;
        let mut limits = Limits { image: given.threshold, pixel: given.pixel_threshold, calibration: None };
        if let (Some(rate), Some(model)) = (given.fpr, &args.model) {
            let path = Calibration::path(model);
            let c = Calibration::open(&path)?;
            limits.image = Some(c.threshold(rate)?);
            // Of each kind once, so that what is assumed is said once.
            let scopes: HashSet<Scope> = results.records.iter().map(|r| scope_of(results, r)).collect();
            for scope in scopes {
                let of_kind = |r: &&Record| scope_of(results, r) == scope;
                let Some(r) = results.records.iter().find(of_kind) else { continue };
                let config =
                    DetectorConfig::recorded(&r.parameters).map_err(|e| Error::file(&r.path, e.to_string()))?;
                check_scope(&c, &path, &config, scope)?;
            }
            if maps && limits.pixel.is_none() && c.pixels > 0 {
                limits.pixel = Some(c.pixel_threshold(rate)?.into());
            }
            limits.calibration = Some((c, path));
        }
        Ok(limits)
    }

    /// A record under these limits. A calibration promises nothing for one slice where volumes are judged: `of_volume`.
    /// # Errors
    /// When the calibration is not that of the record's model and settings, or these are no settings.
    fn judge(&self, old: &Record, of_volume: bool) -> Result<Record> {
        let mut record = old.clone();
        if let Some((c, path)) = &self.calibration {
            let model = (&*record.model.sha256, record.model.config_sha256.as_deref());
            c.check(path, model, &record.parameters)?;
            c.check_floats(path, record.float_range)?;
        }
        if self.image.is_some() {
            record.threshold = self.image;
            record.p_value = self.calibration.as_ref().map(|(c, _)| c.p_value(record.score));
        }
        let limit = record.threshold;
        if self.calibration.is_some() && of_volume {
            (record.threshold, record.p_value) = (None, None);
        }
        record.verdict = Verdict::of(record.score, record.threshold);
        let mut settings = serde_json::Value::clone(&record.parameters);
        let kept =
            settings.as_object_mut().and_then(|s| s.entry("threshold").or_insert_with(|| json!({})).as_object_mut());
        let fault = || Error::file(&record.path, "its result holds no settings");
        let kept = kept.ok_or_else(fault)?;
        kept.insert("image".into(), json!(limit));
        if self.pixel.is_some() {
            kept.insert("pixel".into(), json!(self.pixel));
        }
        record.parameters = settings.into();
        Ok(record)
    }
}

/// Draws masks and overlays of a picture, or of the slices of one volume, again.
fn redraw(results: &Path, records: &[Record], threshold: f64) -> Result<()> {
    let read = records.iter().map(|r| sources(results, r)).collect::<Result<Vec<_>>>()?;
    let maps: Vec<&Map> = read.iter().map(|(map, _)| map).collect();
    let Some(first) = records.first() else { return Ok(()) };
    let config = DetectorConfig::recorded(&first.parameters).map_err(|e| Error::file(&first.path, e.to_string()))?;
    // The records hold the new threshold already.
    let Some(masks) = segment(&config, &maps)? else { return Ok(()) };
    for ((record, (map, input)), mask) in records.iter().zip(&read).zip(&masks) {
        draw(&results.join(&record.folder), input, map, Some(threshold), Some(mask))?;
    }
    // Slices of a volume lie in its folder, with its whole map and mask.
    let folder = results.join(&first.folder).parent().map_or_else(|| results.to_owned(), Path::to_owned);
    let whole = folder.join("map.nii.gz");
    if folder == results || !whole.is_file() {
        return Ok(());
    }
    let like = Volume::read_labels(&whole)?;
    let mut volume = VolumeMap::new(&like);
    for (record, mask) in records.iter().zip(&masks) {
        let fault = || Error::file(&whole, format!("{} is not named after a slice", record.name));
        let (axis, index) = Volume::slice_of_name(&record.name).ok_or_else(fault)?;
        volume.put_mask(axis, index, mask)?;
    }
    volume.write(&folder.join("mask.nii.gz"))
}

/// What a record's pictures are drawn from.
fn sources(results: &Path, record: &Record) -> Result<(Map, Picture)> {
    let own = results.join(&record.folder).join("input.png");
    let input = if own.is_file() { &own } else { &record.path };
    // The signed range also takes files in 0..1.
    let picture = read_picture(input, ValueRange::SIGNED)?;
    let (path, map) = (map_of(results, record), read_map_of(results, record)?);
    let (has, needs) = ((map.width, map.height), (picture.width, picture.height));
    if has != needs {
        let fault = format!("the map has {}x{} pixels, but {} {}x{}", has.0, has.1, input.display(), needs.0, needs.1);
        return Err(Error::file(path, fault));
    }
    Ok((map, picture))
}
