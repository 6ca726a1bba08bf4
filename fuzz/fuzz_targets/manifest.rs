//! A list of images: whatever the bytes, an error or a dataset, whose files are those of this crate. The first byte
//! chooses the split.
#![no_main]
use libfuzzer_sys::fuzz_target;
use residua::eval::{Dataset, Selection};
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, text)) = bytes.split_first() else { return };
    let split = match choice % 3 {
        0 => None,
        1 => Some("test".to_owned()),
        _ => Some("train".to_owned()),
    };
    let selection = Selection { split, ..Selection::default() };
    // Beside it lie Cargo.toml and Cargo.lock, which a list may name.
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("list.csv");
    if let Ok(dataset) = Dataset::parse_manifest(text, &list, &selection) {
        assert!(!dataset.samples.is_empty() && !dataset.taken_for().is_empty());
    }
});
