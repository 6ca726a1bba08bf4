//! A schedule in words: `linear 1e-4..2e-2 T=1000`, `sqrt-linear 0.0015..0.02`, `cosine s=0.008 T=1000, float64`.
use crate::detect::config::{ScheduleConfig, ScheduleKind};
use crate::diffusion::{Precision, Schedule};
use crate::{Error, Result};
use std::path::Path;

/// The schedule, in float64 unless it says float32.
pub fn parse(text: &str, path: &Path) -> Result<Schedule> {
    let s = settings(text, path)?;
    let single = text.contains("float32");
    let precision = if single { Precision::Single } else { Precision::Double };
    s.schedule_in(precision)
}

/// Its settings; what it does not say is as in a `detector.json`.
pub fn settings(text: &str, path: &Path) -> Result<ScheduleConfig> {
    let fault = |what: &str| Error::file(path, format!("`schedule` is `{text}`: {what}"));
    let mut words = text.split([' ', ',', ';']).filter(|w| !w.is_empty());
    let kind = match words.next().unwrap_or_default() {
        "linear" => ScheduleKind::Linear,
        "sqrt-linear" | "sqrt_linear" | "scaled_linear" => ScheduleKind::ScaledLinear,
        "cosine" => ScheduleKind::Cosine,
        _ => return Err(fault("linear, sqrt-linear and cosine are known")),
    };
    let mut out = ScheduleConfig { kind, ..ScheduleConfig::default() };
    for word in words {
        if let Some((start, end)) = word.split_once("..") {
            out.beta_start = start.parse().map_err(|_| fault("the first beta is no number"))?;
            out.beta_end = end.parse().map_err(|_| fault("the last beta is no number"))?;
        } else if let Some(steps) = word.strip_prefix("T=") {
            out.train_steps = steps.parse().map_err(|_| fault("T is no number"))?;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_settings() {
        let path = Path::new("config.json");
        let s = settings("sqrt-linear 0.0015..0.02", path).unwrap();
        assert_eq!((s.kind, s.beta_start, s.beta_end, s.train_steps), (ScheduleKind::ScaledLinear, 0.0015, 0.02, 1000));
        assert_eq!(parse("cosine s=0.008 T=500, float64", path).unwrap().steps(), 500);
        assert_eq!(parse("linear 1e-4..2e-2 T=1000", path).unwrap(), Schedule::guided_linear(1000).unwrap());
        for text in ["", "laplace", "linear a..b", "linear T=x", "linear T=0", "linear 1..2"] {
            let e = parse(text, path).map(|s| s.steps());
            assert!(e.is_err(), "{text}");
        }
    }
}
