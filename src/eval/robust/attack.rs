//! The scores of images before and after an attack.
use super::{Source, Subject};
use crate::data::{Failure, write_bytes};
use crate::eval::measure;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

/// An image that was attacked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttackRecord {
    /// The image.
    #[serde(flatten)]
    pub subject: Subject,
    /// Where its score was driven: `lower` or `higher`.
    pub towards: String,
    /// Its scores before, under each fresh draw of the noise.
    pub before: Vec<f64>,
    /// Its scores after, under the same draws.
    pub after: Vec<f64>,
    /// The greatest change of a value, in units of the 0..1 image.
    pub linf: f64,
    /// The l2 norm of the change over the whole image.
    pub l2: f64,
    /// The restart that was the best, from 0 on; none where nothing was better than the image itself, which then stayed.
    pub restart: Option<usize>,
    /// Steps that led nowhere, as the gradient was zero or not finite, of all restarts.
    pub flat_steps: usize,
    /// The image as it was attacked, relative to the output folder.
    pub clean: String,
    /// The adversarial image, relative to the output folder.
    pub adversarial: String,
    /// SHA-256 of the contents of the two files, in hexadecimal.
    pub files_sha256: String,
    /// Its share of the time.
    pub seconds: f64,
}

impl AttackRecord {
    /// The files of the image as it was attacked and of the adversarial one, relative to the output folder.
    pub fn files(&self) -> [&str; 2] {
        [&self.clean, &self.adversarial]
    }
    /// The mean scores, before and after.
    pub fn means(&self) -> [f64; 2] {
        [&self.before, &self.after].map(|s| s.iter().sum::<f64>() / s.len().max(1) as f64)
    }
    /// How far the mean score went where the attack drove it.
    pub fn gain(&self) -> f64 {
        let [before, after] = self.means();
        if self.towards == "lower" { before - after } else { after - before }
    }
}

/// A number over the fresh draws.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Over the draws.
    pub mean: f64,
    /// The least.
    pub lowest: f64,
    /// The greatest.
    pub highest: f64,
    /// Of each draw.
    pub draws: Vec<f64>,
}

impl Spread {
    fn of(draws: Vec<f64>) -> Option<Self> {
        let end = |by: fn(f64, f64) -> f64| draws.iter().copied().reduce(by);
        let (lowest, highest) = (end(f64::min)?, end(f64::max)?);
        Some(Spread { mean: draws.iter().sum::<f64>() / draws.len() as f64, lowest, highest, draws })
    }
}

/// The image AUROC of the detector as it runs, with one draw of its noise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Auroc {
    /// On the images as they were attacked.
    pub before: Spread,
    /// On the adversarial ones.
    pub after: Spread,
}

/// The images that were driven the same way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moved {
    /// `lower` or `higher`.
    pub towards: String,
    /// How many.
    pub images: usize,
    /// The mean of their mean scores.
    pub before: f64,
    /// The same afterwards.
    pub after: f64,
    /// How many of them went where they were driven.
    pub followed: usize,
}

/// What `attack.json` holds.
#[derive(Clone, Debug, Serialize)]
pub struct AttackReport {
    /// What it was made from.
    #[serde(flatten)]
    pub source: Source,
    /// The settings of the attack.
    pub attack: Value,
    /// Null where [`AttackReport::reason`] says why.
    pub auroc: Option<Auroc>,
    /// Why there is no AUROC.
    pub reason: Option<String>,
    /// By direction.
    pub moved: Vec<Moved>,
    /// In order of path.
    pub images: Vec<AttackRecord>,
    /// Images that are not in the numbers.
    pub failures: Vec<Failure>,
}

impl AttackReport {
    /// The numbers of images, in any order.
    pub fn new(source: Source, attack: Value, mut images: Vec<AttackRecord>, failures: Vec<Failure>) -> Self {
        images.sort_by(|a, b| (&a.subject.path, &a.subject.folder).cmp(&(&b.subject.path, &b.subject.folder)));
        let auroc = side(&images, |r| &r.before).zip(side(&images, |r| &r.after));
        let auroc = auroc.map(|(before, after)| Auroc { before, after });
        let reason = auroc.is_none().then(|| match images.iter().all(|i| i.subject.defect.is_some()) {
            true => "an AUROC takes images of both kinds, normal and anomalous".to_owned(),
            false => "the images have no labels".to_owned(),
        });
        let moved = ["lower", "higher"].iter().filter_map(|t| moved(&images, t)).collect();
        AttackReport { source, attack, auroc, reason, moved, images, failures }
    }
    /// The object that `attack.json` holds.
    /// # Errors
    /// [`Error::Invalid`] when it cannot be encoded.
    pub fn json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n").map_err(|e| Error::Invalid(e.to_string()))
    }
    /// Writes `attack.json` and `attack.html`.
    /// # Errors
    /// [`Error::Io`] when a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_bytes(&folder.join("attack.json"), self.json()?.as_bytes())?;
        write_bytes(&folder.join("attack.html"), self.html().as_bytes())
    }
}

