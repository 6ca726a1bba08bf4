//! From results at the networks' size to those at the images' own, over a whole volume where the system works on volumes.
use super::foreground::{Foregrounds, score_in};
use super::{Finished, Found, Scored, ScoredVolume};
use crate::data::{Map, Picture};
use crate::detect::config::ScoreConfig;
use crate::detect::{Item, ModelFolder, score};
use crate::score::Voxels;
use crate::{Error, Result};

/// What waits for the rest of its volume.
pub struct Pending {
    /// All slices of the volume; none for pictures.
    slices: Vec<Item>,
    found: Vec<Found>,
    /// The system works on volumes.
    whole: bool,
}

type Failed = Box<(Item, Error)>;

impl Pending {
    pub fn new(model: &ModelFolder, slices: Vec<Item>) -> Self {
        let whole = model.config.postprocessing().is_some();
        Pending { slices, found: Vec::new(), whole }
    }
    /// Takes one result, and gives what is finished by it.
    pub fn take(&mut self, found: Found, model: &ModelFolder) -> Result<Vec<Finished>, Failed> {
        let item = found.item.clone();
        let failed = |e| Box::new((item, e));
        if let Some(map) = &found.map
            && !map.data.iter().all(|v| v.is_finite())
        {
            let error = not_finite(&found.item, "map");
            return Err(failed(error));
        }
        let alone = !self.whole && model.config.score != ScoreConfig::Foreground;
        if alone || found.score.is_some() {
            return own_size(found, model, None, true).map(|s| vec![Finished::Image(s)]).map_err(failed);
        }
        if self.slices.is_empty() || !self.whole {
            // A picture is a volume of one slice.
            let one = volume(vec![found.item.clone()], vec![found], model);
            return one.map(|(all, ..)| all.into_iter().map(Finished::Image).collect()).map_err(failed);
        }
        self.found.push(found);
        Ok(Vec::new())
    }
    /// What is finished when all slices have been taken.
    pub fn finish(self, model: &ModelFolder) -> Result<Vec<Finished>, Failed> {
        let Some(first) = self.found.first().map(|f| f.item.clone()) else { return Ok(Vec::new()) };
        // Of slices that failed nothing is known, so the volume is not judged.
        let complete = self.found.len() == self.slices.len();
        let items = self.slices.clone();
        let (slices, score, judged) = volume(self.slices, self.found, model).map_err(|e| Box::new((first, e)))?;
        let whole = Finished::Volume(ScoredVolume { items, score, judged });
        Ok(slices.into_iter().map(Finished::Image).chain(complete.then_some(whole)).collect())
    }
}

/// The slices of a volume after what the system does to it as a whole, the volume's score, and whether anything was left to judge. A slice
/// without a result counts as one without anomalies, and the others say so.
fn volume(items: Vec<Item>, found: Vec<Found>, model: &ModelFolder) -> Result<(Vec<Scored>, f64, bool)> {
    let input = model.config.image()?;
    let (w, h) = (input.width, input.height);
    let none = || Error::Invalid("this system gives no map".into());
    let mut data = vec![0.0; items.len() * w * h];
    let place = |f: &Found| items.iter().position(|i| i.folder == f.item.folder);
    let places: Vec<usize> = found.iter().filter_map(place).collect();
    for (found, &at) in found.iter().zip(&places) {
        data[at * w * h..][..w * h].copy_from_slice(&found.map.as_ref().ok_or_else(none)?.data);
    }
    let mut maps = Voxels::new([items.len(), h, w], data)?;
    let foregrounds = Foregrounds::read(model, &items)?;
    let mut judged = true;
    if let Some(after) = model.config.postprocessing() {
        let inside = after.inside(&foregrounds.voxels);
        judged = inside.as_ref().is_none_or(|inside| inside.data().iter().any(|&v| v));
        maps = after.smooth(maps, inside.as_ref())?;
    }
    let whole = score_in(maps.data(), [h, w], foregrounds.voxels.data(), model.config.score);
    let finds_nothing = model.config.system.has_own_mask();
    judged &= finds_nothing || (whole != 0.0 && maps.data().iter().any(|&v| v != 0.0));
    let mut scored = Vec::new();
    for (mut found, at) in found.into_iter().zip(places.iter().copied()) {
        let range = at * w * h..(at + 1) * w * h;
        found.map = Some(Map::new(w, h, maps.data()[range.clone()].to_vec())?);
        found.picture.warnings.extend(foregrounds.notice.clone());
        if !judged {
            let text = "its map is empty: erosion, median and residual leave nothing of the foreground to judge";
            found.picture.warnings.push(text.into());
        }
        let missing = items.len() - places.len();
        if missing > 0 {
            found.picture.warnings.push(format!("{missing} slices of its volume gave no map and count as normal"));
        }
        scored.push(own_size(found, model, Some(&foregrounds.voxels.data()[range]), judged)?);
    }
    Ok((scored, whole, judged))
}

/// One image brought back to its own size. `foreground` is at the networks' size; `judged` says whether any of it was left.
fn own_size(found: Found, model: &ModelFolder, foreground: Option<&[bool]>, judged: bool) -> Result<Scored> {
    let Found { item, picture, map, reconstruction, interpolated, latent_mask, score: own, seconds } = found;
    let size = (picture.width, picture.height);
    let large = map.as_ref().map(|m| m.resize(size.0, size.1)).transpose()?;
    let large_picture = |p: Option<Picture>| p.map(|p| p.resize(size.0, size.1)).transpose();
    let (reconstruction, interpolated) = (large_picture(reconstruction)?, large_picture(interpolated)?);
    let latent_mask = latent_mask.map(|m| m.resize(size.0, size.1)).transpose()?;
    let by = model.config.score;
    let score = match (own, &map, &large) {
        (Some(score), ..) => score,
        (None, Some(small), _) if by.at_networks_size() => {
            score_in(&small.data, [small.height, small.width], foreground.unwrap_or_default(), by)
        }
        (None, _, Some(large)) => score(&large.data, [large.height, large.width], by),
        _ => return Err(Error::Invalid("this system gives neither a score nor a map".into())),
    };
    if !score.is_finite() {
        return Err(not_finite(&item, "score"));
    }
    let zeros = large.as_ref().is_some_and(|m| m.data.iter().all(|&v| v == 0.0));
    let judged = judged && (!zeros || model.config.system.has_own_mask());
    Ok(Scored { item, picture, map: large, reconstruction, interpolated, latent_mask, score, judged, seconds })
}

/// NaN or infinity in what came out of an image.
fn not_finite(item: &Item, what: &str) -> Error {
    let of = if item.slice.is_some() { format!("slice {}: ", item.name) } else { String::new() };
    Error::file(&item.path, format!("{of}the network gives no finite {what}"))
}
