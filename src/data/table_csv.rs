//! Tables from text files: CSV, and the same with semicolons, tabs or |.
use super::table::MAX_VALUES;
use super::table_assemble::{Cells, Column, Found, TableFile};
use super::table_dialect::{Dialect, are_counted, are_values};
use super::table_index::unnamed;
use super::table_marks::Marks;
use super::table_number::with_point;
use super::table_roles::{ColumnRoles, Role};
use crate::{Error, Result};
use csv::StringRecord;
use std::path::Path;

/// Every column is a feature and must be numeric, but the label's, those to leave out, and what looks like an index.
/// Without a header columns have no names. Rows at the end whose fields are all empty are left out.
pub(super) fn decode_csv(bytes: &[u8], source: &Path, roles: &ColumnRoles) -> Result<TableFile> {
    read(bytes, source, roles).map_err(|fault| Error::file(source, fault))?.assemble(roles)
}

fn read<'a>(bytes: &[u8], source: &'a Path, roles: &ColumnRoles) -> Result<Found<'a>, String> {
    let mut records = Records::new(bytes)?;
    let first = records.next()?.ok_or("holds nothing but empty lines")?;
    let fields: Vec<String> = first.iter().map(str::to_owned).collect();
    let mut notes = Vec::new();
    if records.dialect.separator != b',' {
        notes.push(format!("columns are separated by {}", records.dialect.separator_name()));
    }
    // With decimal commas a number is one, too.
    let pointed = |f: &String| with_point(f).filter(|_| records.dialect.separator != b',').unwrap_or_else(|| f.clone());
    let headless = are_values(&fields.iter().map(pointed).collect::<Vec<_>>());
    let (names, kinds) = if headless {
        if let Some(flag) = roles.needs_names() {
            return Err(format!("the first line holds numbers and no names of columns, such as {flag} needs"));
        }
        notes.push(
            "the first line holds numbers, so it is read as a row: columns have no names and go by their position"
                .into(),
        );
        (None, vec![Role::Feature; fields.len()])
    } else {
        if are_counted(&fields) {
            notes.push("the first line counts the columns from 0, as pandas does, and is read as their names".into());
        }
        let name = |(i, f): (usize, &String)| if f.is_empty() { unnamed(i) } else { f.clone() };
        let names: Vec<String> = fields.iter().enumerate().map(name).collect();
        let (kinds, more) = roles.of(&names)?;
        notes.extend(more);
        (Some(names), kinds)
    };
    let mut columns: Vec<Column> = kinds.into_iter().map(|role| Column { role, cells: Cells::new(role) }).collect();
    let mut lines = Vec::new();
    let mut marks = Marks::default();
    let mut next = headless.then_some(first);
    let mut empty: Option<u32> = None;
    loop {
        let record = match next.take() {
            Some(record) => record,
            None => match records.next()? {
                Some(record) => record,
                None => break,
            },
        };
        if record.iter().all(str::is_empty) {
            empty.get_or_insert(records.line);
            continue;
        }
        if let Some(line) = empty {
            return Err(format!("line {line} is empty, with more lines behind it"));
        }
        lines.push(records.line);
        for (i, (column, text)) in columns.iter_mut().zip(&record).enumerate() {
            let marked = matches!(column.role, Role::Feature | Role::Index) && records.dialect.separator != b',';
            match marked.then(|| marks.read(records.line, i, text)).flatten() {
                Some(number) => column.cells.push(&number),
                None => column.cells.push(text),
            }
        }
        if lines.len() as u64 * columns.len() as u64 > MAX_VALUES {
            return Err(format!("has more than the {MAX_VALUES} values that are accepted"));
        }
    }
    if let Some(line) = empty {
        notes.push(format!("the lines from {line} on have empty fields only and are left out"));
    }
    notes.extend(marks.note()?);
    Ok(Found { source, rows: lines.len(), names, columns, labels: None, lines: Some(lines), notes })
}

/// A file's records with the numbers of their lines.
struct Records<'a> {
    bytes: &'a [u8],
    reader: csv::Reader<&'a [u8]>,
    dialect: Dialect,
    record: usize,
    /// Up to where lines are counted.
    counted: usize,
    /// The line on which the last record begins, from 1.
    line: u32,
    width: Option<usize>,
}

impl<'a> Records<'a> {
    fn new(all: &'a [u8]) -> Result<Self, String> {
        let dialect = Dialect::of(all)?;
        let bytes = &all[dialect.start..];
        let reader = csv::ReaderBuilder::new()
            .delimiter(dialect.separator)
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(bytes);
        Ok(Records { bytes, reader, line: dialect.line, dialect, record: 0, counted: 0, width: None })
    }
    fn next(&mut self) -> Result<Option<StringRecord>, String> {
        let mut record = StringRecord::new();
        let read = self.reader.read_record(&mut record);
        let at = match &read {
            Ok(_) => record.position().map(csv::Position::byte),
            Err(e) => e.position().map(csv::Position::byte),
        };
        let more = matches!(read, Ok(true));
        self.advance(at.map_or(self.counted, |b| b as usize));
        match read {
            Err(e) if matches!(e.kind(), csv::ErrorKind::Utf8 { .. }) => {
                Err(format!("line {}: is not UTF-8 text; save the table as UTF-8", self.line))
            }
            Err(e) => Err(format!("is not a CSV table: {e}")),
            Ok(_) if !more => Ok(None),
            Ok(_) => {
                self.record += 1;
                let width = *self.width.get_or_insert(record.len());
                match record.len() == width {
                    true => Ok(Some(record)),
                    false => Err(self.uneven(record.len(), width)),
                }
            }
        }
    }
    /// Counts lines up to a record, which begins behind any empty lines at that place.
    fn advance(&mut self, to: usize) {
        let blank = |b: &u8| b"\r\n".contains(b);
        let to = to.min(self.bytes.len());
        let to = to + self.bytes[to..].iter().take_while(|b| blank(b)).count();
        if to > self.counted {
            let passed = &self.bytes[self.counted..to];
            let feeds = passed.iter().filter(|&&b| b == b'\n').count();
            let returns = passed.iter().filter(|&&b| b == b'\r').count();
            self.line += if feeds == 0 { returns } else { feeds } as u32;
            self.counted = to;
        }
    }
    fn uneven(&self, found: usize, width: usize) -> String {
        let fields = |n: usize| if n == 1 { "1 field".to_owned() } else { format!("{n} fields") };
        let (line, by) = (self.line, self.dialect.separator_name());
        let mut fault =
            format!("line {line} has {}, the first line {}, separated by {by}", fields(found), fields(width));
        if found == width + 1 && self.record == 2 {
            fault += "; if the first field of each row is its name, the header needs a name for it too";
        }
        if self.dialect.separator == b',' && width == 1 {
            fault += "; numbers with a decimal comma are read where columns are separated by semicolons or tabs";
        }
        fault
    }
}
