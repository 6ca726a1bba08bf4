//! The pictures of one attacked image, for the report.
use crate::Result;
use crate::data::{Picture, create_folder, write_bytes};
use crate::detect::attack::{Attacked, Norm};
use crate::eval::robust::PICTURES;
use crate::report::{heatmap, picture};
use std::path::Path;

/// Writes image, adversarial image, perturbation and both maps as 8-bit PNGs into a folder of their own.
pub(super) fn write(folder: &Path, attacked: &Attacked) -> Result<()> {
    create_folder(folder)?;
    let [clean, adversarial] = &attacked.pictures;
    let greatest = attacked.distance(Norm::Linf);
    let change = |(a, b): (&f32, &f32)| match greatest {
        0.0 => 0.5,
        most => (0.5 + 0.5 * (f64::from(*b) - f64::from(*a)) / most) as f32,
    };
    let data = clean.data.iter().zip(&adversarial.data).map(change).collect();
    let perturbation = Picture { data, ..clean.clone() };
    let scale = attacked.maps.iter().flatten().map(|m| m.max()).fold(f32::MIN_POSITIVE, f32::max);
    let map = |side: usize| attacked.maps[side].as_ref().map(|m| heatmap(m, scale));
    let rasters = [Some(picture(clean)), Some(picture(adversarial)), Some(picture(&perturbation)), map(0), map(1)];
    for ((file, _), raster) in PICTURES.iter().zip(rasters).rev() {
        // The first of them comes last: it says that all are there.
        if let Some(raster) = raster {
            write_bytes(&folder.join(file), &raster.png()?)?;
        }
    }
    Ok(())
}
