//! Rows and where they come from: those of a table, or the features of images.
use super::columns::in_table;
use crate::data::{Failure, Table, TableColumns, path_text};
use crate::detect::dte::Features;
use crate::{Error, Result};
use std::path::PathBuf;

/// A table and where it comes from.
pub(super) struct Rows {
    pub table: Table,
    /// The table's file, where rows are those of a table.
    pub source: Option<PathBuf>,
    /// The table's columns by name, where they have names.
    pub columns: Option<TableColumns>,
    /// The image of each row, where rows are images.
    pub paths: Option<Vec<PathBuf>>,
    /// How images became rows.
    pub features: Option<Features>,
    /// The images that gave no row.
    pub failures: Vec<Failure>,
}

impl Rows {
    /// A CSV file: each row's number from 1, as messages count them, its image and label if rows are images, and the values of a last column, if any.
    pub fn csv(&self, last: Option<(&str, &[String])>) -> Result<Vec<u8>> {
        let labels = self.table.labels.as_ref().filter(|_| self.paths.is_some());
        let failed = |e: &dyn std::fmt::Display| Error::Invalid(format!("the list cannot be written: {e}"));
        let mut out = csv::Writer::from_writer(Vec::new());
        let line = |row: Option<usize>| {
            let field = |name: &str, value: &dyn Fn(usize) -> String| row.map_or(name.to_owned(), value);
            let mut fields = vec![field("row", &|i| (i + 1).to_string())];
            fields.extend(self.paths.as_ref().map(|p| field("path", &|i| path_text(&p[i]))));
            fields.extend(labels.map(|y| field("label", &|i| u8::from(y[i]).to_string())));
            fields.extend(last.map(|(name, values)| field(name, &|i| values[i].clone())));
            fields
        };
        for row in std::iter::once(None).chain((0..self.table.rows()).map(Some)) {
            out.write_record(line(row)).map_err(|e| failed(&e))?;
        }
        out.into_inner().map_err(|e| failed(&e))
    }

    /// Names the table in an error that does not.
    pub fn name_fault(&self, e: Error) -> Error {
        match &self.source {
            Some(path) => in_table(path)(e),
            None => e,
        }
    }

    /// Says on the standard error which columns of a table have one value in all training rows.
    pub fn tell_constant(&self, training: &Table) {
        const SHOWN: usize = 8;
        let (Some(path), constant) = (&self.source, training.constant_columns()) else { return };
        if constant.is_empty() {
            return;
        }
        let mut names: Vec<String> = constant.iter().take(SHOWN).map(|&c| training.column_place(c)).collect();
        names.extend((constant.len() > SHOWN).then(|| format!("{} more", constant.len() - SHOWN)));
        eprintln!(
            "note: {}: {} the same value in all training rows; another value in a row to be scored counts as it is, not in \
             standard deviations",
            path.display(),
            names.join(", ") + if names.len() == 1 { " has" } else { " have" }
        );
    }

    /// Lists the images that gave no row on the standard error; true when there are any.
    pub fn tell_failures(&self) -> bool {
        self.failures.iter().for_each(|f| eprintln!("error: {}", f.error));
        !self.failures.is_empty()
    }
}
