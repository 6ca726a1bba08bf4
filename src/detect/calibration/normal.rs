//! Normal images scored, for a calibration.
use super::{Calibration, PixelHistogram, Scope, ScoreOf};
use crate::data::{Input, Picture, hash_files};
use crate::detect::dte::fitted_to;
use crate::detect::{Finished, MeanMap, Scorer};
use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

/// Files that show the same image as one before them, each with that one.
type Equal = Vec<(PathBuf, PathBuf)>;

/// A calibration, and what was left out of it.
pub struct Calibrated {
    /// The calibration, in which each distinct image counts once.
    pub calibration: Calibration,
    /// Files that show the same image as one before them, with that one.
    pub equal: Vec<(PathBuf, PathBuf)>,
    /// Of each volume whose slices are judged one by one, the highest score.
    pub highest: Vec<f64>,
}

/// Scores normal images that the model was not trained on. A system that works on volumes is calibrated by the scores of volumes. An
/// image that is there twice, by the bytes of its files or by its pixels, counts once: a copy tells nothing about others.
/// # Errors
/// [`Error::File`] for an image that fails: a rate is promised for what was asked for, and it may be the one that is hardest.
/// So for one that the model was fitted to, as far as it knows them, whose score is too low.
/// [`Error::Invalid`] for pictures and volumes together, whose scores are not of the same kind.
pub fn calibrate(scorer: &mut Scorer, inputs: &[Input]) -> Result<Calibrated> {
    let config = &scorer.model.config;
    let of = inputs.first().map_or(ScoreOf::Pictures, |i| ScoreOf::of(config, i));
    if let Some(other) = inputs.iter().find(|i| ScoreOf::of(config, i) != of) {
        let (a, b) = (inputs[0].path.display(), other.path.display());
        let fault = "one is a volume and the other is not: calibrate with what will be judged, one of the two";
        return Err(Error::Invalid(format!("{a} and {b}: {fault}")));
    }
    let (distinct, mut equal) = distinct(inputs)?;
    let data = hash_files(distinct.iter().flat_map(|i| i.files.iter().map(|f| &**f)))?;
    let (mut scores, mut pixels) = (Vec::new(), PixelHistogram::default());
    let mut seen = Seen::new(scorer, of);
    let others = leave_one_out(scorer, &data)?;
    let (mut highest, mut volume): (Vec<f64>, PathBuf) = Default::default();
    scorer.run(&distinct, |finished| {
        match finished {
            Finished::Image(scored) => {
                let path = &scored.item.path;
                if let Some(first) = seen.before(path, &scored.picture)? {
                    equal.push((path.clone(), first));
                    return Ok(());
                }
                if let Some(map) = scored.map {
                    if of == ScoreOf::Pictures && !scored.judged {
                        return Err(empty(path));
                    }
                    let values: Vec<f32> = map.data.iter().map(|v| v * others as f32).collect();
                    pixels.add(&values);
                }
                if of == ScoreOf::Slices {
                    // Slices of one volume come one after the other.
                    let score = scored.score * others;
                    match highest.last_mut().filter(|_| *path == volume) {
                        Some(so_far) => *so_far = so_far.max(score),
                        None => highest.push(score),
                    }
                    volume.clone_from(path);
                }
                if of != ScoreOf::Volumes {
                    scores.push(scored.score * others);
                }
            }
            Finished::Volume(volume) if !volume.judged => return Err(empty(&volume.items[0].path)),
            Finished::Volume(volume) => scores.push(volume.score * others),
        }
        Ok(())
    })?;
    scorer.notices.tell();
    whole(scorer, "nothing was calibrated")?;
    if let Some(path) = scorer.fitted_to.first() {
        let said = fitted_to(scorer.fitted_to.len(), scores.len(), "images");
        return Err(Error::file(path, format!("nothing was calibrated: {said}; calibrate with others")));
    }
    let scope = Scope { of, axis: scorer.options.axis, seed: scorer.options.seed };
    let mut calibration = Calibration::new(scorer.model, scores, &pixels, data, scope)?;
    calibration.float_range = scorer.float_range();
    Ok(Calibrated { calibration, equal, highest })
}

/// Of an image or a volume in which nothing was judged.
fn empty(path: &Path) -> Error {
    Error::file(path, "nothing was calibrated: its map is empty, so that it tells nothing about normal images")
}

/// What a score is to be multiplied by, so that each image is judged by the mean map of the others, as any image to come is: the distance
/// of Eᵢ from the mean of the others is n/(n − 1) times that from the mean of all n, and scores grow with their maps. It is 1 without
/// a mean map, and where that is of other images.
fn leave_one_out(scorer: &Scorer, data_sha256: &str) -> Result<f64> {
    match scorer.model.networks.mean_map.as_ref().filter(|m| m.data_sha256 == data_sha256) {
        None => Ok(1.0),
        Some(MeanMap { images: 1, .. }) => {
            let path = MeanMap::path(&scorer.model.path);
            Err(Error::file(
                path,
                "is of the one image that is to be judged by it: two normal images are needed at least",
            ))
        }
        Some(mean) => Ok(mean.images as f64 / (mean.images as f64 - 1.0)),
    }
}

/// Refuses to go on where an image failed.
pub(super) fn whole(scorer: &Scorer, what: &str) -> Result<()> {
    let Some(f) = scorer.failures.first() else { return Ok(()) };
    let more = scorer.failures.len() - 1;
    let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    Err(Error::file(&f.path, format!("{what}, this image failed{more}: {}", f.error)))
}

/// The pictures that were met, by their pixels.
pub(super) struct Seen {
    channels: usize,
    of: ScoreOf,
    first: HashMap<[u8; 32], PathBuf>,
}

impl Seen {
    pub fn new(scorer: &Scorer, of: ScoreOf) -> Self {
        Seen { channels: scorer.spec().channels, of, first: HashMap::new() }
    }
    /// The file that showed the same picture before. Slices of volumes are not looked at.
    pub fn before(&mut self, path: &Path, picture: &Picture) -> Result<Option<PathBuf>> {
        if self.of != ScoreOf::Pictures {
            return Ok(None);
        }
        match self.first.entry(hash(picture.to_channels(self.channels)?)) {
            Entry::Occupied(first) => Ok(Some(first.get().clone())),
            Entry::Vacant(place) => {
                place.insert(path.to_owned());
                Ok(None)
            }
        }
    }
}

/// The inputs whose files have contents of their own, and the others, each with the first of the same contents.
pub(super) fn distinct(inputs: &[Input]) -> Result<(Vec<Input>, Equal)> {
    let mut first: HashMap<String, &Path> = HashMap::new();
    let (mut kept, mut equal) = (Vec::new(), Vec::new());
    for input in inputs {
        let contents = hash_files(input.files.iter().map(|f| &**f))?;
        match first.get(&contents) {
            Some(path) => equal.push((input.path.clone(), path.to_path_buf())),
            None => {
                first.insert(contents, &input.path);
                kept.push(input.clone());
            }
        }
    }
    Ok((kept, equal))
}

/// SHA-256 over a picture's size and its values in 16 bits: a grey picture may be stored in colour.
fn hash(picture: Picture) -> [u8; 32] {
    let mut all = Sha256::new();
    for size in [picture.width, picture.height] {
        all.update((size as u64).to_le_bytes());
    }
    let values: Vec<u8> = picture.data.iter().flat_map(|v| ((v * 65535.0).round() as i32).to_le_bytes()).collect();
    all.update(&values);
    all.finalize().into()
}
