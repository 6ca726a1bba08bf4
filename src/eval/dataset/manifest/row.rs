//! One row of a list of images.
use super::super::{is_normal, is_unsorted};
use super::{GOOD, Truth};
use std::path::{Path, PathBuf};

/// What a row says.
pub(super) struct Row {
    pub path: PathBuf,
    pub defect: String,
    pub truth: Truth,
}

/// Reads a row by the numbers of its columns; `labelled`: there is a column of labels.
pub(super) fn row<'a>(field: &dyn Fn(usize) -> Option<&'a str>, labelled: bool, beside: &Path) -> Result<Row, String> {
    let path = file(field(0).ok_or("`path` is empty")?, beside)?;
    let mask = field(2).map(|text| file(text, beside)).transpose()?;
    let named = field(3);
    if let Some(word) = named.filter(|word| matches!(&*word.to_lowercase(), "none" | "nan" | "null" | "no" | "n/a")) {
        return Err(format!("defect `{word}` is no kind of defect; leave the field empty, or write good"));
    }
    if let (Some(word), None, None) = (named.filter(|word| is_unsorted(word)), field(1), &mask) {
        return Err(format!(
            "defect `{word}` says of no image whether it is normal; leave the row out, or say so in a column `label`"
        ));
    }
    if mask.as_ref().is_some_and(|mask| mask.canonicalize().ok() == path.canonicalize().ok()) {
        return Err(format!("{} is the image and its mask at once", path.display()));
    }
    let anomalous = match (field(1), named) {
        (Some(text), _) => label(text)?,
        (None, Some(defect)) => !is_normal(defect),
        (None, None) if labelled && mask.is_none() => return Err("`label` is empty".into()),
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
    Ok(Row { path, defect, truth })
}

/// A file beside the list, as it is spelt or, where there is none, with the separators of Windows read as such.
pub(super) fn file(text: &str, beside: &Path) -> Result<PathBuf, String> {
    let path = beside.join(text);
    if path.is_file() {
        return Ok(path);
    }
    let other = beside.join(text.replace('\\', "/"));
    if text.contains('\\') && other.is_file() {
        return Ok(other);
    }
    if path.is_dir() {
        return Err(format!("{} is a folder, not a file", path.display()));
    }
    let advice = match Path::new(text).is_file() {
        true => "; paths are relative to the list's folder, not to the current one",
        false => "",
    };
    Err(format!("there is no file {}{advice}", path.display()))
}

/// Whether a label says anomalous.
fn label(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "0" | "0.0" | "false" | "inlier" | "pass" | "passed" => Ok(false),
        name if is_normal(name) => Ok(false),
        "1" | "1.0" | "true" | "bad" | "anomalous" | "anomaly" | "abnormal" | "defective" | "defect" | "positive"
        | "nok" | "ng" | "ko" | "outlier" | "fail" | "failed" | "faulty" => Ok(true),
        _ => Err(format!(
            "label `{text}` is neither 0 or good nor 1 or bad; the name of a defect belongs in a column `defect`"
        )),
    }
}
