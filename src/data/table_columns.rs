//! The columns of a table by name, as a model remembers them, and how others differ.
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// The columns that an estimator was fitted to, by name, and those of the same table that it was not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableColumns {
    /// The features in their order.
    pub features: Vec<String>,
    /// The column that held the labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Columns that were no features.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// The labels that the user called anomalous, all others being normal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anomalous: Vec<String>,
    /// The labels that the user called normal, all others being anomalous.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub normal: Vec<String>,
}

/// What a table with another number of columns is refused with.
pub(crate) fn other_width(found: usize, wanted: usize) -> String {
    format!("the table has {found} columns, the model was fitted to {wanted}")
}

/// How columns differ from those that a model was fitted to, apart from their order; none when they do not.
pub(super) fn other_columns(found: &[String], wanted: &[String]) -> Option<String> {
    let lacking = |all: &[String], some: &[String]| -> Vec<String> {
        let has: HashSet<&String> = some.iter().collect();
        all.iter().filter(|n| !has.contains(n)).cloned().collect()
    };
    let (missing, surplus) = (lacking(wanted, found), lacking(found, wanted));
    let missing = (!missing.is_empty()).then(|| format!("it lacks {}", listed(&missing)));
    let surplus = (!surplus.is_empty()).then(|| {
        let what = listed(&surplus);
        format!("it has also {what} (--drop NAME leaves a column out)")
    });
    let faults: Vec<String> = missing.into_iter().chain(surplus).collect();
    let fault = || format!("the table's columns are not those that the model was fitted to: {}", faults.join(", and "));
    (!faults.is_empty()).then(fault)
}

/// The first names of a list, each in backticks, and how many more there are.
pub(super) fn listed(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|n| format!("`{n}`")).collect();
    let more = names.len().saturating_sub(SHOWN);
    shown.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}
