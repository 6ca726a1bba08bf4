//! Tables from NumPy: `.npz` archives with `X` and perhaps `y`, or with an array for each column, and bare `.npy` matrices.
use super::npy::check_header;
use super::npy_numbers::numbers;
use super::table::MAX_VALUES;
use super::table_assemble::{Cells, Column, Found, TableFile};
use super::table_columns::listed;
use super::table_label::{Words, is_label_name};
use super::table_roles::{ColumnRoles, LabelChoice, Role};
use crate::{Error, Result};
use npyz::{DType, NpyFile, Order, TypeChar};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// Arrays in which the names of the columns of `X` may lie.
const NAMES: [&str; 3] = ["feature_names", "columns", "names"];

/// A matrix (rows, columns) without names and labels; a vector is one column.
pub(super) fn decode_npy_table(bytes: &[u8], source: &Path, roles: &ColumnRoles) -> Result<TableFile> {
    let fault = |text: String| Error::file(source, text);
    if let Some(flag) = roles.needs_names().or(roles.needs_label()) {
        return Err(fault(format!(
            "a .npy file has no named columns and no labels, such as {flag} needs; .npz and CSV have"
        )));
    }
    let array = Array::numbers(bytes).map_err(|e| fault(format!("the array: {e}")))?;
    let (rows, columns) = array.columns().map_err(|e| fault(format!("the array: {e}")))?;
    let columns = columns.into_iter().map(feature).collect();
    Found { source, rows, names: None, columns, labels: None, lines: None, notes: Vec::new() }.assemble(roles)
}

/// An archive: features in `X`, in its only array beside the labels', or in an array for each column; labels in an array with a
/// label's name.
pub(super) fn decode_npz(bytes: &[u8], source: &Path, roles: &ColumnRoles) -> Result<TableFile> {
    read(bytes, source, roles).map_err(|fault| Error::file(source, fault))?.assemble(roles)
}

fn read<'a>(bytes: &[u8], source: &'a Path, roles: &ColumnRoles) -> Result<Found<'a>, String> {
    let mut members = Members::of(bytes)?;
    let names = members.names.clone();
    let only = |features: &str| names.iter().filter(|n| *n != features).cloned().collect::<Vec<_>>();
    let whole = match ["X", "x"].into_iter().find(|x| names.iter().any(|n| n == x)) {
        Some(x) => Some(x.to_owned()),
        None => {
            let chosen = matches!(&roles.label, LabelChoice::Named(l) if names.contains(l));
            let label = |n: &&String| match &roles.label {
                LabelChoice::Named(l) if chosen => n == &l,
                _ => is_label_name(n),
            };
            let others: Vec<&String> = names.iter().filter(|n| !label(n)).collect();
            match &others[..] {
                [one] => Some((*one).clone()),
                _ => None,
            }
        }
    };
    let Some(whole) = whole else { return by_column(members, source, roles) };
    let (label, _) = roles.label_of(&only(&whole), "array")?;
    let label = label.map(|l| only(&whole)[l].clone());
    let array = members.numbers(&whole)?;
    let (rows, columns) = array.columns().map_err(|e| format!("array `{whole}`: {e}"))?;
    let mut notes = Vec::new();
    let named = NAMES.iter().find(|n| names.iter().any(|m| m == *n) && label.as_deref() != Some(*n));
    let found = named.and_then(|n| match members.words(n) {
        Ok(words) => Some(Ok(words)),
        Err(fault) if fault.contains("Python objects") => {
            notes.push(format!("array `{n}` holds Python objects and is not read: columns go by their position"));
            None
        }
        Err(fault) => Some(Err(fault)),
    });
    let found = found.transpose()?.filter(|f| !f.is_empty());
    let (column_names, columns) = match found {
        None => {
            if let Some(flag) = roles.needs_names().filter(|f| *f != "--label") {
                return Err(format!("the columns of array `{whole}` have no names, such as {flag} needs"));
            }
            (None, columns.into_iter().map(feature).collect())
        }
        Some(found) => {
            if found.len() != columns.len() {
                return Err(format!(
                    "has {} names of columns for the {} of array `{whole}`",
                    found.len(),
                    columns.len()
                ));
            }
            let by_name = ColumnRoles { label: LabelChoice::Absent, ..roles.clone() };
            let (kinds, more) = by_name.of(&found)?;
            notes.extend(more);
            let column = |(role, values)| Column { role, cells: Cells::Numbers(values) };
            (Some(found), kinds.into_iter().zip(columns).map(column).collect())
        }
    };
    let labels = match &label {
        Some(name) => Some((name.clone(), members.labels(name)?)),
        None => None,
    };
    if let Some((_, words)) = labels.as_ref().filter(|l| l.1.len() != rows) {
        return Err(format!("has {} labels for {rows} rows", words.len()));
    }
    let read = |n: &&String| **n != whole && Some(*n) != label.as_ref() && !NAMES.contains(&n.as_str());
    let unread: Vec<String> = names.iter().filter(read).cloned().collect();
    if !unread.is_empty() {
        notes.push(format!("features are those of array `{whole}`; {} is not read", listed(&unread)));
    }
    Ok(Found { source, rows, names: column_names, columns, labels, lines: None, notes })
}

