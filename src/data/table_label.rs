//! Which column of a table holds the labels, and what they may be.
use crate::{Error, Result};
use std::path::Path;

/// The column of the labels: that of the name given, which must be there, else `y` or `label`.
pub(super) fn label_column(names: &[String], label: Option<&str>, source: &Path) -> Result<Option<usize>> {
    let at = |name: &str| names.iter().position(|n| n == name);
    match label {
        Some(name) => at(name).map(Some).ok_or_else(|| Error::file(source, format!("has no column `{name}`"))),
        None => Ok(["y", "label"].into_iter().find_map(at)),
    }
}

/// 0 is normal, 1 is an anomaly.
pub(super) fn flag(v: f64, source: &Path) -> Result<bool> {
    match v {
        0.0 => Ok(false),
        1.0 => Ok(true),
        _ => Err(Error::file(source, format!("a label is {v}; 0 (normal) and 1 (anomaly) are accepted"))),
    }
}
