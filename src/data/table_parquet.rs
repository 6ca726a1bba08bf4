//! Tables from Parquet files, as pandas, Polars, DuckDB and Spark write them.
use super::parquet_footer::check_flat;
use super::table::MAX_VALUES;
use super::table_assemble::{Cells, Column, Found, TableFile};
use super::table_columns::listed;
use super::table_label::Words;
use super::table_roles::{ColumnRoles, Role};
use crate::{Error, Result};
use bytes::Bytes;
use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;
use std::path::Path;

/// Rows that are decoded at once.
const BATCH: usize = 1 << 13;

/// Every column is a feature and must hold numbers or booleans, but the label's, those to leave out, and what looks like an
/// index; null is a missing value. The index that pandas writes is left out.
pub(super) fn decode_parquet(bytes: &[u8], source: &Path, roles: &ColumnRoles) -> Result<TableFile> {
    check_flat(bytes).map_err(|fault| Error::file(source, fault))?;
    // The reader behind it is known to panic on some damaged files.
    crate::quiet::quietly(|| decode(bytes, source, roles))
        .unwrap_or_else(|_| Err(Error::file(source, "the Parquet file is damaged: its reader gave up on it")))
}

/// What a column's stored values mean.
#[derive(Clone, Copy)]
enum ColumnKind {
    Plain,
    Unsigned,
    /// An integer divided by this power of ten.
    Decimal(i32),
    Half,
    /// Bytes, which labels may be.
    Text,
}

fn decode(bytes: &[u8], source: &Path, roles: &ColumnRoles) -> Result<TableFile> {
    let fault = |text: String| Error::file(source, text);
    let damaged = |e: ParquetError| Error::file(source, format!("is not a readable Parquet file: {e}"));
    let file = SerializedFileReader::new(Bytes::copy_from_slice(bytes)).map_err(damaged)?;
    let about = file.metadata().file_metadata();
    let schema = about.schema_descr();
    let index = pandas_index(about.key_value_metadata().map_or(&[][..], |v| v));
    let is_index = |name: &str| {
        let usual = name.starts_with("__index_level_") && name.ends_with("__");
        let known = roles.fitted.as_ref().is_some_and(|f| f.features.iter().any(|n| n == name));
        usual || (index.iter().any(|n| n == name) && !known && !roles.keep.iter().any(|k| k == name))
    };
    let places: Vec<usize> = (0..schema.num_columns()).filter(|&c| !is_index(schema.column(c).name())).collect();
    let names: Vec<String> = places.iter().map(|&c| schema.column(c).name().to_owned()).collect();
    let (kinds, mut notes) = roles.of(&names).map_err(fault)?;
    let tell = |n: &&String| is_index(n) && !n.starts_with("__index_level_");
    let told: Vec<String> = index.iter().filter(tell).cloned().collect();
    if !told.is_empty() {
        notes.push(format!(
            "{} is the index of the data frame and is left out (--keep NAME takes it as a feature)",
            listed(&told)
        ));
    }
    let groups = file.metadata().row_groups();
    let total = groups.iter().try_fold(0u64, |n, g| n.checked_add(u64::try_from(g.num_rows()).ok()?));
    let rows = total.filter(|r| r.checked_mul(places.len() as u64).is_some_and(|n| n <= MAX_VALUES));
    let rows = rows.ok_or_else(|| fault(format!("has more than the {MAX_VALUES} values that are accepted")))? as usize;

    let start = |(&c, &role): (&usize, &Role)| match (role, kind(&schema.column(c))) {
        (Role::LeftOut, _) => Ok((Cells::Skipped, None)),
        (Role::Label, Ok(kind)) => Ok((Cells::Words(Words::default()), Some(kind))),
        (Role::Label, Err(what)) => {
            Err(fault(format!("column `{}` holds {what}, not labels", schema.column(c).name())))
        }
        (_, Ok(ColumnKind::Text)) => Ok((Cells::Unreadable("text"), None)),
        (_, Ok(kind)) => Ok((Cells::Numbers(Vec::new()), Some(kind))),
        (_, Err(what)) => Ok((Cells::Unreadable(what), None)),
    };
    let mut found = places.iter().zip(&kinds).map(start).collect::<Result<Vec<_>>>()?;
    let mut until = 0;
    for (g, meta) in groups.iter().enumerate() {
        if meta.num_columns() != schema.num_columns() {
            return Err(fault(format!("row group {g} has {} columns", meta.num_columns())));
        }
        until += meta.num_rows() as usize;
        let group = file.get_row_group(g).map_err(damaged)?;
        for (i, (cells, kind)) in found.iter_mut().enumerate() {
            let Some(kind) = *kind else { continue };
            let name = &names[i];
            let bad = |e: ParquetError| fault(format!("column `{name}`, row group {g}: {e}"));
            let reader = group.get_column_reader(places[i]).map_err(bad)?;
            let most = schema.column(places[i]).max_def_level();
            match (cells, reader) {
                (Cells::Words(out), ColumnReader::ByteArrayColumnReader(r)) if matches!(kind, ColumnKind::Text) => {
                    let text = |v: &ByteArray| Some(String::from_utf8_lossy(v.data()).into_owned());
                    let wanted = until - out.len();
                    append(r, most, wanted, text, |word| out.push(word.as_deref())).map_err(bad)?;
                }
                (Cells::Words(out), reader) => {
                    let wanted = until - out.len();
                    numbers(reader, kind, most, wanted, |v| out.push_number(v)).map_err(bad)?;
                }
                (Cells::Numbers(out), reader) => {
                    let wanted = until - out.len();
                    numbers(reader, kind, most, wanted, |v| out.push(v)).map_err(bad)?;
                }
                _ => (),
            }
        }
    }
    let columns = kinds.into_iter().zip(found).map(|(role, (cells, _))| Column { role, cells }).collect();
    Found { source, rows, names: Some(names), columns, labels: None, lines: None, notes }.assemble(roles)
}

