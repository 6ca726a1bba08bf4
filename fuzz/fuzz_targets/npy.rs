//! Whatever the bytes, the readers of NumPy's arrays give an error, a picture or a table.
#![no_main]
use libfuzzer_sys::fuzz_target;
use residua::data::{ValueRange, decode_npy, decode_table};
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    // Half of the inputs would not get past the magic number.
    let whole = [b"\x93NUMPY".as_slice(), bytes].concat();
    for range in [ValueRange::UNIT, ValueRange::SIGNED] {
        let _ = decode_npy(&whole, Path::new("fuzz.npy"), range);
    }
    if let Ok(table) = decode_table(&whole, Path::new("fuzz.npy"), None) {
        assert!(table.rows() * table.columns == table.values.len() && table.values.iter().all(|v| !v.is_infinite()));
    }
});
