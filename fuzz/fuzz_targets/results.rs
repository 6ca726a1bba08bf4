//! Whatever the bytes, the readers of `results.json` and of the journal of a run that was cut off give an error or results,
//! which they read again as the same.
#![no_main]
use libfuzzer_sys::fuzz_target;
use residua::report::{JournalEntries, Results};
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let entries = JournalEntries::parse(bytes);
    assert!(entries.whole as usize <= bytes.len());
    let mut results = Results::parse(bytes, Path::new("fuzz")).unwrap_or_else(|_| Results::begin());
    results.take(entries);
    let text = serde_json::to_vec(&results).expect("results are always text");
    // Settings nested deeper than can be read again in a list of records.
    let Ok(again) = Results::parse(&text, Path::new("fuzz")) else { return };
    assert_eq!(again.records.len(), results.records.len());
    assert!(again.records.iter().zip(&results.records).all(|(a, b)| (&a.path, &a.folder) == (&b.path, &b.folder)));
});
