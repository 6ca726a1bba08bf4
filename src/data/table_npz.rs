//! Tables from NumPy: `.npz` archives with `X` and perhaps `y`, and bare `.npy` matrices.
use super::npy::check_header;
use super::table::{MAX_VALUES, Table};
use super::table_label::flag;
use crate::{Error, Result};
use npyz::{DType, NpyFile, Order, TypeChar};
use std::io::Read;
use std::path::Path;

/// A matrix (rows, columns) without labels; a vector is one column.
pub(super) fn decode_npy_table(bytes: &[u8], source: &Path) -> Result<Table> {
    let (shape, values) = array(bytes, source, "the array")?;
    Table::new(source, columns(&shape, source, "the array")?, values, None, None)
}

/// An archive: features in `X` (or in its only array), labels in `label`, else in `y` or `label`.
pub(super) fn decode_npz(bytes: &[u8], source: &Path, label: Option<&str>) -> Result<Table> {
    let damaged = |e: zip::result::ZipError| Error::file(source, format!("is not an .npz archive: {e}"));
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).map_err(damaged)?;
    let names = archive.file_names().map(|n| n.map(Into::into)).collect::<Result<Vec<String>, _>>().map_err(damaged)?;
    let has = |name: &str| names.iter().any(|n| n == &format!("{name}.npy"));
    let mut member = |name: &str| -> Result<(Vec<u64>, Vec<f64>)> {
        let file = archive.by_name(&format!("{name}.npy")).map_err(damaged)?;
        let mut content = Vec::new();
        let limit = MAX_VALUES * 8 + 4096;
        let read = file.take(limit + 1).read_to_end(&mut content);
        read.map_err(|e| Error::file(source, format!("array `{name}` cannot be unpacked: {e}")))?;
        if content.len() as u64 > limit {
            return Err(Error::file(source, format!("array `{name}` is larger than any table that is accepted")));
        }
        array(&content, source, &format!("array `{name}`"))
    };
    let features = match &names[..] {
        _ if has("X") => "X".to_owned(),
        [one] => one.trim_end_matches(".npy").to_owned(),
        _ => return Err(Error::file(source, format!("has no array `X`, only {names:?}"))),
    };
    let labels = match label {
        Some(l) if !has(l) => return Err(Error::file(source, format!("has no array `{l}` for the labels"))),
        Some(l) => Some(l),
        None => ["y", "label"].into_iter().find(|l| has(l)),
    };
    let (shape, values) = member(&features)?;
    let columns = columns(&shape, source, &format!("array `{features}`"))?;
    let labels = labels.map(&mut member).transpose()?;
    let labels = labels.map(|(_, y)| y.into_iter().map(|v| flag(v, source)).collect()).transpose()?;
    Table::new(source, columns, values, labels, None)
}

fn columns(shape: &[u64], source: &Path, what: &str) -> Result<usize> {
    match *shape {
        [_] => Ok(1),
        [_, c] => Ok(c as usize),
        _ => Err(Error::file(source, format!("{what} has shape {shape:?}; (rows, columns) is needed"))),
    }
}

/// Shape and values in C order, as f64.
fn array(bytes: &[u8], source: &Path, what: &str) -> Result<(Vec<u64>, Vec<f64>)> {
    let fault = |text: String| Error::file(source, format!("{what}: {text}"));
    check_header(bytes).map_err(|e| fault(e.into()))?;
    let file = NpyFile::new(bytes).map_err(|e| fault(format!("damaged header: {e}")))?;
    let shape = file.shape().to_vec();
    let total = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d)).filter(|&n| n <= MAX_VALUES);
    total.ok_or_else(|| fault(format!("shape {shape:?} has more values than the {MAX_VALUES} that are accepted")))?;
    let order = file.order();
    let values = values(file).map_err(|e| fault(format!("its values cannot be read: {e}")))?;
    let [rows, columns] = shape[..] else { return Ok((shape, values)) };
    let (rows, columns) = (rows as usize, columns as usize);
    if order == Order::C {
        return Ok((shape, values));
    }
    let transposed = (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))).map(|(r, c)| values[c * rows + r]);
    Ok((shape, transposed.collect()))
}

/// The values in file order.
fn values(file: NpyFile<&[u8]>) -> std::io::Result<Vec<f64>> {
    /// All values as `T`, each made an f64.
    fn all<T: npyz::Deserialize>(file: NpyFile<&[u8]>, f: impl Fn(T) -> f64) -> std::io::Result<Vec<f64>> {
        Ok(file.into_vec::<T>()?.into_iter().map(f).collect())
    }
    let unsupported = |d: &DType| std::io::Error::other(format!("values of type {} are not supported", d.descr()));
    let dtype = file.dtype();
    let DType::Plain(kind) = &dtype else { return Err(unsupported(&dtype)) };
    match (kind.type_char(), kind.size_field()) {
        (TypeChar::Bool, _) => all(file, |v: bool| f64::from(u8::from(v))),
        (TypeChar::Uint, 1) => all(file, |v: u8| v.into()),
        (TypeChar::Uint, 2) => all(file, |v: u16| v.into()),
        (TypeChar::Uint, 4) => all(file, |v: u32| v.into()),
        (TypeChar::Uint, 8) => all(file, |v: u64| v as f64),
        (TypeChar::Int, 1) => all(file, |v: i8| v.into()),
        (TypeChar::Int, 2) => all(file, |v: i16| v.into()),
        (TypeChar::Int, 4) => all(file, |v: i32| v.into()),
        (TypeChar::Int, 8) => all(file, |v: i64| v as f64),
        (TypeChar::Float, 4) => all(file, |v: f32| v.into()),
        (TypeChar::Float, 8) => all(file, |v: f64| v),
        _ => Err(unsupported(&dtype)),
    }
}
