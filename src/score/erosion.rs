//! The rim of the brain, where every reconstruction errs, is cut off.
use super::Voxels;
use crate::Result;
use rayon::prelude::*;

/// Erodes a mask slice by slice with the cross of four neighbours, so many times; 0 leaves it as it is.
///
/// `scipy.ndimage.binary_erosion` of every slice with its default structure and border value: what lies outside the
/// slice counts as background. (There, 0 iterations mean "until nothing changes"; here they mean none.) pDDPM's public
/// code takes the slice's side divided by 25, rounded down.
pub fn erode(mask: &Voxels<bool>, iterations: usize) -> Voxels<bool> {
    let [_, height, width] = mask.dims();
    let mut data = mask.data().to_vec();
    if iterations > 0 {
        data.par_chunks_mut(height * width).for_each(|slice| {
            let steps = steps_to_background(slice, width);
            slice.iter_mut().zip(steps).for_each(|(inside, steps)| *inside = steps > iterations);
        });
    }
    mask.with(data)
}

/// How many steps along rows and columns lead from each pixel to the nearest background; 0 on the background. A pixel
/// survives as many erosions as it has steps, less one.
fn steps_to_background(slice: &[bool], width: usize) -> Vec<usize> {
    let height = slice.len() / width;
    let mut steps = vec![0; slice.len()];
    // Nearest background above or to the left, then any: two passes are exact for this distance.
    for at in (0..slice.len()).filter(|&at| slice[at]) {
        let above = if at < width { 0 } else { steps[at - width] };
        let left = if at % width == 0 { 0 } else { steps[at - 1] };
        steps[at] = 1 + above.min(left);
    }
    for at in (0..slice.len()).rev().filter(|&at| slice[at]) {
        let below = if at / width == height - 1 { 0 } else { steps[at + width] };
        let right = if at % width == width - 1 { 0 } else { steps[at + 1] };
        steps[at] = steps[at].min(1 + below.min(right));
    }
    steps
}

/// The map inside the mask, zero outside.
/// # Errors
/// [`crate::Error::Invalid`] when the two differ in their axes.
pub fn masked(map: &Voxels<f32>, mask: &Voxels<bool>) -> Result<Voxels<f32>> {
    map.check_same(mask)?;
    let data = map.data().iter().zip(mask.data()).map(|(&value, &inside)| if inside { value } else { 0.0 });
    Ok(map.with(data.collect()))
}
