//! Maps and scores that a run of `residua detect` left.
use super::{Args, Done};
use crate::data::{InputSpec, Map, ValueRange, lock_folder, path_text, read_map};
use crate::detect::config::InputConfig;
use crate::detect::{DetectorConfig, Evaluated, Item, evaluate_results};
use crate::eval::Dataset;
use crate::report::{Record, Results};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Evaluates the results in `folder`, which are found by the paths of their images.
pub(super) fn evaluate(args: &Args, folder: &Path) -> Result<(Dataset, Done)> {
    let results = Results::read(&folder.join("results.json"))?;
    // A run of a model whose images are several files names them so.
    let config = results.records.first().map(|r| DetectorConfig::recorded(&r.parameters)).transpose()?;
    let suffixes = config.as_ref().map_or(&[][..], DetectorConfig::suffixes);
    let dataset = args.selection.find(&args.dataset, suffixes)?;
    let _lock = lock_folder(&args.out)?;
    let found = Found::new(&results.records);
    let whole = || InputSpec::fixed(1, ValueRange::UNIT);
    let spec = config.as_ref().and_then(|c| c.input.as_ref()).map_or_else(whole, InputConfig::spec);
    let foregrounds = config.as_ref().is_some_and(DetectorConfig::reads_foregrounds);
    let how = (usize::from(args.scoring.axis), &spec, foregrounds);
    let done = evaluate_results(&dataset, how, &args.out, |item| one(item, &found, folder))?;
    let Evaluated { evaluation, failures, interrupted, .. } = done;
    let mut source = serde_json::json!({ "maps": path_text(folder) });
    if let Some(r) = results.records.first() {
        source["model"] = r.model.name.clone().into();
        source["sha256"] = r.model.sha256.clone().into();
        source["device"] = r.device.clone().into();
        source["seed"] = r.seed.into();
        source["parameters"] = r.parameters.clone();
    }
    Ok((dataset, Done { evaluation, source, failures, interrupted }))
}

fn one(item: &Item, found: &Found, folder: &Path) -> Result<(f64, Option<Map>)> {
    let record = found.get(item).ok_or_else(|| {
        Error::file(&item.path, format!("{} has no result, or several, in {}", item.name, folder.display()))
    })?;
    let path = folder.join(&record.folder).join("map.npy");
    if path.is_file() {
        return Ok((record.score, Some(read_map(&path)?)));
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

    fn get(&self, item: &Item) -> Option<&Record> {
        let whole = item.path.canonicalize().ok()?;
        let exact = self.exact.get(&(whole, &*item.name)).copied();
        exact.or_else(|| match self.moved.get(&(tail(&item.path), &*item.name)).map(Vec::as_slice) {
            Some([one]) => Some(one),
            _ => None,
        })
    }
}

/// The last two parts of a path.
fn tail(path: &Path) -> PathBuf {
    let parts: Vec<_> = path.components().collect();
    parts[parts.len().saturating_sub(2)..].iter().collect()
}
