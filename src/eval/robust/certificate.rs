//! What certificates come to over a set of images.
use super::{Source, Subject};
use crate::data::{Failure, write_bytes};
use crate::eval::measure;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

/// Certified bounds of an image's median score at a radius.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BoundRecord {
    /// The l2 radius, in units of the 0..1 image.
    pub radius: f64,
    /// None when the draws are too few for a bound.
    pub lower: Option<f64>,
    /// None when the draws are too few for a bound.
    pub upper: Option<f64>,
}

/// The certified verdict of an image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certified {
    /// What the smoothed detector says; none where it abstains.
    pub anomalous: Option<bool>,
    /// No perturbation of a smaller l2 norm changes it; 0 without a verdict.
    pub radius: f64,
    /// Draws that agree with the verdict that the first draws chose, and all that certify.
    pub votes: [usize; 2],
}

/// An image that was certified.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CertificateRecord {
    /// The image.
    #[serde(flatten)]
    pub subject: Subject,
    /// The median of its scores under the noise.
    pub median: f64,
    /// The verdict by the threshold; none without one.
    pub verdict: Option<Certified>,
    /// Bounds of the median at each radius, each of the confidence of one image.
    pub bounds: Vec<BoundRecord>,
    /// Its share of the time.
    pub seconds: f64,
}

/// What holds at a radius over all images. Shares are of the images of a kind, and none without labels or without the kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AtRadius {
    /// The l2 radius, in units of the 0..1 image.
    pub radius: f64,
    /// The certified AUROC of the median scores, each image's bounds having the confidence of one image.
    pub auroc: Option<f64>,
    /// Images whose draws are too few for the bound that counts.
    pub unbounded: usize,
    /// The certified AUROC with the confidence holding for the bounds of all images together.
    pub auroc_together: Option<f64>,
    /// Images whose draws are too few for the bound that counts, with that confidence.
    pub unbounded_together: usize,
    /// Images with a verdict that is certified at the radius.
    pub certified: Option<usize>,
    /// Of the anomalous images the share that is certified to be found.
    pub found: Option<f64>,
    /// Of the normal images the share that is certified to pass.
    pub passed: Option<f64>,
}

/// What `certify.json` holds.
#[derive(Clone, Debug, Serialize)]
pub struct CertificateReport {
    /// What it was made from.
    #[serde(flatten)]
    pub source: Source,
    /// The settings of the smoothing, the threshold and the confidence.
    pub certificate: Value,
    /// What the numbers promise, in sentences.
    pub said: Vec<String>,
    /// The AUROC of the median scores, without any perturbation; null without labels of both kinds.
    pub auroc: Option<f64>,
    /// Images without a certified verdict; null without a threshold.
    pub abstained: Option<usize>,
    /// By radius.
    pub radii: Vec<AtRadius>,
    /// In order of path.
    pub images: Vec<CertificateRecord>,
    /// Images that are not in the numbers.
    pub failures: Vec<Failure>,
}

impl CertificateReport {
    /// The numbers of images, in any order; `radii` holds what bounds alone cannot tell ([`AtRadius::auroc`] and its like), by radius.
    pub fn new(
        source: Source,
        certificate: Value,
        mut images: Vec<CertificateRecord>,
        radii: Vec<AtRadius>,
        failures: Vec<Failure>,
    ) -> Self {
        images.sort_by(|a, b| (&a.subject.path, &a.subject.folder).cmp(&(&b.subject.path, &b.subject.folder)));
        let medians: Option<Vec<(f64, bool)>> =
            images.iter().map(|i| Some((i.median, i.subject.anomalous()?))).collect();
        let auroc = medians.and_then(|m| measure(&m)).map(|m| m.auroc);
        let verdicts: Option<Vec<Certified>> = images.iter().map(|i| i.verdict).collect();
        let verdicts = verdicts.filter(|v| !v.is_empty());
        let abstained = verdicts.as_ref().map(|v| v.iter().filter(|v| v.anomalous.is_none()).count());
        let radii = radii.into_iter().map(|at| at.with_verdicts(&images)).collect();
        CertificateReport { source, certificate, said: Vec::new(), auroc, abstained, radii, images, failures }
    }
    /// The object that `certify.json` holds.
    /// # Errors
    /// [`Error::Invalid`] when it cannot be encoded.
    pub fn json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n").map_err(|e| Error::Invalid(e.to_string()))
    }
    /// Writes `certify.json` and `certify.html`.
    /// # Errors
    /// [`Error::Io`] when a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_bytes(&folder.join("certify.json"), self.json()?.as_bytes())?;
        write_bytes(&folder.join("certify.html"), self.html().as_bytes())
    }
}

