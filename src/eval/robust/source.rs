//! What a report was made from.
use crate::data::utc_now;
use serde::Serialize;
use serde_json::Value;

/// The model, the images and the settings behind a report.
#[derive(Clone, Debug, Serialize)]
pub struct Source {
    /// Residua's version.
    pub version: String,
    /// When, RFC 3339 in UTC.
    pub created: String,
    /// The dataset, or the images and folders.
    pub inputs: Vec<String>,
    /// How they were understood, in a sentence.
    pub taken_for: String,
    /// Model, device, seed and the detector's settings.
    pub source: Value,
    /// Whether the work was ended early, so that images are missing.
    pub interrupted: bool,
}

impl Source {
    /// Of this version, now, the work being done.
    pub fn new(inputs: Vec<String>, taken_for: String, source: Value) -> Self {
        let (version, created) = (env!("CARGO_PKG_VERSION").into(), utc_now());
        Source { version, created, inputs, taken_for, source, interrupted: false }
    }
    /// As rows of a table, with further ones.
    pub(super) fn rows(&self, more: &Value) -> Vec<(String, String)> {
        let fields = |value: &Value| -> Vec<(String, String)> {
            let all = value.as_object().into_iter().flatten();
            all.map(|(name, value)| (name.replace('_', " "), crate::report::in_words(value))).collect()
        };
        let first = [("inputs".to_owned(), self.inputs.join(", ")), ("taken for".to_owned(), self.taken_for.clone())];
        first.into_iter().chain(fields(more)).chain(fields(&self.source)).filter(|row| !row.1.is_empty()).collect()
    }
}
