//! What a run was made with, as a table.
use crate::detect::System;
use crate::report::histogram::common_threshold;
use crate::report::record::{Record, Results};
use crate::report::words::{escape, in_words, number};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;

/// More ways in which records differ are not told apart.
const KINDS: usize = 16;

/// What the records agree on, how they differ, and what the caller adds.
pub fn table(results: &Results, extra: &[(String, String)]) -> String {
    let records = &results.records;
    let kinds = kinds(records);
    let several = |value: &dyn Fn(&Record) -> String| {
        let all: BTreeSet<String> = kinds.iter().map(|r| value(r)).collect();
        match all.len() {
            0..=3 => all.into_iter().collect::<Vec<_>>().join(", "),
            KINDS => format!("{KINDS} or more different"),
            n => format!("{n} different"),
        }
    };
    let mut rows = vec![
        ("model".to_owned(), several(&|r| r.model.name.clone())),
        ("weights, SHA-256".to_owned(), several(&|r| r.model.sha256.chars().take(16).collect())),
        ("device".to_owned(), several(&|r| r.device.clone())),
        ("seed".to_owned(), several(&|r| r.seed.to_string())),
        ("threshold".to_owned(), common_threshold(records).map(number).unwrap_or_default()),
    ];
    let system = |r: &Record| System::in_use(r.parameters.get("system").cloned().unwrap_or_default());
    let parts: [&dyn Fn(&Record) -> Value; 2] = [&|r| Value::clone(&r.parameters), &system];
    for part in parts {
        let keys = records.first().map(part);
        for key in keys.iter().filter_map(Value::as_object).flat_map(|o| o.keys()).filter(|k| *k != "system") {
            rows.push((key.replace('_', " "), several(&|r| in_words(&part(r)[key]))));
        }
    }
    if !records.is_empty() {
        rows.push(("seconds in all".to_owned(), number(records.iter().map(|r| r.seconds).sum())));
    }
    rows.extend(extra.iter().cloned());
    let mut page = String::from("<table class=\"settings\">");
    for (name, value) in rows.iter().filter(|row| !row.1.is_empty()) {
        let _ = write!(page, r#"<tr><th scope="row">{}</th><td>{}</td></tr>"#, escape(name), escape(value));
    }
    page + "</table>"
}

/// One record for each way in which they differ, so that a table of ten thousand looks at a few.
fn kinds(records: &[Record]) -> Vec<&Record> {
    let of = |r: &Record| (r.seed, r.device.clone(), r.model.clone());
    let mut kinds: Vec<&Record> = Vec::new();
    for r in records {
        if kinds.len() < KINDS && !kinds.iter().any(|k| k.parameters == r.parameters && of(k) == of(r)) {
            kinds.push(r);
        }
    }
    kinds
}
