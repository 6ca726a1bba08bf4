//! What the scores of a calibration are of: a rate holds for more of the same alone.
use super::Calibration;
use crate::data::{FileKind, Input};
use crate::detect::DetectorConfig;
use crate::detect::config::NoisePer;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What one score is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScoreOf {
    /// A picture or an array.
    Pictures,
    /// A slice of a volume, by a system whose slices stand alone.
    Slices,
    /// A whole volume, by a system that judges volumes.
    Volumes,
}

impl ScoreOf {
    /// What the scores of an input are of.
    pub fn of(config: &DetectorConfig, input: &Input) -> Self {
        match (input.kind, config.postprocessing()) {
            (FileKind::Image | FileKind::Array, _) => ScoreOf::Pictures,
            (FileKind::Volume, None) => ScoreOf::Slices,
            (FileKind::Volume, Some(_)) => ScoreOf::Volumes,
        }
    }
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            ScoreOf::Pictures => "pictures",
            ScoreOf::Slices => "slices of volumes",
            ScoreOf::Volumes => "whole volumes",
        }
    }
}

/// What scores are of, and what of a run beside the settings they depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// What one score is of.
    pub of: ScoreOf,
    /// The axis along which volumes are cut; of no account for pictures.
    pub axis: usize,
    /// The seed of the noise.
    pub seed: u64,
}

impl Calibration {
    /// Holds it against what is to be judged; `path` names it in errors. A file that is older than these fields is taken to be of
    /// what is to be judged, along axis 2: the sentence that is returned says so.
    /// # Errors
    /// [`Error::File`] when its scores are of something else, along another axis, or of another noise that all images share.
    pub fn check_scope(&self, path: &Path, config: &DetectorConfig, now: Scope) -> Result<Option<String>> {
        let fault = |text: String| Err(Error::file(path, format!("{text}: calibrate again")));
        if let Some(of) = self.of.filter(|of| *of != now.of) {
            return fault(format!("was made from {}, which says nothing of {}", of.as_str(), now.of.as_str()));
        }
        let axis = self.axis.unwrap_or(2);
        if now.of != ScoreOf::Pictures && axis != now.axis {
            let said =
                if self.axis.is_some() { "was made" } else { "does not say its axis, so it is taken to be made" };
            return fault(format!("{said} along axis {axis}, not {}", now.axis));
        }
        let shared = config.system.draws_noise() && config.system.noise_per() == NoisePer::Run;
        if let Some(seed) = self.seed.filter(|seed| shared && *seed != now.seed) {
            return fault(format!("was made with the noise of --seed {seed}, not that of --seed {}", now.seed));
        }
        let assumed = || {
            let along = if now.of == ScoreOf::Pictures { "" } else { ", along axis 2" };
            let of = now.of.as_str();
            format!("{}: does not say what its scores are of; they are taken to be of {of}{along}", path.display())
        };
        Ok(self.of.is_none().then(assumed))
    }

    /// Holds the range that it took floats in against that of the floats to be judged, if there are any; `path` names it in errors.
    /// # Errors
    /// [`Error::File`] when they differ.
    pub fn check_floats(&self, path: &Path, now: Option<[f32; 2]>) -> Result<()> {
        check_floats(path, ("made", "calibrate again"), self.float_range, now)
    }
}

/// What was `made` with floats in one range says nothing of those that are taken in another.
pub(in crate::detect) fn check_floats(
    path: &Path,
    (made, again): (&str, &str),
    then: Option<[f32; 2]>,
    now: Option<[f32; 2]>,
) -> Result<()> {
    match (then, now) {
        (Some(then), Some(now)) if then != now => {
            let [a, b] = [then, now].map(|[low, high]| format!("[{low}, {high}]"));
            let fault = format!(
                "was {made} with floats that were taken in {a}, but those of this run are taken in {b} (a single value clearly outside [0, 1] \
                 decides): bring all files to one range, and {again}"
            );
            Err(Error::file(path, fault))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::calibration;
    use super::*;
    use crate::detect::config::InputConfig;

    #[test]
    fn scores_of_something_else_promise_nothing() {
        let config = DetectorConfig::as_published(InputConfig::square(64, 1));
        let mut c = calibration(vec![1.0]);
        let path = Path::new("m/calibration.json");
        let scope = |of, axis, seed| Scope { of, axis, seed };
        let fault = |c: &Calibration, now| c.check_scope(path, &config, now).unwrap_err().to_string();
        // An old file.
        let assumed = c.check_scope(path, &config, scope(ScoreOf::Slices, 2, 5)).unwrap().unwrap();
        assert!(assumed.contains("slices of volumes, along axis 2"), "{assumed}");
        assert!(fault(&c, scope(ScoreOf::Slices, 0, 0)).contains("taken to be made along axis 2, not 0"));
        (c.of, c.axis, c.seed) = (Some(ScoreOf::Slices), Some(1), Some(3));
        assert_eq!(c.check_scope(path, &config, scope(ScoreOf::Slices, 1, 3)).unwrap(), None);
        let other = fault(&c, scope(ScoreOf::Pictures, 2, 3));
        assert!(other.contains("made from slices of volumes, which says nothing of pictures"), "{other}");
        assert!(fault(&c, scope(ScoreOf::Slices, 2, 3)).contains("along axis 1, not 2"));
        assert!(fault(&c, scope(ScoreOf::Slices, 1, 0)).contains("--seed 3, not that of --seed 0"));
        // Noise by the image's name: the seed is one of many.
        let mut own = config.clone();
        own.system.set("noise_per", "image").unwrap();
        assert_eq!(c.check_scope(path, &own, scope(ScoreOf::Slices, 1, 0)).unwrap(), None);
    }
}
