//! From the columns of a file to a table: what looks like an index is left out, labels are read, and all that was taken for
//! granted is noted.
use super::Table;
use super::table::column_place;
use super::table_columns::{TableColumns, listed, other_columns};
use super::table_index::{are_distinct, are_flags, are_rounded, are_whole, count_rows, is_unnamed};
use super::table_label::{self, Words};
use super::table_number::{Field, advice, field, quoted};
use super::table_roles::{ColumnRoles, Role};
use crate::{Error, Result};
use std::path::Path;

/// A table as a file holds it, and what was taken for granted when it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct TableFile {
    /// Features and labels.
    pub table: Table,
    /// The column or array that holds the labels.
    pub label: Option<String>,
    /// The columns that are neither.
    pub left_out: Vec<String>,
    /// What a user should be told, in sentences without an end.
    pub notes: Vec<String>,
}

impl TableFile {
    /// The columns by name, as a model remembers them; none where they have no names.
    pub fn columns(&self) -> Option<TableColumns> {
        let (label, left_out) = (self.label.clone(), self.left_out.clone());
        self.table.names.clone().map(|features| TableColumns { features, label, left_out, ..TableColumns::default() })
    }
}

/// A column's values.
pub(super) enum Cells {
    /// Those of features; NaN where one is missing.
    Numbers(Vec<f64>),
    /// The same, and the row and text of the first that is no number.
    Text(Vec<f64>, usize, String),
    /// Those of the labels.
    Words(Words),
    /// None that can be read, but things of this kind.
    Unreadable(&'static str),
    /// None that are needed.
    Skipped,
}

impl Cells {
    /// For values that come one by one, as text.
    pub fn new(role: Role) -> Self {
        match role {
            Role::Feature | Role::Index => Cells::Numbers(Vec::new()),
            Role::Label => Cells::Words(Words::default()),
            Role::LeftOut => Cells::Skipped,
        }
    }
    /// Adds a field of a text file.
    pub fn push(&mut self, text: &str) {
        match self {
            Cells::Words(words) => words.push(Some(text)),
            Cells::Text(values, ..) => values.push(f64::NAN),
            Cells::Numbers(values) => match field(text) {
                Field::Number(v) => values.push(v),
                Field::Missing => values.push(f64::NAN),
                Field::Text => {
                    let row = values.len();
                    values.push(f64::NAN);
                    *self = Cells::Text(std::mem::take(values), row, text.to_owned());
                }
            },
            Cells::Unreadable(_) | Cells::Skipped => (),
        }
    }
}

/// A column and what it is.
pub(super) struct Column {
    pub role: Role,
    pub cells: Cells,
}

/// What a reader found.
pub(super) struct Found<'a> {
    pub source: &'a Path,
    pub rows: usize,
    /// The columns' names; none where they have none.
    pub names: Option<Vec<String>>,
    pub columns: Vec<Column>,
    /// The labels and their name, where they are no column of the table.
    pub labels: Option<(String, Words)>,
    /// The line of each row in a text file.
    pub lines: Option<Vec<u32>>,
    pub notes: Vec<String>,
}