/// An archive with an array for each column, as `numpy.savez` writes the columns of a data frame.
fn by_column<'a>(mut members: Members<'_>, source: &'a Path, roles: &ColumnRoles) -> Result<Found<'a>, String> {
    let names = members.names.clone();
    let none = || format!("has no array `X`, only {names:?}");
    let numbered = |n: &String| n.strip_prefix("arr_").is_some_and(|k| k.bytes().all(|b| b.is_ascii_digit()));
    let mut rows = None;
    for name in &names {
        let shape = members.shape(name)?;
        let &[n] = &shape[..] else { return Err(none()) };
        if *rows.get_or_insert(n) != n {
            return Err(none());
        }
    }
    if names.len() < 2 || names.iter().any(numbered) {
        return Err(none());
    }
    let (kinds, notes) = roles.of(&names)?;
    let mut columns = Vec::new();
    for (name, &role) in names.iter().zip(&kinds) {
        let cells = match role {
            Role::LeftOut => Cells::Skipped,
            Role::Label => Cells::Words(members.labels(name)?),
            Role::Feature | Role::Index => Cells::Numbers(members.numbers(name)?.values),
        };
        columns.push(Column { role, cells });
    }
    let rows = rows.unwrap_or(0) as usize;
    Ok(Found { source, rows, names: Some(names), columns, labels: None, lines: None, notes })
}

fn feature(values: Vec<f64>) -> Column {
    Column { role: Role::Feature, cells: Cells::Numbers(values) }
}

/// The arrays of an archive.
struct Members<'a> {
    archive: zip::ZipArchive<std::io::Cursor<&'a [u8]>>,
    /// In the order of the file.
    names: Vec<String>,
    read: BTreeMap<String, Vec<u8>>,
}

impl<'a> Members<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, String> {
        let damaged = |e: zip::result::ZipError| format!("is not an .npz archive: {e}");
        let archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).map_err(damaged)?;
        let files =
            archive.file_names().map(|n| n.map(Into::into)).collect::<Result<Vec<String>, _>>().map_err(damaged)?;
        if files.iter().any(|f| f == "[Content_Types].xml") {
            return Err("is an Excel workbook: save the sheet as CSV".into());
        }
        let names: Vec<String> = files.iter().filter_map(|f| f.strip_suffix(".npy")).map(str::to_owned).collect();
        if names.is_empty() {
            return Err("is an archive without arrays, not an .npz".into());
        }
        Ok(Members { archive, names, read: BTreeMap::new() })
    }
    fn bytes(&mut self, name: &str) -> Result<&[u8], String> {
        if !self.read.contains_key(name) {
            let damaged = |e: zip::result::ZipError| format!("is not an .npz archive: {e}");
            let file = self.archive.by_name(&format!("{name}.npy")).map_err(damaged)?;
            let mut content = Vec::new();
            let limit = MAX_VALUES * 8 + 4096;
            let read = file.take(limit + 1).read_to_end(&mut content);
            read.map_err(|e| format!("array `{name}` cannot be unpacked: {e}"))?;
            if content.len() as u64 > limit {
                return Err(format!("array `{name}` is larger than any table that is accepted"));
            }
            self.read.insert(name.to_owned(), content);
        }
        Ok(&self.read[name])
    }
    fn shape(&mut self, name: &str) -> Result<Vec<u64>, String> {
        open(self.bytes(name)?).map(|f| f.shape().to_vec()).map_err(|e| format!("array `{name}`: {e}"))
    }
    fn numbers(&mut self, name: &str) -> Result<Array, String> {
        let array = Array::numbers(self.bytes(name)?).map_err(|e| format!("array `{name}`: {e}"))?;
        self.read.remove(name);
        Ok(array)
    }
    fn words(&mut self, name: &str) -> Result<Vec<String>, String> {
        texts(self.bytes(name)?).map_err(|e| format!("array `{name}`: {e}"))
    }
    /// Labels as numbers, booleans or text, of shape (rows,) or (rows, 1).
    fn labels(&mut self, name: &str) -> Result<Words, String> {
        let shape = self.shape(name)?;
        if !matches!(shape[..], [_] | [_, 1] | [1, _]) {
            return Err(format!("array `{name}` has shape {shape:?}; a label for each row is needed"));
        }
        let mut words = Words::default();
        match self.words(name) {
            Ok(texts) => texts.iter().for_each(|t| words.push(Some(t))),
            Err(_) => self.numbers(name)?.values.into_iter().for_each(|v| words.push_number(v)),
        }
        Ok(words)
    }
}

