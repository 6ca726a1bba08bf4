//! Published numbers from a table, to stand beside one's own.
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::Path;

/// A column of a CSV table of published numbers, by data set: its first column has the names, values are `12.3` or
/// `12.3(0.4)`, a mean with its deviation.
/// # Errors
/// [`Error::File`] when it has no such column or holds something else.
pub fn read_published(path: &Path, column: &str) -> Result<HashMap<String, f64>> {
    let bad = |e: csv::Error| Error::file(path, format!("is not a CSV table: {e}"));
    let mut reader = csv::Reader::from_path(path).map_err(bad)?;
    let at = reader.headers().map_err(bad)?.iter().position(|h| h == column);
    let at = at.ok_or_else(|| Error::file(path, format!("has no column `{column}`")))?;
    let mut out = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(bad)?;
        let (name, value) = (record.get(0).unwrap_or(""), record.get(at).unwrap_or(""));
        let number = value.split('(').next().and_then(|v| v.trim().parse().ok());
        let fault = || Error::file(path, format!("`{name}`: `{value}` is not a number"));
        out.insert(name.to_lowercase(), number.ok_or_else(fault)?);
    }
    if !out.is_empty() && out.values().all(|v: &f64| *v <= 1.0) {
        return Err(Error::file(path, format!("`{column}`: no value is above 1; percent are needed")));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_read_by_the_names_of_the_data_sets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.csv");
        std::fs::write(&path, "Dataset,A,B\nWine,1,99.5(0.2)\nyeast,2,44\n").unwrap();
        let found = read_published(&path, "B").unwrap();
        assert_eq!((found["wine"], found["yeast"]), (99.5, 44.0));
        assert!(read_published(&path, "C").unwrap_err().to_string().contains("`C`"));
        std::fs::write(&path, "Dataset,A\nWine,0.99\n").unwrap();
        assert!(read_published(&path, "A").unwrap_err().to_string().contains("percent"));
        std::fs::write(&path, "Dataset,A\nWine,x\n").unwrap();
        assert!(read_published(&path, "A").unwrap_err().to_string().contains("`x`"));
    }
}