impl Found<'_> {
    fn name(&self, column: usize) -> &str {
        self.names.as_ref().map_or("", |n| &n[column])
    }
    fn row(&self, row: usize) -> String {
        self.lines.as_ref().map_or_else(|| format!("row {}", row + 1), |lines| format!("line {}", lines[row]))
    }

    /// The table, if its columns can be one.
    /// # Errors
    /// [`Error::File`] naming row and column.
    pub fn assemble(mut self, roles: &ColumnRoles) -> Result<TableFile> {
        let source = self.source;
        let fault = |text: String| Error::file(source, text);
        if self.rows == 0 {
            return Err(fault("has no row of values".into()));
        }
        self.leave_out_indices(roles).map_err(fault)?;
        self.check_numbers().map_err(fault)?;
        if let (Some(fitted), Some(_)) = (&roles.fitted, &self.names) {
            let found = self.named(Role::Feature);
            if let Some(other) = other_columns(&found, &fitted.features) {
                return Err(fault(other));
            }
        }
        let label = self.columns.iter().position(|c| c.role == Role::Label);
        let words =
            label.map(|l| (self.name(l).to_owned(), std::mem::replace(&mut self.columns[l].cells, Cells::Skipped)));
        let words = match words {
            Some((name, Cells::Words(words))) => Some((name, words)),
            _ => self.labels.take(),
        };
        let labels = words.as_ref().map(|(name, w)| table_label::read(w, name, &roles.meaning, |row| self.row(row)));
        let labels = labels.transpose().map_err(fault)?;
        if let (None, Some(flag)) = (&labels, roles.needs_label()) {
            return Err(fault(format!(
                "has no labels, of which {flag} says what they mean; --label names their column"
            )));
        }
        let flags = labels.and_then(|l| {
            self.notes.extend(l.note);
            l.flags
        });
        self.doubts(flags.is_some(), roles);
        let left_out = self.named(Role::LeftOut);
        let names = self.names.is_some().then(|| self.named(Role::Feature));
        let features = self.columns.into_iter().filter_map(|c| match (c.role, c.cells) {
            (Role::Feature, Cells::Numbers(values)) => Some(values),
            _ => None,
        });
        let features: Vec<Vec<f64>> = features.collect();
        if features.is_empty() {
            return Err(fault("has no column of features".into()));
        }
        let values = (0..self.rows).flat_map(|row| features.iter().map(move |column| column[row])).collect();
        let table = Table { columns: features.len(), values, labels: flags, names, lines: self.lines };
        drop(features);
        let table = table.checked(source)?;
        if let Some(empty) = (0..table.rows()).find(|&i| table.row(i).iter().all(|v| v.is_nan())) {
            return Err(fault(format!("{}: no feature has a value", table.row_place(empty))));
        }
        let kept = |c: usize| table.names.as_ref().is_some_and(|n| roles.keep.contains(&n[c]));
        self.notes.extend(table.fill_note(kept));
        Ok(TableFile { table, label: words.map(|w| w.0), left_out, notes: self.notes })
    }

    fn named(&self, role: Role) -> Vec<String> {
        (0..self.columns.len()).filter(|&i| self.columns[i].role == role).map(|i| self.name(i).to_owned()).collect()
    }

    /// Decides of each column with an index's name whether it is one.
    fn leave_out_indices(&mut self, roles: &ColumnRoles) -> Result<(), String> {
        for i in 0..self.columns.len() {
            let name = self.name(i).to_owned();
            let unnamed = is_unnamed(&name);
            let column = &mut self.columns[i];
            if column.role != Role::Index {
                continue;
            }
            let what = match &column.cells {
                Cells::Numbers(v) if v.iter().all(|v| v.is_nan()) && unnamed => "holds nothing",
                Cells::Numbers(v) if are_whole(v) && (unnamed || are_distinct(v) || are_rounded(v)) => {
                    "numbers the rows"
                }
                Cells::Text(..) | Cells::Unreadable(_) if unnamed => "names the rows",
                Cells::Numbers(_) if unnamed => {
                    let flag = quoted(&name);
                    return Err(format!(
                        "column `{name}` has no name in the file; take it as a feature (--keep {flag}) or leave it out (--drop {flag})"
                    ));
                }
                cells => {
                    if roles.fitted.is_none() && matches!(cells, Cells::Numbers(_)) {
                        self.notes.push(format!(
                            "column `{name}` is taken as a feature, as its values do not number the rows (--drop {} leaves it out)",
                            quoted(&name)
                        ));
                    }
                    column.role = Role::Feature;
                    continue;
                }
            };
            column.role = Role::LeftOut;
            self.notes.push(format!(
                "column `{name}` {what} and is left out (--keep {} takes it as a feature)",
                quoted(&name)
            ));
        }
        Ok(())
    }

    /// Every feature must hold numbers.
    fn check_numbers(&self) -> Result<(), String> {
        let features = || self.columns.iter().enumerate().filter(|(_, c)| c.role == Role::Feature);
        for (i, column) in features() {
            if let Cells::Unreadable(what) = column.cells {
                let name = self.name(i);
                return Err(format!(
                    "column `{name}` holds {what}, not numbers; --drop {} leaves it out",
                    quoted(name)
                ));
            }
        }
        let texts = features().filter_map(|(i, c)| match &c.cells {
            Cells::Text(_, row, text) => Some((*row, i, text)),
            _ => None,
        });
        let mut texts: Vec<(usize, usize, &String)> = texts.collect();
        texts.sort_by_key(|t| (t.0, t.1));
        let Some(&(row, at, text)) = texts.first() else { return Ok(()) };
        let short: String = text.escape_debug().take(60).collect();
        let column = column_place(self.names.as_deref(), at);
        let mut fault =
            format!("{}, {column}: `{short}` is not a number: {}", self.row(row), advice(text, self.name(at)));
        if texts.len() > 1 {
            let mut others: Vec<usize> = texts[1..].iter().map(|t| t.1).collect();
            others.sort_unstable();
            let others: Vec<String> = others.into_iter().map(|i| self.name(i).to_owned()).collect();
            fault += &format!("; there is text in {} too", listed(&others));
        }
        Err(fault)
    }

    /// Notes on features that look like something else, and on missing values.
    fn doubts(&mut self, labelled: bool, roles: &ColumnRoles) {
        let features = self.columns.iter().enumerate().filter(|(_, c)| c.role == Role::Feature);
        let features: Vec<(usize, &[f64])> = features
            .filter_map(|(i, c)| match &c.cells {
                Cells::Numbers(values) => Some((i, &values[..])),
                _ => None,
            })
            .collect();
        let named = self.names.is_some();
        let settled =
            |i: usize| roles.keep.iter().any(|k| named && k == self.name(i)) || (named && roles.fitted.is_some());
        let column = |i: usize| column_place(self.names.as_deref(), i);
        let mut notes = Vec::new();
        for (place, &(i, values)) in features.iter().enumerate() {
            let (name, outermost) = (quoted(self.name(i)), place == 0 || place + 1 == features.len());
            if settled(i) {
                continue;
            }
            let doubt = if are_rounded(values) {
                "holds whole numbers of more than 15 digits, which are rounded: ids, perhaps, and no measurements"
                    .into()
            } else if count_rows(values) {
                let hint = if named { format!("; --drop {name} leaves it out") } else { String::new() };
                format!("counts the rows, as an index does, and is taken as a feature{hint}")
            } else if !labelled && outermost && features.len() > 1 && are_flags(values) {
                let hint = match named {
                    true => format!("if it is the label, say --label {name}; --drop {name} leaves it out"),
                    false => "only a column with a name can be the label".into(),
                };
                format!("holds two values only, as labels do, and is taken as a feature; {hint}")
            } else {
                continue;
            };
            notes.push(format!("{} {doubt}", column(i)));
        }
        let gaps = |values: &[f64]| values.iter().filter(|v| v.is_nan()).count();
        let missing: usize = features.iter().map(|f| gaps(f.1)).sum();
        if missing > 0 {
            let columns: Vec<usize> = features.iter().filter(|f| gaps(f.1) > 0).map(|f| f.0).collect();
            let columns = match &self.names {
                Some(names) => listed(&columns.iter().map(|&i| names[i].clone()).collect::<Vec<_>>()),
                None => format!("{} columns", columns.len()),
            };
            let values = if missing == 1 { "1 value is".to_owned() } else { format!("{missing} values are") };
            notes.push(format!("{values} missing, in {columns}: the mean of the column's training rows stands in"));
        }
        self.notes.extend(notes);
    }
}
