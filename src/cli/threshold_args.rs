//! Where normal ends: what the user says over what the model folder, or a run before, says.
use super::model_args::Chosen;
use super::scoring::ScoringArgs;
use crate::data::{FileKind, Input};
use crate::detect::{Calibration, ModelFolder, Scope, ScoreOf};
use crate::{Error, Result};
use std::collections::HashSet;
use std::path::Path;

#[derive(clap::Args)]
pub(crate) struct ThresholdArgs {
    /// Scores above it are anomalous, instead of what was set before
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true, value_parser = finite)]
    pub threshold: Option<f64>,
    /// Pixels of the map above it are in the mask, instead of what was set before
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true, value_parser = finite_in_maps)]
    pub pixel_threshold: Option<f64>,
    /// The false-positive rate of images and of pixels, by the calibration in the model folder (`residua calibrate`)
    #[arg(long, value_name = "RATE", conflicts_with = "threshold", value_parser = rate)]
    pub fpr: Option<f64>,
}

/// A threshold of scores.
fn finite(text: &str) -> Result<f64, String> {
    let value = text.trim().parse::<f64>().map_err(|_| "a number is needed".to_owned())?;
    if value.is_finite() { Ok(value) } else { Err("it must be a finite number".into()) }
}

/// A threshold of maps, which hold 32-bit numbers.
fn finite_in_maps(text: &str) -> Result<f64, String> {
    let value = finite(text)?;
    if (value as f32).is_finite() {
        Ok(value)
    } else {
        Err("no pixel of a map can reach it: maps end at 3.4e38".into())
    }
}

/// A false-positive rate.
fn rate(text: &str) -> Result<f64, String> {
    let value = finite(text)?;
    if value > 0.0 && value < 1.0 { Ok(value) } else { Err("a false-positive rate lies between 0 and 1".into()) }
}

/// What is to be judged.
pub(crate) struct Judged<'a> {
    pub inputs: &'a [Input],
    pub scoring: &'a ScoringArgs,
    /// The exit code tells of anomalies.
    pub gate: bool,
}

impl ThresholdArgs {
    /// Sets the model's thresholds; the calibration is returned where one was asked for. Thresholds that were chosen for other settings
    /// than those of the run are dropped, with a warning: what they are about is then unjudged.
    /// # Errors
    /// A pixel threshold for a system without maps. With `--fpr`: no calibration, one of another model, of other settings or of other
    /// kinds of images, or a rate that it cannot promise. With a gate: no threshold for images.
    pub fn apply(&self, model: &mut ModelFolder, chosen: &Chosen, judged: &Judged) -> Result<Option<Calibration>> {
        if self.pixel_threshold.is_some() && !model.config.system.has_map() {
            let system = model.config.system.title();
            return Err(Error::Invalid(format!("--pixel-threshold: {system} gives a score and no map")));
        }
        let own = model.config.system.cuts_by_otsu();
        self.agree(own)?;
        let calibration = self.fpr.map(|_| self.calibration(model, judged)).transpose()?;
        let cut = usize::from(judged.scoring.axis);
        let along = judged.inputs.iter().any(|i| i.kind == FileKind::Volume) && cut != chosen.axis;
        let others = [chosen.changed.clone(), along.then(|| format!("the axis, which was {}", chosen.axis))];
        let others = others.into_iter().flatten().reduce(|a, b| a + ", " + &b);
        let limits = &mut model.config.threshold;
        let folders = std::mem::take(limits);
        if others.is_none() {
            *limits = folders;
        }
        if let (Some(rate), Some(c)) = (self.fpr, &calibration) {
            limits.image = Some(c.threshold(rate)?);
            // A system without maps has no pixels.
            if self.pixel_threshold.is_none() && c.pixels > 0 {
                limits.pixel = Some(c.pixel_threshold(rate)?.into());
            }
        }
        if let (true, Some(rate), Some(ScoreOf::Slices)) =
            (judged.gate, self.fpr, calibration.as_ref().and_then(|c| c.of))
        {
            tracing::warn!(
                "--gate: the rate of {rate} is that of single slices; a normal volume, which has many, is above the threshold \
                 somewhere far more often, as `residua calibrate` shows"
            );
        }
        limits.image = self.threshold.or(limits.image);
        limits.pixel = self.pixel_threshold.or(limits.pixel).filter(|_| !own);
        let without_image = limits.image.is_none();
        if let Some(others) = &others {
            let image = (folders.image.is_some() && without_image).then_some("images are unjudged (--threshold)");
            let pixel = folders.pixel.is_some() && limits.pixel.is_none() && !own;
            let pixel = pixel.then_some("masks are empty (--pixel-threshold)");
            if let Some(said) = [image, pixel].into_iter().flatten().map(String::from).reduce(|a, b| a + " and " + &b) {
                tracing::warn!(
                    "the thresholds of the model folder were chosen for other settings ({others}), so they do not hold \
                     here: {said}. `residua calibrate` with the same flags, and --fpr, gives thresholds for these settings"
                );
            }
        }
        let stale = || Calibration::read(model).err().filter(|_| Calibration::path(&model.path).is_file());
        if let (None, None, Some(fault)) = (self.fpr, &others, (folders != Default::default()).then(stale).flatten()) {
            tracing::warn!("{fault}; if the thresholds of detector.json come from it, they do not hold here");
        }
        if judged.gate && without_image {
            let why =
                others.map(|o| format!(", as the model's was chosen for other settings ({o})")).unwrap_or_default();
            let fault = format!("--gate: there is no image threshold to judge by{why}; give --threshold or --fpr");
            return Err(Error::Invalid(fault));
        }
        model.config.check()?;
        Ok(calibration)
    }