/// The columns that pandas says are the index of the data frame.
fn pandas_index(metadata: &[KeyValue]) -> Vec<String> {
    let said = metadata.iter().find(|m| m.key == "pandas").and_then(|m| m.value.as_deref());
    let said: Option<serde_json::Value> = said.and_then(|text| serde_json::from_str(text).ok());
    let columns = said.as_ref().and_then(|v| v["index_columns"].as_array());
    columns.into_iter().flatten().filter_map(|c| c.as_str().map(str::to_owned)).collect()
}

/// How a column is to be read, or why it cannot be.
fn kind(column: &ColumnDescriptor) -> Result<ColumnKind, &'static str> {
    use ConvertedType as C;
    let converted = column.converted_type();
    let kind = match (column.logical_type_ref(), converted) {
        (Some(LogicalType::Integer(i)), _) if !i.is_signed => Some(ColumnKind::Unsigned),
        (Some(LogicalType::Decimal(d)), _) => Some(ColumnKind::Decimal(d.scale)),
        (Some(LogicalType::Float16), _) => Some(ColumnKind::Half),
        // Unknown is a column of nulls.
        (Some(LogicalType::Integer(_) | LogicalType::Unknown), _) => Some(ColumnKind::Plain),
        (None, C::UINT_8 | C::UINT_16 | C::UINT_32 | C::UINT_64) => Some(ColumnKind::Unsigned),
        (None, C::DECIMAL) => Some(ColumnKind::Decimal(column.type_scale())),
        (None, C::NONE | C::INT_8 | C::INT_16 | C::INT_32 | C::INT_64) => Some(ColumnKind::Plain),
        _ => None,
    };
    let holds = match (column.physical_type(), kind) {
        _ if column.max_rep_level() > 0 => "lists",
        (Type::BYTE_ARRAY, Some(ColumnKind::Decimal(_))) => return Ok(ColumnKind::Decimal(column.type_scale())),
        (Type::FIXED_LEN_BYTE_ARRAY, Some(k @ (ColumnKind::Decimal(_) | ColumnKind::Half))) => return Ok(k),
        (Type::BYTE_ARRAY, _) => return Ok(ColumnKind::Text),
        (Type::FIXED_LEN_BYTE_ARRAY, _) => "bytes",
        (Type::INT96, _) | (_, None) => "dates or times",
        (_, Some(kind)) => return Ok(kind),
    };
    Err(holds)
}

