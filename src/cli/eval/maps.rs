//! Maps and scores that a run of `residua detect` left.
use super::{Args, Done};
use crate::cli::given::Given;
use crate::cli::model_args::MODEL_FLAGS;
use crate::cli::results::{axis_of, map_of, read_map_of};
use crate::data::{InputSpec, Map, Notices, ValueRange, files_read, hash_files, hash_input, lock_folder, path_text};
use crate::detect::config::InputConfig;
use crate::detect::{DetectorConfig, Evaluated, Item, evaluate_results};
use crate::eval::Dataset;
use crate::report::{Record, Results};
use crate::{Error, Result};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// Evaluates the results in `folder`, which are found by the paths of their images.
pub(super) fn evaluate(args: &Args, folder: &Path, given: &Given) -> Result<(Dataset, Done)> {
    for flags in [&MODEL_FLAGS[..], &["--seed", "--batch"]] {
        given.refuse(flags, |flag| {
            format!("{flag} is about running a model; --maps takes the results that are there")
        })?;
    }
    let file = folder.join("results.json");
    let results = Results::read(&file)?;
    let axis = axis(&results, &file, args, given)?;
    // A run of a model whose images are several files names them so.
    let config = results.records.first().map(|r| DetectorConfig::recorded(&r.parameters)).transpose()?;
    let suffixes = config.as_ref().map_or(&[][..], DetectorConfig::suffixes);
    let mut dataset = args.selection.find(&args.dataset, suffixes)?;
    let _lock = lock_folder(&args.out)?;
    let found = Found::new(&results.records);
    let whole = || InputSpec::fixed(1, ValueRange::UNIT);
    let spec = config.as_ref().and_then(|c| c.input.as_ref()).map_or_else(whole, InputConfig::spec);
    let foregrounds = config.as_ref().is_some_and(DetectorConfig::reads_foregrounds);
    let (how, mut used) = ((axis, &spec, foregrounds), 0);
    // The slices of a volume come one after the other.
    let mut latest: Option<(PathBuf, String)> = None;
    let mut notices = Notices::default();
    let done = evaluate_results(&dataset, how, &args.out, |item| {
        used += 1;
        let now = match latest.take().filter(|(path, _)| *path == item.path) {
            Some(known) => known,
            None => (item.path.clone(), content(item, foregrounds)?),
        };
        let result = one(item, &found, folder, &now.1, &mut notices);
        latest = Some(now);
        result
    })?;
    if results.records.len() > used {
        dataset.notes.push(format!("{} further results are of other images", results.records.len() - used));
    }
    let Evaluated { evaluation, failures, interrupted, .. } = done;
    notices.tell();
    let warnings = notices.list();
    let mut source = serde_json::json!({ "maps": path_text(folder) });
    if let Some(r) = results.records.first() {
        source["model"] = r.model.name.clone().into();
        source["sha256"] = r.model.sha256.clone().into();
        source["device"] = r.device.clone().into();
        source["seed"] = r.seed.into();
        source["parameters"] = serde_json::Value::clone(&r.parameters);
    }
    Ok((dataset, Done { evaluation, source, failures, warnings, interrupted }))
}

/// The axis along which the volumes of the results were cut.
fn axis(results: &Results, file: &Path, args: &Args, given: &Given) -> Result<usize> {
    let axes: BTreeSet<usize> = results.records.iter().filter_map(axis_of).collect();
    let said = usize::from(args.scoring.axis);
    match axes.iter().copied().collect::<Vec<_>>()[..] {
        [] if given.has("--axis") => Err(Error::file(file, "holds no slice of a volume, which --axis is about")),
        [] => Ok(said),
        [axis] if given.has("--axis") && axis != said => {
            Err(Error::file(file, format!("its slices were cut along axis {axis}, not {said}: leave --axis out")))
        }
        [axis] => Ok(axis),
        _ => Err(Error::file(file, "its volumes were cut along several axes")),
    }
}

/// The hash of what an image is read from now, as its record has it.
fn content(item: &Item, foregrounds: bool) -> Result<String> {
    hash_input(files_read(&item.input, foregrounds)?.iter().map(|f| &**f))
}

/// The score and the map of an image; what its record warns of goes to `notices`.
fn one(item: &Item, found: &Found, folder: &Path, now: &str, notices: &mut Notices) -> Result<(f64, Option<Map>)> {
    let record = found.get(item)?.ok_or_else(|| {
        Error::file(&item.path, format!("{} has no result, or several, in {}", item.name, folder.display()))
    })?;
    if record.input_sha256.as_ref().is_some_and(|was| was != now) {
        return Err(Error::file(&item.path, "has changed since its map was made: run `residua detect --maps` again"));
    }
    notices.add(&item.path, &record.warnings);
    let path = map_of(folder, record);
    if path.is_file() {
        return Ok((record.score, Some(read_map_of(folder, record)?)));
    }
    // A system that gives no map leaves none.
    match folder.join(&record.folder).join("heatmap.png").is_file() {
        true => Err(Error::file(&path, "there is no map; `residua detect --maps` writes it")),
        false => Ok((record.score, None)),
    }
}

/// Records by file and name; when the files were moved, by the last folder, the file's name and the name.
struct Found<'a> {
    exact: HashMap<(PathBuf, &'a str), &'a Record>,
    moved: HashMap<(PathBuf, &'a str), Vec<&'a Record>>,
}

impl<'a> Found<'a> {
    fn new(records: &'a [Record]) -> Self {
        let mut moved: HashMap<_, Vec<&Record>> = HashMap::new();
        for r in records {
            moved.entry((tail(&r.path), &*r.name)).or_default().push(r);
        }
        let exact = records.iter().filter_map(|r| Some(((r.path.canonicalize().ok()?, &*r.name), r))).collect();
        Found { exact, moved }
    }

    /// The record of an image; of a file that was moved or copied, if it is the same file.
    fn get(&self, item: &Item) -> Result<Option<&Record>> {
        let whole = item.path.canonicalize().map_err(|e| Error::io(&item.path, e))?;
        if let Some(record) = self.exact.get(&(whole, &*item.name)) {
            return Ok(Some(record));
        }
        let Some([one]) = self.moved.get(&(tail(&item.path), &*item.name)).map(Vec::as_slice) else { return Ok(None) };
        if one.path.is_file() && hash_files([&*one.path])? != hash_files([&*item.path])? {
            let fault = format!("has no result: that of its name is of another image, {}", one.path.display());
            return Err(Error::file(&item.path, fault));
        }
        Ok(Some(one))
    }
}

/// The last two parts of a path.
fn tail(path: &Path) -> PathBuf {
    let parts: Vec<_> = path.components().collect();
    parts[parts.len().saturating_sub(2)..].iter().collect()
}
