//! From maps to masks, over a whole volume where the system drops what is too small.
use super::DetectorConfig;
use crate::data::Map;
use crate::score::Voxels;
use crate::{Error, Result};

/// Where each of a volume's maps exceeds the threshold, the system's small components dropped. The maps are all slices of one volume,
/// in order and at their own size, or one picture's; so components count voxels at that size.
/// # Errors
/// [`Error::Invalid`] for maps of several sizes.
pub fn segment(config: &DetectorConfig, maps: &[&Map], threshold: f64) -> Result<Vec<Vec<bool>>> {
    let above: Vec<Vec<bool>> = maps.iter().map(|m| m.mask(threshold as f32)).collect();
    let (Some(after), Some(first)) = (config.postprocessing(), maps.first()) else {
        return Ok(above);
    };
    if maps.iter().any(|m| (m.width, m.height) != (first.width, first.height)) {
        return Err(Error::Invalid("the maps of one volume are of several sizes".into()));
    }
    let whole = Voxels::new([maps.len(), first.height, first.width], above.concat())?;
    let kept = after.segment(&whole).into_data();
    Ok(kept.chunks_exact(first.width * first.height).map(<[bool]>::to_vec).collect())
}
