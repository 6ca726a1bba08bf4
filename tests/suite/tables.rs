//! Parquet files that pyarrow, Polars, pandas and DuckDB wrote, against the formulas that they were written from.
use residua::data::{Table, decode_table, read_table};
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tables").join(name)
}

/// As `make.py` has it.
fn truth() -> Table {
    let mut values = Vec::new();
    for i in 0..40u32 {
        let k = f64::from(i);
        let a = if i % 7 == 0 { f64::NAN } else { k / 4.0 };
        let c = f64::from(u32::MAX - i);
        values.extend([a, f64::from(i % 3), c, f64::from(i % 2), (k - 20.0) / 100.0, k / 8.0]);
    }
    let labels = (0..40).map(|i| i % 5 == 0).collect();
    let names = ["a", "b", "c", "d", "e", "f"].map(String::from).to_vec();
    Table::new(Path::new("truth"), 6, values, Some(labels), Some(names)).unwrap()
}

/// With missing values equal.
fn plain(mut table: Table) -> Table {
    table.values.iter_mut().filter(|v| v.is_nan()).for_each(|v| *v = f64::MAX);
    table
}

const WHOLE: [&str; 10] = [
    "pyarrow_snappy_v1",
    "pyarrow_zstd_v2",
    "pyarrow_gzip_v1",
    "pyarrow_lz4_v2",
    "pyarrow_brotli_v1",
    "pyarrow_none_v2",
    "pyarrow_byte_stream_split",
    "polars_zstd",
    "pandas_index",
    "duckdb_snappy",
];

#[test]
fn every_writer_codec_and_encoding_gives_the_same_table() {
    for name in WHOLE {
        let table = read_table(&path(&format!("{name}.parquet")), None).unwrap();
        assert_eq!(plain(table), plain(truth()), "{name}");
    }
    let table = read_table(&path("polars_zstd.parquet"), Some("d")).unwrap();
    assert_eq!(table.labels, Some((0..40).map(|i| i % 2 == 1).collect()));
    assert_eq!(table.names.unwrap().join(""), "abcefy");
    let half = read_table(&path("half.parquet"), None).unwrap();
    assert_eq!(plain(half).values, [1.0, 1.8446744073709552e19, f64::MAX, 2.5, 5.0, f64::MAX]);
}

#[test]
fn columns_that_are_no_numbers_are_named() {
    let fault = |name: &str, label| read_table(&path(name), label).unwrap_err().to_string();
    let text = fault("text.parquet", None);
    assert!(text.contains("text.parquet: column `city` holds text"), "{text}");
    let text = fault("nested.parquet", None);
    assert!(text.contains("column `pair` is nested"), "{text}");
    let text = fault("time.parquet", None);
    assert!(text.contains("column `when` holds dates"), "{text}");
    let text = fault("duckdb_snappy.parquet", Some("z"));
    assert!(text.contains("no column `z`"), "{text}");
    let text = fault("duckdb_snappy.parquet", Some("a"));
    assert!(text.contains("a label is NaN"), "{text}");
}

#[test]
fn cut_and_altered_files_give_an_error_or_a_table() {
    for name in WHOLE {
        let whole = std::fs::read(path(&format!("{name}.parquet"))).unwrap();
        for keep in (0..whole.len()).step_by(61) {
            assert!(decode_table(&whole[..keep], Path::new("cut"), None).is_err(), "{name} {keep}");
        }
        for at in (4..whole.len()).step_by(7) {
            let mut altered = whole.clone();
            altered[at] ^= 1 << (at % 8);
            if let Err(e) = decode_table(&altered, Path::new("altered"), None) {
                assert!(e.to_string().starts_with("altered: "), "{e}");
            }
        }
    }
}
