//! From scored images to the numbers that are reported.
use super::Curve;
use super::bootstrap::Intervals;
use super::images::{measure, measure_intervals};
use super::pixels::{GOOD, HELD, Pixels};
use super::sweep::Measures;
use crate::data::{Map, Mask};
use crate::{Error, Result};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Key, title and index in [`Measures::values`] of what is reported of images.
const IMAGE: [(&str, &str, usize); 4] =
    [("auroc", "AUROC", 0), ("auprc", "AUPRC", 1), ("f1_max", "F1-max", 2), ("fpr_at_95_tpr", "FPR at 95 % TPR", 4)];
/// The same of pixels.
const PIXEL: [(&str, &str, usize); 5] = [
    ("auroc", "AUROC", 0),
    ("auprc", "AUPRC", 1),
    ("pro", "PRO (FPR ≤ 0.3)", 5),
    ("best_dice", "best Dice", 2),
    ("iou", "IoU", 3),
];

/// One metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its key in JSON.
    pub key: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// From 0 to 1; `None` where it is not defined.
    pub value: Option<f64>,
    /// The 95 % interval.
    pub interval: Option<[f64; 2]>,
}

/// The metrics of images or of pixels. In JSON an object with each metric's value under its key, `threshold`,
/// `intervals`, and where values are null the `reason`.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// In the order in which they are shown.
    pub metrics: Vec<Metric>,
    /// The threshold of the greatest F1 or Dice: what is above it counts as found.
    pub threshold: Option<f64>,
    /// Why there are no values.
    pub reason: Option<String>,
    /// ROC and precision-recall curve; empty without values.
    pub curve: Curve,
}

impl Level {
    fn new(
        keys: &[(&'static str, &'static str, usize)],
        measures: Option<Measures>,
        intervals: Option<Intervals>,
        reason: &str,
    ) -> Self {
        let values = measures.as_ref().map(Measures::values);
        let metric = |&(key, title, at): &(&'static str, &'static str, usize)| Metric {
            key,
            title,
            value: values.and_then(|v| v[at]),
            interval: intervals.filter(|_| values.is_some()).and_then(|i| i[at]),
        };
        Level {
            metrics: keys.iter().map(metric).collect(),
            threshold: measures.as_ref().map(|m| m.threshold),
            reason: measures.is_none().then(|| reason.to_owned()),
            curve: measures.map(|m| m.curve).unwrap_or_default(),
        }
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(None)?;
        for metric in &self.metrics {
            map.serialize_entry(metric.key, &metric.value)?;
        }
        map.serialize_entry("threshold", &self.threshold)?;
        let intervals = self.metrics.iter().filter_map(|m| Some((m.key.to_owned(), m.interval?.to_vec().into())));
        map.serialize_entry("intervals", &intervals.collect::<serde_json::Map<_, _>>())?;
        if let Some(reason) = &self.reason {
            map.serialize_entry("reason", reason)?;
        }
        map.end()
    }
}

/// A row of the table by defect: its images against those without a defect.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct DefectRow {
    /// Its name; [`GOOD`] for the images without.
    pub defect: String,
    /// How many images.
    pub images: usize,
    /// Their mean score.
    pub mean_score: f64,
    /// Image AUROC.
    pub image_auroc: Option<f64>,
    /// Image AUPRC.
    pub image_auprc: Option<f64>,
    /// Pixel AUROC.
    pub pixel_auroc: Option<f64>,
    /// Pixel AUPRC.
    pub pixel_auprc: Option<f64>,
    /// PRO.
    pub pro: Option<f64>,
    /// Best Dice.
    pub best_dice: Option<f64>,
}

/// An image that was scored.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ScoredImage {
    /// The file.
    #[serde(serialize_with = "crate::data::path_text::serialize")]
    pub path: PathBuf,
    /// What to call it.
    pub name: String,
    /// What is wrong with it; [`GOOD`] if nothing is.
    pub defect: String,
    /// The higher, the more anomalous.
    pub score: f64,
}

impl ScoredImage {
    /// Whether anything is wrong with it.
    pub fn anomalous(&self) -> bool {
        self.defect != GOOD
    }
}

/// What came out.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Evaluation {
    /// Over images.
    pub image: Level,
    /// Over the pixels of all images whose pixels are known.
    pub pixel: Level,
    /// Pixels with a known truth: defective, normal.
    pub pixels: [u64; 2],
    /// Connected regions of defective pixels.
    pub regions: u64,
    /// By defect, the normal images last.
    pub defects: Vec<DefectRow>,
    /// In order of path.
    pub images: Vec<ScoredImage>,
}

/// Takes scored images one by one.
pub struct Evaluator {
    images: Vec<ScoredImage>,
    pixels: Pixels,
    /// Images with a defect whose pixels are not known.
    unmasked: usize,
    /// Images without a map.
    mapless: usize,
}

