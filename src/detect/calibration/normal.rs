//! Normal images scored, for a calibration.
use super::{Calibration, PixelHistogram};
use crate::data::{Input, hash_files};
use crate::detect::{Finished, Scorer};
use crate::{Error, Result};

/// Scores normal images that the model was not trained on. A system that works on volumes is calibrated by the scores of volumes.
/// # Errors
/// [`Error::File`] for an image that fails: a rate is promised for what was asked for, and it may be the one that is hardest.
pub fn calibrate(scorer: &mut Scorer, inputs: &[Input]) -> Result<Calibration> {
    let data = hash_files(inputs.iter().flat_map(|i| i.files.iter().map(|f| &**f)))?;
    let by_volume = scorer.model.config.postprocessing().is_some();
    let (mut scores, mut pixels) = (Vec::new(), PixelHistogram::default());
    scorer.run(inputs, |finished| {
        match finished {
            Finished::Image(scored) => {
                if let Some(map) = &scored.map {
                    pixels.add(&map.data);
                }
                if !by_volume || scored.item.slice.is_none() {
                    scores.push(scored.score);
                }
            }
            Finished::Volume(volume) => scores.push(volume.score),
        }
        Ok(())
    })?;
    if let Some(f) = scorer.failures.first() {
        let more = scorer.failures.len() - 1;
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        return Err(Error::file(&f.path, format!("nothing was calibrated, this image failed{more}: {}", f.error)));
    }
    Calibration::new(scorer.model, scores, &pixels, data)
}
