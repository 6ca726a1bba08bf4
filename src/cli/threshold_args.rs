//! Where normal ends: what the user says over what the model folder, or a run before, says.
use crate::detect::{Calibration, ModelFolder};
use crate::{Error, Result};

#[derive(clap::Args)]
pub(crate) struct ThresholdArgs {
    /// Scores above it are anomalous, instead of what was set before
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    pub threshold: Option<f64>,
    /// Pixels of the map above it are in the mask, instead of what was set before
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    pub pixel_threshold: Option<f64>,
    /// The false-positive rate of images and of pixels, by the calibration in the model folder (`residua calibrate`)
    #[arg(long, value_name = "RATE", conflicts_with = "threshold")]
    pub fpr: Option<f64>,
}

impl ThresholdArgs {
    /// Sets the model's thresholds; the calibration is returned where one was asked for.
    /// # Errors
    /// With `--fpr`: no calibration, one of another model or of other settings, or a rate that it cannot promise.
    pub fn apply(&self, model: &mut ModelFolder) -> Result<Option<Calibration>> {
        let calibration = self.fpr.map(|_| Calibration::read(model)).transpose()?;
        let limits = &mut model.config.threshold;
        if let (Some(rate), Some(c)) = (self.fpr, &calibration) {
            limits.image = Some(c.threshold(rate)?);
            // A system without maps has no pixels.
            if self.pixel_threshold.is_none() && c.pixels > 0 {
                limits.pixel = Some(c.pixel_threshold(rate)?.into());
            }
        }
        limits.image = self.threshold.or(limits.image);
        limits.pixel = self.pixel_threshold.or(limits.pixel);
        model.config.check()?;
        Ok(calibration)
    }

    /// For a command that has nothing else to judge by.
    /// # Errors
    /// [`Error::Invalid`] when no threshold is given, or one that is not finite.
    pub fn require(&self) -> Result<()> {
        if [self.threshold, self.pixel_threshold, self.fpr].iter().all(Option::is_none) {
            return Err(Error::Invalid("say what to judge by: --threshold, --pixel-threshold or --fpr".into()));
        }
        for (name, value) in [("--threshold", self.threshold), ("--pixel-threshold", self.pixel_threshold)] {
            if value.is_some_and(|v| !v.is_finite()) {
                return Err(Error::Invalid(format!("{name} must be a finite number")));
            }
        }
        Ok(())
    }
}
