//! A CSV file that lists images.
use super::super::GOOD;
use super::{Dataset, DatasetLayout, Sample, Selection, Truth, inputs, is_normal};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

const COLUMNS: [&str; 5] = ["path", "label", "mask", "defect", "split"];

/// Reads a manifest. Empty fields are as if their column were not there.
pub(super) fn read(path: &Path, selection: &Selection) -> Result<Dataset> {
    let fault = |text: String| Error::file(path, text);
    let mut table = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(|e| fault(e.to_string()))?;
    let header = table.headers().map_err(|e| fault(e.to_string()))?.clone();
    let columns = COLUMNS.map(|name| header.iter().position(|h| h.eq_ignore_ascii_case(name)));
    if columns[0].is_none() || columns[1..4].iter().all(Option::is_none) {
        return Err(fault("a header with `path` and one of `label`, `mask` and `defect` is needed".into()));
    }
    let beside = path.parent().unwrap_or(Path::new(""));
    let mut rows = Vec::new();
    for (i, record) in table.records().enumerate() {
        let record = record.map_err(|e| fault(e.to_string()))?;
        let field = |c: usize| columns[c].and_then(|at| record.get(at)).filter(|text| !text.is_empty());
        rows.push(row(&field, beside).map_err(|e| fault(format!("row {}: {e}", i + 2)))?);
    }
    let split = match &selection.split {
        Some(split) => Some(split.clone()),
        None => rows.iter().any(|r| r.split.as_deref() == Some("test")).then(|| "test".to_owned()),
    };
    rows.retain(|r| split.is_none() || r.split == split);
    if rows.is_empty() {
        return Err(fault(split.map_or("lists no image".into(), |s| format!("lists no image of the split `{s}`"))));
    }
    let paths: Vec<PathBuf> = rows.iter().map(|r| r.path.clone()).collect();
    let samples = inputs(&paths, selection)?.into_iter().zip(rows);
    let samples = samples.map(|(input, r)| Sample { input, defect: r.defect, truth: r.truth }).collect();
    Ok(Dataset { layout: DatasetLayout::Manifest, split, samples })
}

struct Row {
    path: PathBuf,
    defect: String,
    truth: Truth,
    split: Option<String>,
}

fn row<'a>(field: &dyn Fn(usize) -> Option<&'a str>, beside: &Path) -> Result<Row, String> {
    let file = |text: &str| {
        let path = beside.join(text);
        if path.is_file() { Ok(path) } else { Err(format!("there is no file {}", path.display())) }
    };
    let path = file(field(0).ok_or("`path` is empty")?)?;
    let mask = field(2).map(file).transpose()?;
    let named = field(3);
    let anomalous = match (field(1), named) {
        (Some(text), _) => label(text)?,
        (None, Some(defect)) => !is_normal(defect),
        (None, None) => mask.is_some(),
    };
    if named.is_some_and(|defect| is_normal(defect) == anomalous) {
        return Err(format!("label `{}` contradicts defect `{}`", field(1).unwrap_or(""), named.unwrap_or("")));
    }
    let truth = match mask {
        Some(mask) => Truth::Mask(mask),
        None if anomalous => Truth::Unknown,
        None => Truth::Clean,
    };
    let defect = if anomalous { named.unwrap_or("anomalous") } else { GOOD }.to_owned();
    Ok(Row { path, defect, truth, split: field(4).map(str::to_owned) })
}

/// Whether a label says anomalous.
fn label(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "0" | "false" | "inlier" => Ok(false),
        name if is_normal(name) => Ok(false),
        "1" | "true" | "bad" | "anomalous" | "anomaly" | "abnormal" | "defective" | "defect" | "positive" | "nok"
        | "outlier" => Ok(true),
        _ => Err(format!("label `{text}` is neither 0 or good nor 1 or bad")),
    }
}
