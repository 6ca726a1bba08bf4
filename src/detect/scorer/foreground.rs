//! The foreground of a volume's slices at the networks' size.
use crate::Result;
use crate::data::Mask;
use crate::detect::config::ScoreConfig;
use crate::detect::{Item, ModelFolder, score};
use crate::score::Voxels;

/// Of every slice of a volume, or of a picture.
pub struct Foregrounds {
    pub voxels: Voxels<bool>,
    /// Where they come from, when anything depends on them.
    pub notice: Option<String>,
}

impl Foregrounds {
    /// Reads them where the system or the score depends on them; otherwise everything is foreground.
    pub fn read(model: &ModelFolder, items: &[Item]) -> Result<Self> {
        let input = model.config.image()?;
        let dims = [items.len(), input.height, input.width];
        if !model.config.judges_foregrounds() {
            return Ok(Foregrounds { voxels: Voxels::new(dims, vec![true; dims.iter().product()])?, notice: None });
        }
        let (mut data, mut notice) = (Vec::with_capacity(dims.iter().product()), None);
        for item in items {
            let (mask, said) = small_foreground(model, item)?;
            data.extend(mask.data);
            notice = Some(said);
        }
        Ok(Foregrounds { voxels: Voxels::new(dims, data)?, notice })
    }
}

/// The score of a map, or of several one after the other, of this size; that of the foreground is the mean inside the mask, 0 where that
/// is empty.
pub fn score_in(map: &[f32], size: [usize; 2], inside: &[bool], by: ScoreConfig) -> f64 {
    if by != ScoreConfig::Foreground {
        return score(map, size, by);
    }
    let (sum, count) = map.iter().zip(inside).filter(|p| *p.1).fold((0.0, 0), |(s, n), p| (s + f64::from(*p.0), n + 1));
    if count > 0 { sum / f64::from(count) } else { 0.0 }
}

/// The foreground of an item at the networks' size, and where it comes from.
fn small_foreground(model: &ModelFolder, item: &Item) -> Result<(Mask, String)> {
    let input = model.config.image()?;
    let (mask, notice) = item.foreground(&model.spec())?;
    Ok((mask.resize(input.width, input.height)?, notice))
}
