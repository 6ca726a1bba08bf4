//! Tables: rows of numeric features, with a label for each row where the file has one.
use crate::{Error, Result};
use std::path::Path;

/// The most values that a table may hold; more is refused from the header where there is one.
pub const MAX_VALUES: u64 = 1 << 28;

/// Rows of features. NaN stands for a missing value.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Features of a row, at least one.
    pub columns: usize,
    /// Row after row.
    pub values: Vec<f64>,
    /// One flag for each row, true for an anomaly, where the file says so.
    pub labels: Option<Vec<bool>>,
    /// The columns' names, where the file has them.
    pub names: Option<Vec<String>>,
}

impl Table {
    /// A table from its parts; `source` names it in errors.
    /// # Errors
    /// [`Error::File`]: no rows or columns, more than [`MAX_VALUES`], infinite values, labels or names of another number.
    pub fn new(
        source: &Path,
        columns: usize,
        values: Vec<f64>,
        labels: Option<Vec<bool>>,
        names: Option<Vec<String>>,
    ) -> Result<Self> {
        let fault = |text: String| Err(Error::file(source, text));
        if columns == 0 || values.is_empty() || !values.len().is_multiple_of(columns) {
            return fault(format!("{} values do not make rows of {columns} columns", values.len()));
        }
        if values.len() as u64 > MAX_VALUES {
            return fault(format!("has {} values, more than the {MAX_VALUES} that are accepted", values.len()));
        }
        let rows = values.len() / columns;
        if let Some(at) = values.iter().position(|v| v.is_infinite()) {
            return fault(format!("row {}, column {} is infinite", at / columns, at % columns));
        }
        if let Some(n) = labels.as_ref().map(Vec::len).filter(|&n| n != rows) {
            return fault(format!("has {n} labels for {rows} rows"));
        }
        if let Some(n) = names.as_ref().map(Vec::len).filter(|&n| n != columns) {
            return fault(format!("has {n} names for {columns} columns"));
        }
        Ok(Table { columns, values, labels, names })
    }
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns
    }
    /// One row.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.columns..][..self.columns]
    }
    /// The rows of these indices, in their order, with their labels.
    pub fn select(&self, indices: &[usize]) -> Table {
        let mut values = Vec::with_capacity(indices.len() * self.columns);
        indices.iter().for_each(|&i| values.extend_from_slice(self.row(i)));
        let labels = self.labels.as_ref().map(|y| indices.iter().map(|&i| y[i]).collect());
        Table { columns: self.columns, values, labels, names: self.names.clone() }
    }
}