impl AtRadius {
    /// With what the certified verdicts of the images come to.
    fn with_verdicts(self, images: &[CertificateRecord]) -> Self {
        let all: Option<Vec<(Certified, Option<bool>)>> =
            images.iter().map(|i| Some((i.verdict?, i.subject.anomalous()))).collect();
        let Some(all) = all.filter(|a| !a.is_empty()) else { return self };
        let holds = |v: &Certified| v.anomalous.is_some() && v.radius >= self.radius;
        let share = |kind: bool| {
            let of: Vec<&Certified> = all.iter().filter(|(_, label)| *label == Some(kind)).map(|(v, _)| v).collect();
            let right = of.iter().filter(|v| holds(v) && v.anomalous == Some(kind)).count();
            (!of.is_empty()).then(|| right as f64 / of.len() as f64)
        };
        let certified = all.iter().filter(|(v, _)| holds(v)).count();
        AtRadius { certified: Some(certified), found: share(true), passed: share(false), ..self }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn record(
        name: &str,
        defect: Option<&str>,
        median: f64,
        verdict: Option<(Option<bool>, f64)>,
    ) -> CertificateRecord {
        let subject = super::super::attack::tests::record(name, defect, &[1.0], &[1.0]).subject;
        let verdict = verdict.map(|(anomalous, radius)| Certified { anomalous, radius, votes: [90, 100] });
        let bounds = vec![BoundRecord { radius: 0.2, lower: Some(median - 0.1), upper: None }];
        CertificateRecord { subject, median, verdict, bounds, seconds: 1.5 }
    }

    pub fn at(radius: f64) -> AtRadius {
        let (certified, found, passed) = (None, None, None);
        let (auroc, auroc_together) = (Some(0.9), Some(0.8));
        AtRadius { radius, auroc, unbounded: 1, auroc_together, unbounded_together: 2, certified, found, passed }
    }

    pub fn report(images: Vec<CertificateRecord>) -> CertificateReport {
        let source = Source::new(vec!["in".into()], "folders of images".into(), serde_json::json!({"seed": 0}));
        CertificateReport::new(source, serde_json::json!({"sigma": 0.1}), images, vec![at(0.1), at(0.2)], Vec::new())
    }

    #[test]
    fn verdicts_are_counted_by_radius_and_kind() {
        let r = report(vec![
            record("a1", Some("hole"), 2.0, Some((Some(true), 0.15))),
            record("a2", Some("hole"), 0.5, Some((Some(false), 0.5))),
            record("n1", Some("good"), 1.0, Some((Some(false), 0.3))),
            record("n2", Some("good"), 0.0, Some((None, 0.0))),
        ]);
        assert_eq!((r.auroc, r.abstained), (Some(0.75), Some(1)));
        let [near, far] = &r.radii[..] else { panic!() };
        assert_eq!((near.certified, near.found, near.passed), (Some(3), Some(0.5), Some(0.5)));
        assert_eq!((far.certified, far.found, far.passed), (Some(2), Some(0.0), Some(0.5)));
    }

    #[test]
    fn without_threshold_or_labels_nothing_is_counted() {
        let r = report(vec![record("x", None, 1.0, None)]);
        assert_eq!((r.auroc, r.abstained, r.radii[0].certified), (None, None, None));
        let r = report(vec![record("x", None, 1.0, Some((Some(true), 0.3)))]);
        assert_eq!((r.radii[0].certified, r.radii[0].found, r.radii[0].passed), (Some(1), None, None));
        assert_eq!(report(Vec::new()).abstained, None);
    }
}
