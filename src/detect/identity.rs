//! What measurements of a model were made with: they hold for the same weights and settings alone.
//!
//! Settings are identified by a fingerprint of those that differ from the system as published, so that a field that a later
//! version adds changes nothing as long as it has its default value.
use super::DetectorConfig;
use crate::Result;
use crate::hex::hex;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file of a model folder, or of a single checkpoint's folder.
pub(super) fn beside(model: &Path, file: &str) -> PathBuf {
    let folder = if model.is_dir() { model } else { model.parent().unwrap_or(Path::new("")) };
    folder.join(file)
}

/// Settings that scores depend on, those left out that are as published, as a flat object: `{"lambda": 200, "input": {…}}`. Without
/// the names in `leave_out`.
pub(super) fn chosen(config: &DetectorConfig, leave_out: &[&str]) -> Value {
    let mut all = Map::new();
    let mut put = |key: &str, value: Value| drop(all.insert(key.to_owned(), value));
    put("input", json!(config.input));
    let unet: Map<String, Value> = config
        .networks
        .iter()
        .filter(|(_, n)| !n.unet.is_empty())
        .map(|(role, n)| (role.to_string(), json!(n.unet)))
        .collect();
    if !unet.is_empty() {
        put("unet", Value::Object(unet));
    }
    if config.score != Default::default() {
        put("score", json!(config.score));
    }
    let system = config.system.chosen();
    system.as_object().into_iter().flatten().for_each(|(key, value)| put(key, value.clone()));
    leave_out.iter().for_each(|key| drop(all.remove(*key)));
    plain(Value::Object(all))
}

/// Sorted keys, whole numbers as such, and nothing that is null: what files of different hands write for the same settings.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(o) => {
            let sorted: BTreeMap<String, Value> = o.into_iter().filter(|(_, v)| !v.is_null()).collect();
            sorted.into_iter().map(|(k, v)| (k, plain(v))).collect()
        }
        Value::Array(a) => a.into_iter().map(plain).collect(),
        Value::Number(n) => match n.as_f64() {
            Some(v) if v.fract() == 0.0 && v.abs() < 1e15 => json!(v as i64),
            _ => Value::Number(n),
        },
        other => other,
    }
}

/// A fingerprint of chosen settings: the first 16 hexadecimal digits of their SHA-256.
pub(super) fn fingerprint(chosen: &Value) -> String {
    hex(&Sha256::digest(chosen.to_string().as_bytes())[..8])
}

/// What the settings that a file holds, of either format, come down to. Settings of format 1 may lack some fields.
/// # Errors
/// [`Error::Invalid`] when they are no settings.
pub(super) fn of_recorded(settings: &Value, leave_out: &[&str]) -> Result<Value> {
    Ok(chosen(&DetectorConfig::recorded(settings)?, leave_out))
}

/// What is another one now, of the weights' hash and the chosen settings; nothing when all is as it was.
pub(super) fn difference(then: (&str, &Value), now: (&str, &Value)) -> Option<String> {
    if then.0 != now.0 {
        return Some("weights".to_owned());
    }
    let keys = |v: &Value| v.as_object().into_iter().flat_map(|o| o.keys().cloned()).collect::<Vec<_>>();
    let mut all = [keys(now.1), keys(then.1)].concat();
    all.sort();
    all.dedup();
    let other = all.iter().filter(|k| now.1.get(k.as_str()) != then.1.get(k.as_str()));
    other.map(|k| format!("`{k}`")).reduce(|a, b| a + ", " + &b)
}

impl DetectorConfig {
    /// The settings that scores depend on and that are others here than in `other`, by name; none where all are the same.
    pub fn changed(&self, other: &DetectorConfig) -> Option<String> {
        difference(("", &chosen(other, &[])), ("", &chosen(self, &[])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::System;
    use crate::detect::config::{InputConfig, ScoreConfig};

    fn config() -> DetectorConfig {
        DetectorConfig::as_published(InputConfig::square(64, 1))
    }

    #[test]
    fn defaults_change_nothing_and_everything_else_does() {
        let first = fingerprint(&chosen(&config(), &[]));
        // Written down so that a change of the rules is noticed: older files would no longer be known.
        assert_eq!(
            chosen(&config(), &[]).to_string(),
            r#"{"input":{"channels":1,"height":64,"range":[-1,1],"width":64},"method":"anoddpm"}"#
        );
        let changed = |change: &dyn Fn(&mut DetectorConfig)| {
            let mut other = config();
            change(&mut other);
            fingerprint(&chosen(&other, &[]))
        };
        assert_eq!(changed(&|c| c.name = "other".into()), first);
        assert_eq!(changed(&|c| c.threshold.image = Some(1.0)), first);
        assert_eq!(changed(&|c| c.system.set("lambda", "250").unwrap()), first);
        assert_ne!(changed(&|c| c.system.set("lambda", "251").unwrap()), first);
        assert_ne!(changed(&|c| c.score = ScoreConfig::Max), first);
        assert_ne!(changed(&|c| c.system = System::named("pddpm").unwrap()), first);
        assert_ne!(changed(&|c| c.input = Some(InputConfig::square(64, 3))), first);
    }

    #[test]
    fn settings_of_format_one_are_the_same_settings() {
        let one = json!({
            "format": 1, "method": "anoddpm", "input": {"width": 64, "height": 64, "channels": 1, "range": [-1.0, 1.0]},
            "lambda": 250, "clip": true, "unet": {"heads": null}, "score": {"kind": "mean"}, "sampler": {"kind": "ddpm"},
        });
        let now = chosen(&config(), &[]);
        assert_eq!(of_recorded(&one, &[]).unwrap(), now);
        let mut other = config();
        other.system.set("runs", "3").unwrap();
        let found = difference(("a", &now), ("a", &chosen(&other, &[])));
        assert_eq!(found.as_deref(), Some("`runs`"));
        assert_eq!(difference(("a", &now), ("b", &now)).as_deref(), Some("weights"));
        assert!(of_recorded(&json!({"format": 3}), &[]).is_err());
    }
}