/// The AUROC of each draw, where all images have labels and as many draws.
fn side(images: &[AttackRecord], scores: impl Fn(&AttackRecord) -> &Vec<f64>) -> Option<Spread> {
    let draws = scores(images.first()?).len();
    let of = |draw: usize| {
        let one = |r: &AttackRecord| Some((*scores(r).get(draw)?, r.subject.anomalous()?));
        let all: Vec<(f64, bool)> = images.iter().map(one).collect::<Option<_>>()?;
        measure(&all).map(|m| m.auroc)
    };
    Spread::of((0..draws).map(of).collect::<Option<Vec<f64>>>()?)
}

fn moved(images: &[AttackRecord], towards: &str) -> Option<Moved> {
    let of: Vec<&AttackRecord> = images.iter().filter(|r| r.towards == towards).collect();
    let mean = |side: usize| of.iter().map(|r| r.means()[side]).sum::<f64>() / of.len() as f64;
    (!of.is_empty()).then(|| Moved {
        towards: towards.to_owned(),
        images: of.len(),
        before: mean(0),
        after: mean(1),
        followed: of.iter().filter(|r| r.gain() > 0.0).count(),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn record(name: &str, defect: Option<&str>, before: &[f64], after: &[f64]) -> AttackRecord {
        AttackRecord {
            subject: Subject {
                path: format!("in/{name}.png").into(),
                name: name.into(),
                folder: name.into(),
                defect: defect.map(str::to_owned),
                input_sha256: "00".into(),
                warnings: Vec::new(),
            },
            towards: if defect == Some("good") { "higher" } else { "lower" }.into(),
            before: before.to_vec(),
            after: after.to_vec(),
            linf: 0.0078,
            l2: 0.3,
            restart: Some(0),
            flat_steps: 0,
            clean: format!("clean/{name}.npy"),
            adversarial: format!("adversarial/{name}.npy"),
            files_sha256: String::new(),
            seconds: 0.5,
        }
    }

    pub fn report(images: Vec<AttackRecord>) -> AttackReport {
        let source = Source::new(vec!["in".into()], "folders of images".into(), serde_json::json!({"seed": 0}));
        AttackReport::new(source, serde_json::json!({"norm": "linf", "epsilon": 0.0078}), images, Vec::new())
    }

    #[test]
    fn the_auroc_is_that_of_each_draw_and_scores_are_counted_by_direction() {
        let r = report(vec![
            record("n1", Some("good"), &[1.0, 3.0], &[2.5, 3.0]),
            record("a1", Some("hole"), &[2.0, 2.0], &[2.0, 2.0]),
            record("n2", Some("good"), &[0.0, 0.0], &[9.0, 9.0]),
        ]);
        let auroc = r.auroc.unwrap();
        assert_eq!((auroc.before.mean, auroc.before.lowest, auroc.before.highest), (0.75, 0.5, 1.0));
        assert_eq!(auroc.before.draws, [1.0, 0.5]);
        assert_eq!(auroc.after.draws, [0.0, 0.0]);
        let higher = &r.moved[1];
        assert_eq!((higher.images, higher.before, higher.after, higher.followed), (2, 1.0, 5.875, 2));
        assert_eq!((r.moved[0].images, r.moved[0].followed), (1, 0));
        let names: Vec<&str> = r.images.iter().map(|i| &*i.subject.name).collect();
        assert_eq!(names, ["a1", "n1", "n2"]);
    }

    #[test]
    fn without_labels_or_without_both_kinds_there_is_a_reason() {
        let r = report(vec![record("x", None, &[1.0], &[0.5])]);
        assert_eq!((r.auroc, r.reason.as_deref()), (None, Some("the images have no labels")));
        let r = report(vec![record("x", Some("hole"), &[1.0], &[0.5])]);
        assert!(r.auroc.is_none() && r.reason.unwrap().contains("both kinds"));
        assert!(report(Vec::new()).auroc.is_none());
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        let r = record("x", Some("hole"), &[1.0, 0.1], &[0.5, 1e-30]);
        let text = serde_json::to_string(&r).unwrap();
        assert_eq!(serde_json::from_str::<AttackRecord>(&text).unwrap(), r);
    }
}