/// Gives the next `wanted` values of a column, NaN where one is missing.
fn numbers(
    reader: ColumnReader,
    kind: ColumnKind,
    most: i16,
    wanted: usize,
    mut give: impl FnMut(f64),
) -> Result<(), ParquetError> {
    let scale = if let ColumnKind::Decimal(scale) = kind { 10f64.powi(scale) } else { 1.0 };
    let unsigned = matches!(kind, ColumnKind::Unsigned);
    let wide = |bytes: &[u8]| match kind {
        ColumnKind::Half => Some(half::f16::from_le_bytes(bytes.try_into().ok()?).into()),
        _ => integer(bytes).map(|v| v as f64 / scale),
    };
    let give = |v: Option<f64>| give(v.unwrap_or(f64::NAN));
    match reader {
        ColumnReader::BoolColumnReader(r) => append(r, most, wanted, |&v| Some(f64::from(u8::from(v))), give),
        ColumnReader::Int32ColumnReader(r) if unsigned => append(r, most, wanted, |&v| Some((v as u32).into()), give),
        ColumnReader::Int32ColumnReader(r) => append(r, most, wanted, |&v| Some(f64::from(v) / scale), give),
        ColumnReader::Int64ColumnReader(r) if unsigned => append(r, most, wanted, |&v| Some(v as u64 as f64), give),
        ColumnReader::Int64ColumnReader(r) => append(r, most, wanted, |&v| Some(v as f64 / scale), give),
        ColumnReader::FloatColumnReader(r) => append(r, most, wanted, |&v| Some(v.into()), give),
        ColumnReader::DoubleColumnReader(r) => append(r, most, wanted, |&v| Some(v), give),
        ColumnReader::ByteArrayColumnReader(r) => append(r, most, wanted, |v| wide(v.data()), give),
        ColumnReader::FixedLenByteArrayColumnReader(r) => append(r, most, wanted, |v| wide(v.data()), give),
        ColumnReader::Int96ColumnReader(_) => Err(ParquetError::General("holds dates or times".into())),
    }
}

/// Gives what is read of the next `wanted` rows: a value where a row's definition level is `most`, none in other rows.
fn append<T: DataType, V>(
    mut reader: ColumnReaderImpl<T>,
    most: i16,
    wanted: usize,
    read: impl Fn(&T::T) -> Option<V>,
    mut give: impl FnMut(Option<V>),
) -> Result<(), ParquetError> {
    let general = |text: &str| ParquetError::General(text.into());
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    let mut done = 0;
    while done < wanted {
        levels.clear();
        values.clear();
        let (rows, ..) = reader.read_records(BATCH.min(wanted - done), Some(&mut levels), None, &mut values)?;
        if rows == 0 {
            return Err(general("there are fewer values than rows"));
        }
        let mut values = values.iter().map(|v| read(v).ok_or_else(|| general("a decimal has over 128 bits")));
        for row in 0..rows {
            let there = most == 0 || levels.get(row) == Some(&most);
            let missing = || Err(general("there are fewer values than rows"));
            give(if there { Some(values.next().unwrap_or_else(missing)?) } else { None });
        }
        done += rows;
    }
    Ok(())
}

/// Two's complement, the highest byte first, up to sixteen.
fn integer(bytes: &[u8]) -> Option<i128> {
    let sign = if bytes.first()? >> 7 == 1 { 0xff } else { 0 };
    let mut all = [sign; 16];
    all[16usize.checked_sub(bytes.len())?..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(all))
}
