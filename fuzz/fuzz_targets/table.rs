//! Whatever the bytes, the readers of tables (.npz, .npy, CSV and Parquet) give an error or a table.
#![no_main]
use libfuzzer_sys::fuzz_target;
use residua::data::decode_table;
use std::path::Path;

fuzz_target!(
    init: {
        // A panic of the Parquet reader is caught and made an error, so it may not end the run before it can be; any other
        // one still ends it.
        std::panic::set_hook(Box::new(|_| ()));
    },
    |bytes: &[u8]| {
        let _ = decode_table(bytes, Path::new("fuzz"), None);
    }
);
