//! Tables from CSV files with a header.
use super::table::{MAX_VALUES, Table};
use super::table_label::{flag, label_column};
use crate::{Error, Result};
use std::path::Path;

/// Every column but the label's is a feature and must be numeric; empty fields, `NA` and `nan` are missing values.
/// `label` names the label column; without it, `y` and `label` are tried.
pub(super) fn decode_csv(bytes: &[u8], source: &Path, label: Option<&str>) -> Result<Table> {
    let unreadable = |e: csv::Error| Error::file(source, format!("is not a CSV table: {e}"));
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let mut names: Vec<String> = reader.headers().map_err(unreadable)?.iter().map(str::to_owned).collect();
    if names.iter().all(|n| n.parse::<f64>().is_ok()) {
        return Err(Error::file(source, "the first line holds numbers; a header with the columns' names is needed"));
    }
    let label = label_column(&names, label, source)?;
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for (row, record) in reader.records().enumerate() {
        for (column, text) in record.map_err(unreadable)?.iter().enumerate() {
            let value = number(text).ok_or_else(|| {
                Error::file(source, format!("row {row}, column `{}`: `{text}` is not a number", names[column]))
            })?;
            if Some(column) == label { labels.push(flag(value, source)?) } else { values.push(value) }
        }
        if values.len() as u64 > MAX_VALUES {
            return Err(Error::file(source, format!("has more than the {MAX_VALUES} values that are accepted")));
        }
    }
    label.map(|l| names.remove(l));
    Table::new(source, names.len(), values, label.map(|_| labels), Some(names))
}

fn number(text: &str) -> Option<f64> {
    match text {
        "" | "NA" => Some(f64::NAN),
        _ => text.parse().ok(),
    }
}