/// An array of up to two dimensions whose header has been looked at.
fn open(bytes: &[u8]) -> Result<NpyFile<&[u8]>, String> {
    check_header(bytes)?;
    let file = NpyFile::new(bytes).map_err(|e| format!("damaged header: {e}"))?;
    let total = file.shape().iter().try_fold(1u64, |n, &d| n.checked_mul(d)).filter(|&n| n <= MAX_VALUES);
    let shape = file.shape();
    total.ok_or_else(|| format!("shape {shape:?} has more values than the {MAX_VALUES} that are accepted"))?;
    Ok(file)
}

/// An array of numbers.
struct Array {
    shape: Vec<u64>,
    order: Order,
    /// In the order of the file.
    values: Vec<f64>,
}

impl Array {
    fn numbers(bytes: &[u8]) -> Result<Self, String> {
        let file = open(bytes)?;
        let (shape, order) = (file.shape().to_vec(), file.order());
        Ok(Array { shape, order, values: numbers(file, |v, _| v)?.0 })
    }
    /// The number of rows, and the values column by column.
    fn columns(self) -> Result<(usize, Vec<Vec<f64>>), String> {
        let (rows, columns) = match self.shape[..] {
            [rows] => (rows as usize, 1),
            [rows, columns] => (rows as usize, columns as usize),
            _ => return Err(format!("has shape {:?}; (rows, columns) is needed", self.shape)),
        };
        if rows == 0 || columns == 0 {
            return Ok((0, Vec::new()));
        }
        let column = |c: usize| match self.order {
            Order::C => self.values.iter().skip(c).step_by(columns).copied().collect(),
            Order::Fortran => self.values[c * rows..][..rows].to_vec(),
        };
        Ok((rows, (0..columns).map(column).collect()))
    }
}

/// The texts of an array of NumPy's `U` or `S` types.
fn texts(bytes: &[u8]) -> Result<Vec<String>, String> {
    let file = open(bytes)?;
    let dtype = file.dtype();
    let DType::Plain(kind) = &dtype else { return Err("it holds records".into()) };
    let cut = |e: std::io::Error| format!("its values cannot be read: {e}");
    let said = file.shape().iter().try_fold(kind.size_field(), |n, &d| n.checked_mul(d));
    if said.is_none_or(|n| n > bytes.len() as u64) || kind.size_field() > bytes.len() as u64 {
        return Err("it is cut off".into());
    }
    match kind.type_char() {
        TypeChar::UnicodeStr => file.into_vec::<String>().map_err(cut),
        TypeChar::ByteStr => {
            let all = file.into_vec::<Vec<u8>>().map_err(cut)?;
            Ok(all.into_iter().map(|b| String::from_utf8_lossy(&b).into_owned()).collect())
        }
        TypeChar::Object => Err("it holds Python objects".into()),
        _ => Err("it holds no text".into()),
    }
}