impl Evaluator {
    /// Nothing yet. `folder` is where scores go that do not fit in memory, until the end.
    pub fn new(folder: &Path) -> Self {
        Evaluator { images: Vec::new(), pixels: Pixels::new(folder, HELD), unmasked: 0, mapless: 0 }
    }

    /// Takes an image, its map if there is one, and its mask if its pixels are known.
    /// # Errors
    /// [`Error::File`] for a score that is not finite: it has no rank. As [`Pixels::add`].
    pub fn add(&mut self, image: ScoredImage, map: Option<&Map>, mask: Option<&Mask>) -> Result<()> {
        if !image.score.is_finite() {
            return Err(Error::file(&image.path, format!("has the score {}, which has no rank", image.score)));
        }
        match (map, mask) {
            (Some(map), Some(mask)) => self.pixels.add(&image.defect, map, mask)?,
            (None, _) => self.mapless += 1,
            (Some(_), None) => self.unmasked += usize::from(image.anomalous()),
        }
        self.images.push(image);
        Ok(())
    }

    /// The metrics.
    /// # Errors
    /// As [`Pixels::finish`].
    pub fn finish(self) -> Result<Evaluation> {
        let Evaluator { mut images, pixels, unmasked, mapless } = self;
        images.sort_by(|a, b| a.path.cmp(&b.path).then_with(|| a.name.cmp(&b.name)));
        let scored: Vec<(f64, bool)> = images.iter().map(|i| (i.score, i.anomalous())).collect();
        let count = |anomalous: bool| scored.iter().filter(|s| s.1 == anomalous).count();
        let reason = missing(count(true) as u64, count(false) as u64, "image");
        let image = Level::new(&IMAGE, measure(&scored), Some(measure_intervals(&scored)), &reason);
        let pixels = pixels.finish()?;
        let reason = match (pixels.total.positives, pixels.total.negatives) {
            (0, 0) if mapless > 0 && mapless == images.len() => {
                "there is no map of any image: the system gives a score alone".into()
            }
            (0, 1..) if unmasked > 0 => format!("of the {unmasked} images with a defect none has a mask"),
            (positives, negatives) => missing(positives, negatives, "pixel"),
        };
        let names: BTreeSet<&str> = images.iter().filter(|i| i.anomalous()).map(|i| &*i.defect).collect();
        let rows = names.into_iter().chain((count(false) > 0).then_some(GOOD));
        let of = |defect: &str| pixels.defects.iter().find(|d| d.0 == defect).and_then(|d| d.1.as_ref());
        let defects = rows.map(|defect| row(defect, &images, of(defect))).collect();
        Ok(Evaluation {
            image,
            pixel: Level::new(&PIXEL, pixels.all, pixels.intervals, &reason),
            pixels: [pixels.total.positives, pixels.total.negatives],
            regions: pixels.regions,
            defects,
            images,
        })
    }
}

fn missing(positives: u64, negatives: u64, what: &str) -> String {
    let known = if what == "pixel" { " in any mask" } else { "" };
    match (positives, negatives) {
        (0, 0) => format!("there is no {what} with a known truth"),
        (0, _) => format!("there is no anomalous {what}{known}"),
        _ => format!("there is no normal {what}"),
    }
}

fn row(defect: &str, images: &[ScoredImage], pixels: Option<&Measures>) -> DefectRow {
    let own: Vec<f64> = images.iter().filter(|i| i.defect == defect).map(|i| i.score).collect();
    let both = images.iter().filter(|i| i.defect == defect || !i.anomalous()).map(|i| (i.score, i.anomalous()));
    let image = if defect == GOOD { None } else { measure(&both.collect::<Vec<_>>()) };
    DefectRow {
        defect: defect.to_owned(),
        images: own.len(),
        mean_score: own.iter().sum::<f64>() / own.len().max(1) as f64,
        image_auroc: image.as_ref().map(|m| m.auroc),
        image_auprc: image.as_ref().map(|m| m.auprc),
        pixel_auroc: pixels.map(|m| m.auroc),
        pixel_auprc: pixels.map(|m| m.auprc),
        pro: pixels.and_then(|m| m.pro),
        best_dice: pixels.map(|m| m.f1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_rank_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let image = |score| ScoredImage { path: "a.png".into(), name: "a".into(), defect: GOOD.into(), score };
        let mut evaluator = Evaluator::new(folder.path());
        for score in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error = evaluator.add(image(score), None, None).unwrap_err().to_string();
            assert_eq!(error, format!("a.png: has the score {score}, which has no rank"));
        }
        let map = Map { width: 2, height: 1, data: vec![0.5, f32::NAN] };
        assert!(evaluator.add(image(0.5), Some(&map), Some(&Mask::empty(2, 1))).is_err());
        assert!(evaluator.finish().unwrap().images.is_empty());
    }
}
