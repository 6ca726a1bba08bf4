//! Tables from files, told apart by their content.
use super::table::{MAX_VALUES, Table};
use super::table_assemble::TableFile;
use super::table_roles::{ColumnRoles, LabelChoice};
use super::{table_csv, table_npz, table_parquet};
use crate::{Error, Result};
use std::path::Path;

/// Reads a table: `.npz` with `X` and perhaps `y`, `.npy` of shape (rows, columns), CSV, or Parquet.
///
/// `label` names the label column, or the `.npz`'s label array; without it, a column with a label's name is looked for. What
/// was taken for granted [`ColumnRoles::read`] tells.
/// # Errors
/// [`Error::Io`] when it cannot be read, [`Error::File`] when it is not an acceptable table.
pub fn read_table(path: &Path, label: Option<&str>) -> Result<Table> {
    Ok(ColumnRoles::labelled(label).read(path)?.table)
}

/// Decodes a table from a file's bytes, by its content; see [`read_table`].
/// # Errors
/// [`Error::File`].
pub fn decode_table(bytes: &[u8], source: &Path, label: Option<&str>) -> Result<Table> {
    Ok(ColumnRoles::labelled(label).decode(bytes, source)?.table)
}

impl ColumnRoles {
    /// With nothing said but the label's column, if that.
    fn labelled(label: Option<&str>) -> Self {
        let label = label.map_or(LabelChoice::Guess, |l| LabelChoice::Named(l.into()));
        ColumnRoles { label, ..ColumnRoles::default() }
    }

    /// Reads a table whose columns are these.
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::File`] when it is not an acceptable table.
    pub fn read(&self, path: &Path) -> Result<TableFile> {
        let meta = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
        if meta.is_dir() {
            return Err(Error::file(path, "is a folder, not a table"));
        }
        if meta.len() > MAX_VALUES * 16 {
            return Err(Error::file(path, format!("has {} bytes, more than any table that is accepted", meta.len())));
        }
        self.decode(&std::fs::read(path).map_err(|e| Error::io(path, e))?, path)
    }

    /// Decodes a table whose columns are these from a file's bytes, by its content.
    /// # Errors
    /// [`Error::File`].
    pub fn decode(&self, bytes: &[u8], source: &Path) -> Result<TableFile> {
        match bytes {
            [] => Err(Error::file(source, "the file is empty")),
            [b'P', b'K', ..] => table_npz::decode_npz(bytes, source, self),
            [0x93, b'N', b'U', b'M', ..] => table_npz::decode_npy_table(bytes, source, self),
            [b'P', b'A', b'R', b'1' | b'E', ..] => table_parquet::decode_parquet(bytes, source, self),
            _ => table_csv::decode_csv(bytes, source, self),
        }
    }
}
