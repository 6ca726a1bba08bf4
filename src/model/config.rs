//! `config.json` beside a checkpoint, and what a user says over it.
use super::quoted::unquoted;
use super::{Checkpoint, WeightCopy, about};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    fmt::Debug,
    path::{Path, PathBuf},
};

/// How the rows of a fused qkv matrix are ordered, which the weights do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttentionOrder {
    /// Head after head, each with its q, k and v (guided-diffusion's `QKVAttentionLegacy`).
    Legacy,
    /// The q of all heads, then the k, then the v (`QKVAttention`).
    New,
}

impl Overrides {
    /// Whether nothing is overridden.
    pub fn is_empty(&self) -> bool {
        *self == Overrides::default()
    }
}

impl std::str::FromStr for AttentionOrder {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "legacy" => Ok(AttentionOrder::Legacy),
            "new" => Ok(AttentionOrder::New),
            _ => Err(Error::Invalid(format!("attention order `{text}`: it is `legacy` or `new`"))),
        }
    }
}

/// UnetSettings from `detector.json` or from flags; each goes before what `config.json` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Overrides {
    /// Which copy of the weights is read, of a file with two (`--weights`); the averaged one where nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<WeightCopy>,
    /// Attention heads, the same number at every width (`--heads`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heads: Option<usize>,
    /// Channels of one head; the number of heads follows from the width (`--head-channels`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_channels: Option<usize>,
    /// Order of fused qkv rows (`--attention-order`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_order: Option<AttentionOrder>,
    /// Groups of every GroupNorm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<usize>,
    /// Epsilon of every GroupNorm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub norm_eps: Option<f32>,
    /// Time embedding [cos, sin] instead of [sin, cos]; diffusers layout only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flip_sin_to_cos: Option<bool>,
    /// Subtracted from half the width in the time embedding's exponent; diffusers layout only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freq_shift: Option<f32>,
    /// 0: stride-2 convolutions pad right and bottom only; 1: all sides; diffusers layout only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downsample_padding: Option<usize>,
}

/// A `config.json`; where there is none, what the checkpoint says about itself, or nothing. Unknown keys are no fault, wrong types
/// are.
#[derive(Clone, Debug, Default)]
pub struct Config {
    path: PathBuf,
    map: Option<Map<String, Value>>,
    origin: Origin,
}

/// Whose word a config is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Origin {
    /// Nobody's: there is none.
    #[default]
    Nothing,
    /// The checkpoint's own.
    Checkpoint,
    /// The checkpoint's own, written down by `residua convert`.
    Converted,
    /// A file's, of the program that wrote the weights.
    File,
}

/// The key that tells a converted checkpoint's config from others.
pub(crate) const CONVERTED: &str = "_converted_from";
/// Where it keeps all that the checkpoint says about itself.
pub(crate) const ABOUT: &str = "hyper_parameters";

