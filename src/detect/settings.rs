//! Settings by name: what `--set NAME=VALUE`, `residua dial` and `residua inspect` read and write.
use serde_json::{Value, json};

/// One setting of a system.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name, which is also where it lies in `detector.json`: `sampler.steps`.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// What it may be.
    pub range: Range,
}

/// What a setting may be.
#[derive(Clone, Copy, Debug)]
pub enum Range {
    /// A whole number.
    Count(usize, usize),
    /// A number.
    Number(f64, f64),
    /// True or false.
    Flag,
    /// One of some words.
    Words(&'static [&'static str]),
    /// `ddpm`, `ddim:STEPS` or `ddim:STEPS:ETA`.
    Sampler,
    /// `ddim:STEPS` or `ddim:STEPS:ETA`.
    Ddim,
    /// Of DDIM, which it chooses.
    DdimSteps(usize, usize),
    /// `gaussian`, or `simplex:OCTAVES:PERSISTENCE:FREQUENCY`.
    Noise,
    /// `none`, `gaussian:SIGMA` or `box:SIZE`.
    Blur,
    /// A name.
    Name,
    /// Names, by commas.
    Names,
    /// `none`, `ddimN`, or counts by commas.
    Respacing,
    /// `none`, or numbers of layers from 1 to 4 by commas.
    Layers,
    /// `none`, or a whole number.
    OrNone(usize, usize),
}

impl Range {
    /// Whether a text is a name: of letters, digits, `_`, `-` and `.`, and up to 100 of them.
    pub fn is_name(text: &str) -> bool {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        (1..=100).contains(&text.len()) && text.chars().all(fits)
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Range::Count(low, high) => write!(f, "{low} to {high}"),
            Range::Number(low, high) => write!(f, "{low} to {high}"),
            Range::Flag => f.write_str("true or false"),
            Range::Words(words) => f.write_str(&words.join(", ")),
            Range::Sampler => f.write_str("ddpm, ddim:STEPS or ddim:STEPS:ETA"),
            Range::Ddim => f.write_str("ddim:STEPS or ddim:STEPS:ETA"),
            Range::DdimSteps(low, high) => write!(f, "{low} to {high}; chooses ddim"),
            Range::Noise => f.write_str("gaussian, or simplex:OCTAVES:PERSISTENCE:FREQUENCY"),
            Range::Blur => f.write_str("none, gaussian:SIGMA or box:SIZE"),
            Range::Name => f.write_str("a name of letters, digits, _, - and ."),
            Range::Names => f.write_str("names by commas, of letters, digits, _, - and ."),
            Range::Respacing => f.write_str("none, ddimN, or counts by commas"),
            Range::Layers => f.write_str("none, or rising numbers from 1 to 4 by commas"),
            Range::OrNone(low, high) => write!(f, "none, or {low} to {high}"),
        }
    }
}

