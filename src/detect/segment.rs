//! From maps to masks, over a whole volume where the system drops what is too small.
use super::DetectorConfig;
use crate::data::Map;
use crate::score::{Voxels, otsu};
use crate::{Error, Result};

impl DetectorConfig {
    /// Whether there is anything that maps are cut at: a threshold for pixels, or each map's own.
    pub fn segments(&self) -> bool {
        self.system.cuts_by_otsu() || self.threshold.pixel.is_some()
    }
}

/// Where each of a volume's maps exceeds the threshold for pixels, or its own by Otsu's method, the system's small components
/// dropped; none without a threshold. The maps are all slices of one volume, in order and at their own size, or one picture's; so
/// components count voxels at that size.
/// # Errors
/// [`Error::Invalid`] for maps of several sizes.
pub fn segment(config: &DetectorConfig, maps: &[&Map]) -> Result<Option<Vec<Vec<bool>>>> {
    let own = config.system.cuts_by_otsu();
    // A map that holds what is no number has nothing above anything.
    let cut = |m: &Map| if own { otsu(&m.data).or(Some(f64::INFINITY)) } else { config.threshold.pixel };
    let above: Option<Vec<Vec<bool>>> = maps.iter().map(|m| cut(m).map(|t| m.mask(t as f32))).collect();
    let Some(above) = above else { return Ok(None) };
    let (Some(after), Some(first)) = (config.postprocessing(), maps.first()) else {
        return Ok(Some(above));
    };
    if maps.iter().any(|m| (m.width, m.height) != (first.width, first.height)) {
        return Err(Error::Invalid("the maps of one volume are of several sizes".into()));
    }
    let whole = Voxels::new([maps.len(), first.height, first.width], above.concat())?;
    let kept = after.segment(&whole).into_data();
    Ok(Some(kept.chunks_exact(first.width * first.height).map(<[bool]>::to_vec).collect()))
}
