//! What a run of `residua detect` left, read again: its maps, and of what each result is.
use crate::data::{Map, Volume, read_map};
use crate::detect::{DetectorConfig, Scope, ScoreOf, config::ScoreConfig, score};
use crate::report::{Record, Results};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// How far a map's score may lie from that of its record, as a part of it: sums are made in another order.
const ROUNDING: f64 = 1e-6;

/// Where a record's map lies, if there is one.
pub(crate) fn map_of(results: &Path, record: &Record) -> PathBuf {
    results.join(&record.folder).join("map.npy")
}

/// Reads a record's map.
/// # Errors
/// As [`read_map`]; [`Error::File`] for a map that does not give the record's score, as an earlier run may have left it.
pub(crate) fn read_map_of(results: &Path, record: &Record) -> Result<Map> {
    let path = map_of(results, record);
    let map = read_map(&path)?;
    let config = DetectorConfig::recorded(&record.parameters).map_err(|e| Error::file(&record.path, e.to_string()))?;
    // A mean over a foreground takes the image, too, and a window the map before it was brought to the image's size.
    let other_size = config.input.as_ref().is_none_or(|i| (i.width, i.height) != (map.width, map.height));
    if config.score == ScoreConfig::Foreground || (config.score.at_networks_size() && other_size) {
        return Ok(map);
    }
    let (own, said) = (score(&map.data, [map.height, map.width], config.score), record.score);
    match (own - said).abs() <= ROUNDING * own.abs().max(said.abs()) {
        true => Ok(map),
        false => Err(Error::file(
            path,
            format!(
                "gives the score {own:.6}, but the result of {} is {said:.6}: the map is of another run; run \
                 `residua detect --maps` again",
                record.name
            ),
        )),
    }
}

/// The axis along which a record's volume was cut; none for a picture, whose folder lies in no other.
pub(crate) fn axis_of(record: &Record) -> Option<usize> {
    let slice = record.folder.contains('/').then(|| Volume::slice_of_name(&record.name));
    slice.flatten().map(|(axis, _)| axis)
}

/// What a record's score is of, and how it was made.
pub(crate) fn scope_of(results: &Results, record: &Record) -> Scope {
    let whole = results.volumes.iter().any(|v| v.path == record.path);
    let axis = axis_of(record);
    let of = match (whole, axis) {
        (true, _) => ScoreOf::Volumes,
        (false, Some(_)) => ScoreOf::Slices,
        (false, None) => ScoreOf::Pictures,
    };
    Scope { of, axis: axis.unwrap_or(2), seed: record.seed }
}
