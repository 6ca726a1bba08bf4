//! A CSV file that lists images.
use super::super::GOOD;
use super::equal::is_training;
use super::{Dataset, DatasetLayout, Sample, Selection, Truth, inputs};
use crate::{Error, Result};
use header::Header;
use row::{Row, row};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

mod header;
mod row;

pub use header::lists_images;

/// Reads a manifest. Empty fields are as if their column were not there, but for a label.
pub(super) fn read(path: &Path, selection: &Selection) -> Result<Dataset> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    parse(&bytes, path, selection)
}

impl Dataset {
    /// Reads the text of a manifest, whose files are looked for beside `path`; see [`Dataset::find`].
    /// # Errors
    /// [`Error::File`] with the row and the fault.
    pub fn parse_manifest(text: &[u8], path: &Path, selection: &Selection) -> Result<Dataset> {
        parse(text, path, selection)
    }
}

fn parse(bytes: &[u8], path: &Path, selection: &Selection) -> Result<Dataset> {
    let fault = |text: String| Error::file(path, text);
    let text = header::text(bytes, path)?;
    let mut table = csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text.as_bytes());
    let header = Header::new(table.headers().map_err(|e| fault(e.to_string()))?, text).map_err(fault)?;
    let beside = path.parent().unwrap_or(Path::new(""));
    let mut records = Vec::new();
    for record in table.records() {
        let record = record.map_err(|e| fault(e.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        // Spreadsheets leave such rows at the end.
        if record.iter().all(str::is_empty) {
            continue;
        }
        if record.len() != header.len() {
            let (has, needs) = (record.len(), header.len());
            return Err(fault(format!("line {line} has {has} fields, but the header has {needs}")));
        }
        records.push((line, record));
    }
    let named = |r: &csv::StringRecord, c| header.column(c).and_then(|at| r.get(at)).unwrap_or("").to_owned();
    let all: Vec<(String, PathBuf)> =
        records.iter().map(|(_, r)| (named(r, 4), row::file(&named(r, 0), beside).unwrap_or_default())).collect();
    let (split, mut notes) = choose(&header, &mut records, selection).map_err(fault)?;
    let mut rows = Vec::new();
    for (line, record) in &records {
        let field = |c: usize| header.column(c).and_then(|at| record.get(at)).filter(|text| !text.is_empty());
        let labelled = header.column(1).is_some();
        rows.push(row(&field, labelled, beside).map_err(|e| fault(format!("line {line}: {e}")))?);
    }
    twice(&records, &rows).map_err(fault)?;
    notes.extend(header.unused());
    let beyond = all.into_iter().filter(|(name, _)| split.as_ref().is_some_and(|split| split != name));
    let (training, others): (Vec<_>, Vec<_>) = beyond.partition(|(name, _)| is_training(name));
    let [training, others] = [training, others].map(|part| part.into_iter().map(|(_, path)| path).collect());
    let paths: Vec<PathBuf> = rows.iter().map(|r| r.path.clone()).collect();
    let samples = inputs(&paths, selection)?.into_iter().zip(rows);
    let samples = samples.map(|(input, r)| Sample { input, defect: r.defect, truth: r.truth }).collect();
    Ok(Dataset { layout: DatasetLayout::Manifest, split, samples, notes, training, others })
}

type Records = Vec<(u64, csv::StringRecord)>;

/// Keeps the rows of the split that was asked for, or of `test`; its name as the file spells it, and what was left out.
fn choose(
    header: &Header,
    records: &mut Records,
    selection: &Selection,
) -> Result<(Option<String>, Vec<String>), String> {
    let of = |record: &csv::StringRecord| header.column(4).and_then(|at| record.get(at)).unwrap_or("").to_owned();
    let mut splits: BTreeMap<String, usize> = BTreeMap::new();
    records.iter().for_each(|(_, record)| *splits.entry(of(record)).or_default() += 1);
    let unnamed = splits.remove("").unwrap_or(0);
    let there = || {
        let names = splits.iter().map(|(name, n)| format!("`{name}` ({n} rows)"));
        let unnamed = (unnamed > 0).then(|| format!("{unnamed} rows without a name"));
        names.chain(unnamed).collect::<Vec<_>>().join(", ")
    };
    let wanted = selection.split.as_deref();
    if records.is_empty() {
        return Err("lists no image".into());
    }
    if splits.is_empty() {
        return match wanted {
            None => Ok((None, Vec::new())),
            Some(_) if header.column(4).is_none() => Err("has no column `split`, which --split is about".into()),
            Some(name) => Err(format!("lists no image of the split `{name}`: its column `split` is empty")),
        };
    }
    let name = wanted.unwrap_or("test");
    let same = |found: &&String| **found == name;
    let alike: Vec<&String> = splits.keys().filter(|found| found.eq_ignore_ascii_case(name)).collect();
    let found = splits.keys().find(same).or(if let [one] = alike[..] { Some(one) } else { None });
    let Some(found) = found.cloned() else {
        let fault = match wanted {
            Some(name) => format!("lists no image of the split `{name}`"),
            None => "has no split `test`: choose by --split NAME".into(),
        };
        return Err(format!("{fault}; its splits are {}", there()));
    };
    let all = records.len();
    records.retain(|(_, record)| of(record) == found);
    let left = all - records.len();
    let notes = if left > 0 { vec![format!("{left} rows of other splits are left out")] } else { Vec::new() };
    Ok((Some(found), notes))
}

/// Refuses a file that two rows name.
fn twice(records: &Records, rows: &[Row]) -> Result<(), String> {
    let mut seen: BTreeMap<PathBuf, u64> = BTreeMap::new();
    for ((line, _), row) in records.iter().zip(rows) {
        let whole = row.path.canonicalize().unwrap_or_else(|_| row.path.clone());
        if let Some(first) = seen.insert(whole, *line) {
            return Err(format!("lines {first} and {line} both name {}", row.path.display()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
