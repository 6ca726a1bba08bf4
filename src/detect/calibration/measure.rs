//! What a system takes from the maps of normal images.
use super::ScoreOf;
use super::normal::{Seen, distinct, whole};
use crate::data::{Input, Map, hash_files};
use crate::detect::{HealthyLatents, MeanMap, Scorer};
use crate::{Error, Result};

/// The mean of the maps of normal images, of which each distinct one counts once, as in [`super::calibrate`]. The scorer's model gives
/// the maps that the mean is over, see [`crate::detect::System::set_to_measure`].
/// # Errors
/// As [`super::calibrate`].
pub fn measure_mean_map(scorer: &mut Scorer, inputs: &[Input]) -> Result<MeanMap> {
    let input = scorer.model.config.image()?;
    let (width, height) = (input.width, input.height);
    let mut sum = vec![0.0f64; width * height];
    let (images, data) = each_map(scorer, inputs, "no mean map was made", |map| {
        sum.iter_mut().zip(&map.data).for_each(|(sum, &v)| *sum += f64::from(v));
    })?;
    let mean = sum.iter().map(|sum| (sum / images.max(1) as f64) as f32).collect();
    MeanMap::new(scorer.model, Map::new(width, height, mean)?, images, data)
}

/// The divergence of the latents of normal images, of which each distinct one counts once, as in [`super::calibrate`]. The scorer's model
/// gives maps of it, see [`crate::detect::System::set_to_measure`].
/// # Errors
/// As [`super::calibrate`].
pub fn measure_healthy_latents(scorer: &mut Scorer, inputs: &[Input]) -> Result<HealthyLatents> {
    let latent = scorer.model.denoised(1)?;
    let mut values = Vec::new();
    let (images, data) = each_map(scorer, inputs, "no threshold was measured", |map| {
        // A latent is as many pixels as the map was enlarged by: the first of them.
        let first = |i: usize, count: usize, pixels: usize| (i * pixels).div_ceil(count);
        for y in 0..latent.h {
            let row = first(y, latent.h, map.height) * map.width;
            values.extend((0..latent.w).map(|x| map.data[row + first(x, latent.w, map.width)]));
        }
    })?;
    HealthyLatents::new(scorer.model, values, images, data)
}

/// Each distinct map at the networks' size: how many there were, and the hash of the images' files.
fn each_map(
    scorer: &mut Scorer,
    inputs: &[Input],
    otherwise: &str,
    mut take: impl FnMut(&Map),
) -> Result<(usize, String)> {
    let (distinct, of) = match inputs.first() {
        Some(first) => (distinct(inputs)?.0, ScoreOf::of(&scorer.model.config, first)),
        None => return Err(Error::Invalid("there is no image".into())),
    };
    let data = hash_files(distinct.iter().flat_map(|i| i.files.iter().map(|f| &**f)))?;
    let (mut images, mut seen) = (0, Seen::new(scorer, of));
    scorer.maps(&distinct, |item, picture, map| {
        if seen.before(&item.path, picture)?.is_none() {
            images += 1;
            take(map);
        }
        Ok(())
    })?;
    whole(scorer, otherwise)?;
    Ok((images, data))
}
