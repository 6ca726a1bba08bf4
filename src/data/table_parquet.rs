//! Tables from Parquet files, as pandas, Polars, DuckDB and Spark write them.
use super::parquet_footer::check_flat;
use super::table::{MAX_VALUES, Table};
use super::table_label::{flag, label_column};
use crate::{Error, Result};
use bytes::Bytes;
use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Rows that are decoded at once.
const BATCH: usize = 1 << 13;

/// Every column but the label's is a feature and must hold numbers or booleans; null is a missing value. `label` names
/// the label column; without it, `y` and `label` are tried. The index that pandas writes is left out.
pub(super) fn decode_parquet(bytes: &[u8], source: &Path, label: Option<&str>) -> Result<Table> {
    check_flat(bytes).map_err(|fault| Error::file(source, fault))?;
    // The reader behind it is known to panic on some damaged files.
    catch_unwind(AssertUnwindSafe(|| decode(bytes, source, label)))
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
}

fn decode(bytes: &[u8], source: &Path, label: Option<&str>) -> Result<Table> {
    let fault = |text: String| Error::file(source, text);
    let damaged = |e: ParquetError| Error::file(source, format!("is not a readable Parquet file: {e}"));
    let file = SerializedFileReader::new(Bytes::copy_from_slice(bytes)).map_err(damaged)?;
    let schema = file.metadata().file_metadata().schema_descr();
    let index = |name: &str| name.starts_with("__index_level_") && name.ends_with("__");
    let columns: Vec<usize> = (0..schema.num_columns()).filter(|&c| !index(schema.column(c).name())).collect();
    let mut names: Vec<String> = columns.iter().map(|&c| schema.column(c).name().to_owned()).collect();
    let label = label_column(&names, label, source)?;
    let kinds = columns.iter().map(|&c| kind(&schema.column(c)).map_err(fault)).collect::<Result<Vec<ColumnKind>>>()?;
    let groups = file.metadata().row_groups();
    let total = groups.iter().try_fold(0u64, |n, g| n.checked_add(u64::try_from(g.num_rows()).ok()?));
    let rows = total.filter(|r| r.checked_mul(columns.len() as u64).is_some_and(|n| n <= MAX_VALUES));
    let rows = rows.ok_or_else(|| fault(format!("has more than the {MAX_VALUES} values that are accepted")))? as usize;

    let mut found: Vec<Vec<f64>> = vec![Vec::new(); columns.len()];
    let mut until = 0;
    for (g, meta) in groups.iter().enumerate() {
        if meta.num_columns() != schema.num_columns() {
            return Err(fault(format!("row group {g} has {} columns", meta.num_columns())));
        }
        until += meta.num_rows() as usize;
        let group = file.get_row_group(g).map_err(damaged)?;
        for (i, &c) in columns.iter().enumerate() {
            let name = &names[i];
            let bad = |e: ParquetError| fault(format!("column `{name}`, row group {g}: {e}"));
            let reader = group.get_column_reader(c).map_err(bad)?;
            let most = schema.column(c).max_def_level();
            numbers(reader, kinds[i], most, until, &mut found[i]).map_err(bad)?;
        }
    }
    let labels = label.map(|l| {
        names.remove(l);
        found.remove(l).into_iter().map(|v| flag(v, source)).collect::<Result<Vec<bool>>>()
    });
    let values = (0..rows).flat_map(|row| found.iter().map(move |column| column[row])).collect();
    Table::new(source, names.len(), values, labels.transpose()?, Some(names))
}

/// How a column is to be read, or why it cannot be.
fn kind(column: &ColumnDescriptor) -> Result<ColumnKind, String> {
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
        (Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY, _) => "text or bytes",
        (Type::INT96, _) | (_, None) => "dates or times",
        (_, Some(kind)) => return Ok(kind),
    };
    Err(format!("column `{}` holds {holds}, not numbers", column.name()))
}

/// Appends a column's values of one row group until there are `until`.
fn numbers(
    reader: ColumnReader,
    kind: ColumnKind,
    most: i16,
    until: usize,
    out: &mut Vec<f64>,
) -> Result<(), ParquetError> {
    let scale = if let ColumnKind::Decimal(scale) = kind { 10f64.powi(scale) } else { 1.0 };
    let unsigned = matches!(kind, ColumnKind::Unsigned);
    let wide = |bytes: &[u8]| match kind {
        ColumnKind::Half => Some(half::f16::from_le_bytes(bytes.try_into().ok()?).into()),
        _ => integer(bytes).map(|v| v as f64 / scale),
    };
    match reader {
        ColumnReader::BoolColumnReader(r) => append(r, most, until, out, |&v| Some(f64::from(u8::from(v)))),
        ColumnReader::Int32ColumnReader(r) if unsigned => append(r, most, until, out, |&v| Some((v as u32).into())),
        ColumnReader::Int32ColumnReader(r) => append(r, most, until, out, |&v| Some(f64::from(v) / scale)),
        ColumnReader::Int64ColumnReader(r) if unsigned => append(r, most, until, out, |&v| Some(v as u64 as f64)),
        ColumnReader::Int64ColumnReader(r) => append(r, most, until, out, |&v| Some(v as f64 / scale)),
        ColumnReader::FloatColumnReader(r) => append(r, most, until, out, |&v| Some(v.into())),
        ColumnReader::DoubleColumnReader(r) => append(r, most, until, out, |&v| Some(v)),
        ColumnReader::ByteArrayColumnReader(r) => append(r, most, until, out, |v| wide(v.data())),
        ColumnReader::FixedLenByteArrayColumnReader(r) => append(r, most, until, out, |v| wide(v.data())),
        ColumnReader::Int96ColumnReader(_) => Err(ParquetError::General("holds dates or times".into())),
    }
}

/// A value where a row's definition level is `most`, NaN for other rows.
fn append<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    most: i16,
    until: usize,
    out: &mut Vec<f64>,
    number: impl Fn(&T::T) -> Option<f64>,
) -> Result<(), ParquetError> {
    let general = |text: &str| ParquetError::General(text.into());
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    while out.len() < until {
        levels.clear();
        values.clear();
        let wanted = BATCH.min(until - out.len());
        let (rows, ..) = reader.read_records(wanted, Some(&mut levels), None, &mut values)?;
        if rows == 0 {
            return Err(general("there are fewer values than rows"));
        }
        let mut values = values.iter().map(|v| number(v).ok_or_else(|| general("a decimal has over 128 bits")));
        for row in 0..rows {
            let there = most == 0 || levels.get(row) == Some(&most);
            let missing = || Err(general("there are fewer values than rows"));
            out.push(if there { values.next().unwrap_or_else(missing)? } else { f64::NAN });
        }
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