impl Setting {
    /// A setting that is shown in one list with others.
    pub const fn new(name: &'static str, range: Range, about: &'static str) -> Self {
        Setting { name, about, range }
    }
    /// The value in a system's JSON, as `apply` would take it.
    pub fn show(&self, system: &Value) -> String {
        let value = self.name.split('.').fold(system, |v, key| &v[key]);
        let part = |key: &str| text(&value[key]);
        match (value, &self.range) {
            (Value::Null, Range::Blur | Range::Respacing | Range::OrNone(..)) => "none".into(),
            (Value::Array(layers), Range::Layers) if layers.is_empty() => "none".into(),
            (Value::Array(names), _) => names.iter().map(text).collect::<Vec<_>>().join(","),
            (Value::Null, _) => "-".into(),
            (Value::Object(_), _) => {
                let keys: &[&str] = match self.range {
                    Range::Sampler | Range::Ddim => &["kind", "steps", "eta"],
                    Range::Noise => &["kind", "octaves", "persistence", "frequency"],
                    _ => &["kind", "sigma", "size"],
                };
                keys.iter().map(|k| part(k)).filter(|t| !t.is_empty()).collect::<Vec<_>>().join(":")
            }
            _ => text(value),
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

/// Puts a setting's text into a system's JSON.
/// # Errors
/// What it must be, when the text is nothing of that.
pub fn apply(setting: &Setting, system: &mut Value, text: &str) -> Result<(), String> {
    let fault = || format!("it must be {}", setting.range);
    let parts: Vec<&str> = text.split(':').map(str::trim).collect();
    let count = |t: &str| t.parse::<usize>().map_err(|_| fault());
    let number = |t: &str| t.parse::<f64>().ok().filter(|v| v.is_finite()).ok_or_else(fault);
    let value = match setting.range {
        Range::Count(low, high) | Range::DdimSteps(low, high) => {
            let n = count(text.trim())?;
            if !(low..=high).contains(&n) {
                return Err(fault());
            }
            json!(n)
        }
        Range::Number(low, high) => {
            let v = number(text.trim())?;
            if !(low..=high).contains(&v) {
                return Err(fault());
            }
            json!(v)
        }
        Range::Flag => json!(text.trim().parse::<bool>().map_err(|_| fault())?),
        Range::Words(words) => json!(words.iter().find(|w| **w == text.trim()).ok_or_else(fault)?),
        Range::Sampler | Range::Ddim => match parts[..] {
            ["ddpm"] if matches!(setting.range, Range::Sampler) => json!({ "kind": "ddpm" }),
            ["ddim", steps] => json!({ "kind": "ddim", "steps": count(steps)?, "eta": 0.0 }),
            ["ddim", steps, eta] => json!({ "kind": "ddim", "steps": count(steps)?, "eta": number(eta)? }),
            _ => return Err(fault()),
        },
        Range::Noise => match parts[..] {
            ["gaussian"] => json!({ "kind": "gaussian" }),
            ["simplex", octaves, persistence, frequency] => json!({
                "kind": "simplex", "octaves": count(octaves)?, "persistence": number(persistence)?,
                "frequency": count(frequency)?,
            }),
            _ => return Err(fault()),
        },
        Range::Blur => match parts[..] {
            ["none"] => Value::Null,
            ["gaussian", sigma] => json!({ "kind": "gaussian", "sigma": number(sigma)? }),
            ["box", size] => json!({ "kind": "box", "size": count(size)? }),
            _ => return Err(fault()),
        },
        Range::Name => json!(Some(text.trim()).filter(|t| Range::is_name(t)).ok_or_else(fault)?),
        Range::Names => {
            let names: Vec<&str> = text.split(',').map(str::trim).collect();
            json!(Some(names).filter(|n| n.iter().all(|n| Range::is_name(n))).ok_or_else(fault)?)
        }
        Range::OrNone(..) if text.trim() == "none" => Value::Null,
        Range::OrNone(low, high) => {
            json!(Some(count(text.trim())?).filter(|n| (low..=high).contains(n)).ok_or_else(fault)?)
        }
        Range::Layers if text.trim() == "none" => json!([]),
        Range::Layers => {
            let all: Vec<usize> = text.split(',').map(|t| count(t.trim())).collect::<Result<_, _>>()?;
            let fits = all.iter().all(|l| (1..=4).contains(l)) && all.is_sorted_by(|a, b| a < b);
            json!(Some(all).filter(|_| fits).ok_or_else(fault)?)
        }
        Range::Respacing => {
            let counts = |t: &str| t.split(',').all(|n| n.trim().parse::<usize>().is_ok());
            match text.trim() {
                "none" => Value::Null,
                t if t.strip_prefix("ddim").is_some_and(|n| n.parse::<usize>().is_ok()) || counts(t) => json!(t),
                _ => return Err(fault()),
            }
        }
    };
    put(system, setting, value)
}

fn put(system: &mut Value, setting: &Setting, value: Value) -> Result<(), String> {
    let keys: Vec<&str> = setting.name.split('.').collect();
    let Some((last, folders)) = keys.split_last() else { return Ok(()) };
    let mut at = system;
    for key in folders {
        at = &mut at[*key];
    }
    if matches!(setting.range, Range::DdimSteps(..)) && at["kind"] != "ddim" {
        *at = json!({ "kind": "ddim", "eta": 0.0 });
    }
    match at.as_object_mut() {
        Some(object) => drop(object.insert((*last).to_owned(), value)),
        None => return Err(format!("`{}` is not set, so it has no part of that name", folders.join("."))),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::detect::System;

    #[test]
    fn every_setting_of_every_system_takes_what_it_shows() {
        for method in System::METHODS {
            let system = System::named(method).unwrap();
            for setting in system.settings() {
                let (mut again, shown) = (system.clone(), system.value(setting));
                if shown == "-" {
                    continue;
                }
                again.set(setting.name, &shown).unwrap_or_else(|e| panic!("{method}: {e}"));
                assert_eq!(again, system, "{method} {}", setting.name);
                assert!(again.set(setting.name, "no such value").is_err(), "{method} {}", setting.name);
            }
        }
    }

    #[test]
    fn texts_become_settings() {
        let mut system = System::named("anoddpm").unwrap();
        for (name, text, shown) in [
            ("lambda", "120", "120"),
            ("sampler", "ddim:12:0.5", "ddim:12:0.5"),
            ("sampler.steps", "7", "7"),
            ("sampler", "ddpm", "ddpm"),
            ("sampler.steps", "9", "9"),
            ("noise", "gaussian", "gaussian"),
            ("blur", "box:21", "box:21"),
            ("blur", "none", "none"),
            ("clip", "false", "false"),
            ("residual", "positive", "positive"),
        ] {
            system.set(name, text).unwrap();
            let setting = system.settings().iter().find(|s| s.name == name).unwrap();
            assert_eq!(system.value(setting), shown);
        }
        let fault = |name: &str, text: &str| System::named("anoddpm").unwrap().set(name, text).unwrap_err().to_string();
        assert!(fault("lamda", "1").contains("lambda, sampler"), "{}", fault("lamda", "1"));
        assert!(fault("lambda", "0").contains("1 to"), "{}", fault("lambda", "0"));
        assert!(fault("blur", "gaussian").contains("gaussian:SIGMA"));
        assert!(fault("residual", "odd").contains("squared"));
    }
}
