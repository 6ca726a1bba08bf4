//! Maps and scores that a run of `residua detect --maps` left.
use super::images::walk;
use super::truth::Group;
use super::{Args, Done};
use crate::cli::items::Item;
use crate::data::read_map;
use crate::eval::{Dataset, Evaluator, ScoredImage};
use crate::report::{Failure, Record, Results};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Evaluates the results in `folder`, which are found by the paths of their images.
pub(super) fn evaluate(args: &Args, dataset: &Dataset, folder: &Path) -> Result<Done> {
    let results = Results::read(&folder.join("results.json"))?;
    let found = Found::new(&results.records);
    let mut evaluator = Evaluator::new(&args.out);
    let mut failures = Vec::new();
    walk(dataset, args.scoring.axis, &mut failures, |group, items, failures| {
        for item in items {
            if let Err(e) = one(&item, &found, folder, group, &mut evaluator) {
                failures.push(Failure { path: item.path, error: e.to_string() });
            }
        }
        Ok(())
    })?;
    let mut source = serde_json::json!({ "maps": folder });
    if let Some(r) = results.records.first() {
        source["model"] = r.model.name.clone().into();
        source["sha256"] = r.model.sha256.clone().into();
        source["device"] = r.device.clone().into();
        source["seed"] = r.seed.into();
        source["parameters"] = r.parameters.clone();
    }
    Ok(Done { evaluation: evaluator.finish()?, source, failures, interrupted: false })
}

fn one(item: &Item, found: &Found, folder: &Path, group: &Group, evaluator: &mut Evaluator) -> Result<()> {
    let record = found.get(item).ok_or_else(|| {
        Error::file(&item.path, format!("{} has no result, or several, in {}", item.name, folder.display()))
    })?;
    let path = folder.join(&record.folder).join("map.npy");
    if !path.is_file() {
        return Err(Error::file(&path, "there is no map; `residua detect --maps` writes it"));
    }
    let map = read_map(&path)?;
    let (defect, mask) = group.truth(item, (map.width, map.height))?;
    let image = ScoredImage { path: item.path.clone(), name: item.name.clone(), defect, score: record.score };
    evaluator.add(image, mask.as_ref().map(|m| (&map, m)))
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
