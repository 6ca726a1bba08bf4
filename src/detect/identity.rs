//! What measurements of a model were made with: they hold for the same weights and settings alone.
use super::DetectorConfig;
use crate::{Error, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A file of a model folder, or of a single checkpoint's folder.
pub(super) fn beside(model: &Path, file: &str) -> PathBuf {
    let folder = if model.is_dir() { model } else { model.parent().unwrap_or(Path::new("")) };
    folder.join(file)
}

/// Settings that no score depends on.
pub(super) const NAMES: [&str; 3] = ["name", "threshold", "network"];

/// The detector's settings as JSON, without some.
/// # Errors
/// [`Error::Invalid`] for settings that are no JSON: infinite numbers.
pub(super) fn settings(config: &DetectorConfig, leave_out: &[&str]) -> Result<Value> {
    let all = serde_json::to_value(config).map_err(|e| Error::Invalid(e.to_string()))?;
    Ok(without(all, leave_out))
}

/// An object without some of its keys.
pub(super) fn without(mut settings: Value, leave_out: &[&str]) -> Value {
    if let Some(object) = settings.as_object_mut() {
        leave_out.iter().for_each(|key| drop(object.remove(*key)));
    }
    settings
}

/// What is another one now, of the weights' hash and the settings; nothing when all is as it was.
pub(super) fn difference(then: (&str, &Value), now: (&str, &Value)) -> Option<String> {
    if then.0 != now.0 {
        return Some("weights".to_owned());
    }
    let keys = now.1.as_object().into_iter().flat_map(|o| o.keys());
    keys.filter(|k| now.1[*k] != then.1[*k]).map(|k| format!("`{k}`")).reduce(|a, b| a + ", " + &b)
}
