//! A setting measured: a labelled dataset scored once for each seed.
use super::{DialRow, Measure, balanced_threshold};
use crate::detect::config::Thresholds;
use crate::detect::{Scorer, evaluate};
use crate::eval::{Dataset, Level};
use crate::{Error, Result};
use std::path::Path;

/// What a setting reached.
pub struct Measured {
    /// The row of the table.
    pub row: DialRow,
    /// What its AUPRC is about.
    pub measure: Measure,
    /// Images without and with a defect.
    pub counts: (usize, usize),
}

/// One seed's numbers.
struct Numbers {
    auprc: f64,
    dice: Option<f64>,
    auroc: Option<f64>,
    pixel: Option<f64>,
    image: Option<f64>,
}

/// Scores the dataset with the scorer's model as it is set, once for each of `seeds` seeds from its own on. `folder` takes scores
/// that do not fit in memory.
/// # Errors
/// [`Error::File`] for an image that fails: nothing is known of the setting then; [`Error::Interrupted`]; a dataset that cannot
/// tell quality.
pub fn measure(scorer: &mut Scorer, dataset: &Dataset, path: &Path, folder: &Path, seeds: u64) -> Result<Measured> {
    let first = scorer.options.seed;
    let (mut all, mut seconds, mut counts, mut kind) = (Vec::new(), Vec::new(), (0, 0), Measure::Images);
    for seed in 0..seeds.max(1) {
        scorer.options.seed = first.wrapping_add(seed);
        let done = evaluate(scorer, dataset, folder)?;
        if let Some(f) = done.failures.first() {
            let fault = format!("nothing was kept of this setting, this image failed: {}", f.error);
            return Err(Error::file(&f.path, fault));
        }
        if done.interrupted {
            return Err(Error::Interrupted);
        }
        let (image, pixel, images) = (&done.evaluation.image, &done.evaluation.pixel, &done.evaluation.images);
        let scores: Vec<(f64, bool)> = images.iter().map(|i| (i.score, i.anomalous())).collect();
        counts = (scores.iter().filter(|s| !s.1).count(), scores.iter().filter(|s| s.1).count());
        let level = |l: &Level, key: &str| l.metrics.iter().find(|m| m.key == key).and_then(|m| m.value);
        let auprc = match level(pixel, "auprc") {
            Some(v) => {
                kind = Measure::Pixels;
                v
            }
            None => level(image, "auprc")
                .ok_or_else(|| Error::file(path, "needs normal and anomalous images, or masks, to measure quality"))?,
        };
        let (dice, auroc) = (level(pixel, "best_dice"), level(image, "auroc"));
        all.push(Numbers { auprc, dice, auroc, pixel: pixel.threshold, image: balanced_threshold(&scores) });
        seconds.extend(done.seconds);
    }
    scorer.options.seed = first;
    Ok(Measured { row: row(scorer, &all, seconds), measure: kind, counts })
}

fn row(scorer: &Scorer, all: &[Numbers], mut seconds: Vec<f64>) -> DialRow {
    seconds.sort_by(f64::total_cmp);
    let mean = |of: fn(&Numbers) -> Option<f64>| -> Option<f64> {
        let values: Option<Vec<f64>> = all.iter().map(of).collect();
        values.map(|v| v.iter().sum::<f64>() / v.len() as f64)
    };
    let auprc = mean(|n| Some(n.auprc)).unwrap_or(0.0);
    let spread: f64 = all.iter().map(|n| (n.auprc - auprc).powi(2)).sum();
    DialRow {
        auprc,
        auprc_std: (spread / (all.len() as f64 - 1.0).max(1.0)).sqrt(),
        best_dice: mean(|n| n.dice),
        image_auroc: mean(|n| n.auroc),
        seconds: seconds.get(seconds.len() / 2).copied().unwrap_or(0.0),
        device: scorer.device.name(),
        seeds: all.len() as u64,
        threshold: Thresholds { pixel: mean(|n| n.pixel), image: mean(|n| n.image) },
        first_seed: scorer.options.seed,
        ..DialRow::of(&scorer.model.config)
    }
}