    /// Refuses a threshold for pixels where each map has its own (`otsu`).
    pub fn agree(&self, otsu: bool) -> Result<()> {
        match self.pixel_threshold {
            Some(_) if otsu => {
                let fault = "--pixel-threshold: the setting `otsu` gives each map its own threshold; --set otsu=false";
                Err(Error::Invalid(fault.into()))
            }
            _ => Ok(()),
        }
    }

    /// Holds the floats of a run, once they were looked at, against those of the measurements that its thresholds come from.
    /// # Errors
    /// [`Error::File`] with the file of the measurements.
    pub fn check_floats(
        &self,
        model: &ModelFolder,
        calibration: Option<&Calibration>,
        chosen: &Chosen,
        now: Option<[f32; 2]>,
    ) -> Result<()> {
        let own = self.threshold.is_some() && self.pixel_threshold.is_some();
        match (calibration, &chosen.dial) {
            (Some(c), _) => c.check_floats(&Calibration::path(&model.path), now),
            (None, Some((dial, path))) if !own => dial.check_floats(path, now),
            _ => Ok(()),
        }
    }

    /// The model's calibration, held against what is to be judged.
    fn calibration(&self, model: &ModelFolder, judged: &Judged) -> Result<Calibration> {
        let found = Calibration::read(model)?;
        let kinds: HashSet<ScoreOf> = judged.inputs.iter().map(|i| ScoreOf::of(&model.config, i)).collect();
        for of in kinds {
            let scope = Scope { of, axis: usize::from(judged.scoring.axis), seed: judged.scoring.seed };
            check_scope(&found, &Calibration::path(&model.path), &model.config, scope)?;
        }
        Ok(found)
    }

    /// For a command that has nothing else to judge by.
    /// # Errors
    /// [`Error::Invalid`] when no threshold is given.
    pub fn require(&self) -> Result<()> {
        if [self.threshold, self.pixel_threshold, self.fpr].iter().all(Option::is_none) {
            return Err(Error::Invalid("say what to judge by: --threshold, --pixel-threshold or --fpr".into()));
        }
        Ok(())
    }
}

/// [`Calibration::check_scope`], what it assumes being said.
pub(crate) fn check_scope(
    c: &Calibration,
    path: &Path,
    config: &crate::detect::DetectorConfig,
    scope: Scope,
) -> Result<()> {
    if let Some(assumed) = c.check_scope(path, config, scope)? {
        tracing::warn!("{assumed}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_and_rates_are_numbers_that_can_be_reached() {
        assert_eq!(
            (finite("-0.5"), finite("1e300"), finite_in_maps("1e38"), rate("0.05")),
            (Ok(-0.5), Ok(1e300), Ok(1e38), Ok(0.05))
        );
        for text in ["nan", "NaN", "inf", "-inf", "infinity", "1e999", "x", ""] {
            assert!(finite(text).is_err() && finite_in_maps(text).is_err() && rate(text).is_err(), "{text}");
        }
        assert!(finite_in_maps("1e39").is_err());
        for text in ["0", "1", "-0.1", "1.5", "5%"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
