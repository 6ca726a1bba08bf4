//! Tables: rows of numeric features, with a label for each row where the file has one.
use super::table_columns::{other_columns, other_width};
use crate::{Error, Result};
use std::borrow::Cow;
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
    /// The line of each row in a text file, counted from 1.
    pub lines: Option<Vec<u32>>,
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
        Table { columns, values, labels, names, lines: None }.checked(source)
    }
    /// The table itself, if it can be one.
    /// # Errors
    /// As [`Table::new`].
    pub(super) fn checked(self, source: &Path) -> Result<Self> {
        let fault = |text: String| Err(Error::file(source, text));
        let Table { columns, values, labels, names, lines } = &self;
        if *columns == 0 || values.is_empty() || !values.len().is_multiple_of(*columns) {
            return fault(format!("{} values do not make rows of {columns} columns", values.len()));
        }
        if values.len() as u64 > MAX_VALUES {
            return fault(format!("has {} values, more than the {MAX_VALUES} that are accepted", values.len()));
        }
        let rows = values.len() / columns;
        if let Some(n) = labels.as_ref().map(Vec::len).filter(|&n| n != rows) {
            return fault(format!("has {n} labels for {rows} rows"));
        }
        if let Some(n) = names.as_ref().map(Vec::len).filter(|n| n != columns) {
            return fault(format!("has {n} names for {columns} columns"));
        }
        if let Some(n) = lines.as_ref().map(Vec::len).filter(|&n| n != rows) {
            return fault(format!("has {n} lines for {rows} rows"));
        }
        if let Some(at) = values.iter().position(|v| v.is_infinite()) {
            let place = self.place(at / columns, at % columns);
            return fault(format!("{place}: the value is infinite, or too large for any number"));
        }
        Ok(self)
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
        let lines = self.lines.as_ref().map(|l| indices.iter().map(|&i| l[i]).collect());
        Table { columns: self.columns, values, labels, names: self.names.clone(), lines }
    }
    /// The columns with one value, or none, in all rows.
    pub fn constant_columns(&self) -> Vec<usize> {
        let values = |c: usize| self.values.iter().skip(c).step_by(self.columns).filter(|v| !v.is_nan());
        let constant = |c: &usize| values(*c).zip(values(*c).skip(1)).all(|(a, b)| a == b);
        (0..self.columns).filter(constant).collect()
    }
    /// Where a user finds a row: its line in a text file, else its number, each counted from 1.
    pub fn row_place(&self, row: usize) -> String {
        self.lines.as_ref().map_or_else(|| format!("row {}", row + 1), |lines| format!("line {}", lines[row]))
    }
    /// A column by its name, else by its number, counted from 1.
    pub fn column_place(&self, column: usize) -> String {
        column_place(self.names.as_deref(), column)
    }
    /// Where a user finds a value.
    pub fn place(&self, row: usize, column: usize) -> String {
        format!("{}, {}", self.row_place(row), self.column_place(column))
    }
    /// The table with its columns in the order of these names; a table whose columns have no names stays as it is.
    /// # Errors
    /// [`Error::Invalid`] naming the columns that are missing and those that are too many, in tables without names their
    /// number.
    pub fn arranged(&self, wanted: &[String]) -> Result<Cow<'_, Table>> {
        let Some(names) = &self.names else {
            return match self.columns == wanted.len() {
                true => Ok(Cow::Borrowed(self)),
                false => Err(Error::Invalid(other_width(self.columns, wanted.len()))),
            };
        };
        if names == wanted {
            return Ok(Cow::Borrowed(self));
        }
        if let Some(fault) = other_columns(names, wanted) {
            return Err(Error::Invalid(fault));
        }
        let at = |name: &String| names.iter().position(|n| n == name);
        let order: Vec<usize> = wanted.iter().filter_map(at).collect();
        let values = self.values.chunks_exact(self.columns).flat_map(|row| order.iter().map(|&c| row[c])).collect();
        Ok(Cow::Owned(Table { values, names: Some(wanted.to_vec()), ..self.clone() }))
    }
}

/// A column by its name, else by its number, counted from 1.
pub(super) fn column_place(names: Option<&[String]>, column: usize) -> String {
    names.map_or_else(|| format!("column {}", column + 1), |names| format!("column `{}`", names[column]))
}