impl Config {
    /// Reads the `config.json` in the checkpoint's folder, if there is one.
    /// # Errors
    /// When it cannot be read or is no JSON object.
    pub fn beside(checkpoint: &Path) -> Result<Self> {
        Self::at(checkpoint.with_file_name("config.json"))
    }
    /// Reads this file, if it is there.
    pub(super) fn at(path: PathBuf) -> Result<Self> {
        match std::fs::read(&path) {
            Ok(text) => Self::parse(path, &text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::nothing(path)),
            Err(e) => Err(Error::io(path, e)),
        }
    }
    /// What a file says that is not there.
    pub(super) fn nothing(path: impl Into<PathBuf>) -> Self {
        Config { path: path.into(), ..Config::default() }
    }
    /// The `config.json` beside a checkpoint; where there is none, the hyper-parameters that the checkpoint itself holds.
    /// # Errors
    /// As [`Config::beside`].
    pub fn of(checkpoint: &Checkpoint) -> Result<Self> {
        let path = checkpoint.path().with_file_name("config.json");
        let beside = match checkpoint.config_json()? {
            Some(text) => Self::parse(path, text)?,
            None => Config { path, ..Config::default() },
        };
        if beside.origin != Origin::Nothing || checkpoint.about().is_empty() {
            return Ok(beside);
        }
        let mut own = about::settings(checkpoint.about());
        own.insert(ABOUT.to_owned(), Value::Object(checkpoint.about().clone()));
        Ok(Config { path: checkpoint.path().to_owned(), map: Some(own), origin: Origin::Checkpoint })
    }
    /// The settings, for a file that says the same.
    #[cfg(feature = "cli")]
    pub(crate) fn settings(&self) -> Map<String, Value> {
        self.map.clone().unwrap_or_default()
    }
    /// One of the groups in which the checkpoint says something about itself: `args`, `hyper_parameters`, ...
    pub fn about(&self, group: &str) -> Option<&Value> {
        self.get(ABOUT)?.get(group)
    }
    /// What a checkpoint says about itself, where that is read: for a message.
    pub(super) fn own(&self) -> Option<String> {
        let own = self.map.as_ref().filter(|_| self.origin == Origin::Checkpoint)?;
        let said = own.iter().filter(|(k, _)| *k != ABOUT).map(|(k, v)| format!("{k} {v}"));
        said.reduce(|a, b| a + ", " + &b)
    }
    /// Parses JSON text; `path` is the name that errors give it.
    /// # Errors
    /// When it is no JSON object.
    pub fn parse(path: impl Into<PathBuf>, text: &[u8]) -> Result<Self> {
        let path = path.into();
        let map: Map<String, Value> =
            serde_json::from_slice(text).map_err(|e| Error::file(&path, format!("this is not a JSON object: {e}")))?;
        let origin = if map.contains_key(CONVERTED) { Origin::Converted } else { Origin::File };
        Ok(Config { path, map: Some(unquoted(map)), origin })
    }
    /// An object inside this one, as settings of the same file.
    /// # Errors
    /// When the value is no object.
    pub fn group(&self, key: &str) -> Result<Option<Self>> {
        let map = self.typed(key, "an object", |v| v.as_object().cloned())?;
        Ok(map.map(|map| Config { path: self.path.clone(), map: Some(map), origin: self.origin }))
    }
    /// Whether there is such a file, whose defaults are then those of the class that wrote it.
    pub fn exists(&self) -> bool {
        self.origin == Origin::File
    }
    /// The file, or the checkpoint that says the same.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// Whether the key is written, be it as null.
    pub fn has(&self, key: &str) -> bool {
        self.map.as_ref().is_some_and(|m| m.contains_key(key))
    }
    /// A value that is there and not null.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.map.as_ref()?.get(key).filter(|v| !v.is_null())
    }
    fn typed<T>(&self, key: &str, kind: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let fault = || Error::file(&self.path, format!("`{key}` is {value}, not {kind}"));
        read(value).map(Some).ok_or_else(fault)
    }
    /// Text.
    /// # Errors
    /// When the value has another type; so for all readers below.
    pub fn text(&self, key: &str) -> Result<Option<&str>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(s)) => Ok(Some(s)),
            Some(value) => Err(Error::file(&self.path, format!("`{key}` is {value}, not text"))),
        }
    }
    /// A count.
    /// # Errors
    /// As [`Config::text`].
    pub fn count(&self, key: &str) -> Result<Option<usize>> {
        self.typed(key, "a count", count)
    }
    /// A number.
    /// # Errors
    /// As [`Config::text`].
    pub fn number(&self, key: &str) -> Result<Option<f64>> {
        self.typed(key, "a number", Value::as_f64)
    }
    /// A truth value.
    /// # Errors
    /// As [`Config::text`].
    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "true or false", Value::as_bool)
    }
    /// A list of numbers; "1,2,4" counts as one, and a number alone as a list of one. Empty text is absence.
    /// # Errors
    /// As [`Config::text`].
    pub fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>> {
        if self.get(key).is_some_and(|v| v.as_str() == Some("")) {
            return Ok(None);
        }
        self.typed(key, "a list of numbers", |v| match v {
            Value::Array(list) => list.iter().map(Value::as_f64).collect(),
            Value::String(text) => text.split(',').map(|t| t.trim().parse().ok()).collect(),
            other => other.as_f64().map(|n| vec![n]),
        })
    }
    /// A count for each level: a list, or one count for all of `levels`.
    /// # Errors
    /// As [`Config::text`].
    pub fn counts(&self, key: &str, levels: usize) -> Result<Option<Vec<usize>>> {
        self.typed(key, "a count or a list of counts", |v| match v {
            Value::Array(list) => list.iter().map(count).collect(),
            other => count(other).map(|n| vec![n; levels]),
        })
    }
    /// (height, width) from a count or a pair.
    /// # Errors
    /// As [`Config::text`].
    pub fn size(&self, key: &str) -> Result<Option<(usize, usize)>> {
        self.typed(key, "a size or two", |v| match v {
            Value::Array(list) => match list.as_slice() {
                [h, w] => Some((count(h)?, count(w)?)),
                [s] => Some((count(s)?, count(s)?)),
                _ => None,
            },
            other => count(other).map(|s| (s, s)),
        })
    }
    /// The first of several names for one setting that is there.
    pub fn alias<'a>(&self, keys: &[&'a str]) -> &'a str {
        keys.iter().copied().find(|k| self.get(k).is_some()).or(keys.first().copied()).unwrap_or_default()
    }
    /// Refuses a setting that contradicts the weights.
    /// # Errors
    /// [`Error::File`] with both files and both values.
    pub fn agree<T: PartialEq + Debug>(&self, ck: &Checkpoint, key: &str, says: Option<T>, weights: T) -> Result<()> {
        match says {
            Some(says) if says != weights => Err(Error::file(
                &self.path,
                format!("`{key}` is {says:?}, but the weights in {} say {weights:?}", ck.path().display()),
            )),
            _ => Ok(()),
        }
    }
}

/// A count: a whole number, also one written as 4.0.
fn count(value: &Value) -> Option<usize> {
    let whole = |f: f64| (f.fract() == 0.0 && (0.0..1e9).contains(&f)).then_some(f as usize);
    value.as_u64().and_then(|n| usize::try_from(n).ok()).or_else(|| value.as_f64().and_then(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_wrong_types_named() {
        let text = br#"{"a":3,"b":null,"c":[1,2],"d":"1, 2,4","e":true,"f":1e-6,"g":[64,32],"h":"","i":-1}"#;
        let c = Config::parse("config.json", text).unwrap();
        assert_eq!(c.count("a").unwrap(), Some(3));
        assert!(c.has("b") && c.count("b").unwrap().is_none() && !c.has("z"));
        assert_eq!(c.counts("c", 5).unwrap(), Some(vec![1, 2]));
        assert_eq!(c.counts("a", 2).unwrap(), Some(vec![3, 3]));
        assert_eq!(c.numbers("d").unwrap(), Some(vec![1.0, 2.0, 4.0]));
        assert_eq!(c.numbers("h").unwrap(), None);
        assert_eq!(c.size("g").unwrap(), Some((64, 32)));
        assert_eq!(c.number("f").unwrap(), Some(1e-6));
        assert_eq!(c.alias(&["z", "a"]), "a");
        let wrong = c.count("e").unwrap_err().to_string();
        assert_eq!(wrong, "config.json: `e` is true, not a count");
        assert!(c.count("i").is_err() && c.flag("a").is_err() && c.text("a").is_err());
        assert!(Config::parse("x", b"[1]").is_err());
    }
}
