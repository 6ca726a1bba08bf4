//! The two resamplings of the field: PIL's antialiased triangle filter, and PyTorch's plain half-pixel bilinear.
use crate::kernels::axis_map::Taps;
use crate::{Error, Result};

/// (width, height).
type Size = (usize, usize);

/// PIL's `Image.resize(.., BILINEAR)` on mode `F`, channel by channel: a triangle filter whose support grows with the
/// downscale factor, weights normalised, first along rows, then along columns, f64 sums stored as f32 between.
///
/// `data` is row, column, channel; sizes are (width, height).
/// # Errors
/// [`Error::Invalid`] when a side is zero, the lengths do not fit, or the result exceeds [`super::MAX_PIXELS`].
pub fn resize_triangle(data: &[f32], from: Size, channels: usize, to: Size) -> Result<Vec<f32>> {
    check(data, from, channels, to)?;
    // Like PIL, a pass that changes nothing is left out.
    let wide = if from.0 == to.0 {
        data.to_vec()
    } else {
        let taps = Taps::triangle(from.0, to.0).outputs;
        let mut out = Vec::with_capacity(to.0 * from.1 * channels);
        for row in data.chunks_exact(from.0 * channels) {
            for tap in &taps {
                for c in 0..channels {
                    let sum: f64 = tap
                        .weights
                        .iter()
                        .enumerate()
                        .map(|(i, w)| w * f64::from(row[(tap.first + i) * channels + c]))
                        .sum();
                    out.push(sum as f32);
                }
            }
        }
        out
    };
    if from.1 == to.1 {
        return Ok(wide);
    }
    let row_len = to.0 * channels;
    let mut out = Vec::with_capacity(row_len * to.1);
    let mut sums = vec![0.0; row_len];
    for tap in Taps::triangle(from.1, to.1).outputs {
        sums.fill(0.0);
        for (i, w) in tap.weights.iter().enumerate() {
            let row = &wide[(tap.first + i) * row_len..][..row_len];
            for (sum, &v) in sums.iter_mut().zip(row) {
                *sum += w * f64::from(v);
            }
        }
        out.extend(sums.iter().map(|&s| s as f32));
    }
    Ok(out)
}

/// PyTorch's `F.interpolate(.., mode="bilinear", align_corners=False, antialias=False)`: half-pixel centres, edges
/// clamped, no smoothing when shrinking. For maps.
///
/// `data` is row, column, channel; sizes are (width, height).
/// # Errors
/// [`Error::Invalid`] when a side is zero, the lengths do not fit, or the result exceeds [`super::MAX_PIXELS`].
pub fn resize_bilinear(data: &[f32], from: Size, channels: usize, to: Size) -> Result<Vec<f32>> {
    check(data, from, channels, to)?;
    let columns = bilinear_taps(from.0, to.0);
    let mut out = Vec::with_capacity(to.0 * to.1 * channels);
    for (y0, y1, fy) in bilinear_taps(from.1, to.1) {
        for &(x0, x1, fx) in &columns {
            for c in 0..channels {
                let at = |y: usize, x: usize| data[(y * from.0 + x) * channels + c];
                let top = (1.0 - fx) * at(y0, x0) + fx * at(y0, x1);
                let bottom = (1.0 - fx) * at(y1, x0) + fx * at(y1, x1);
                out.push((1.0 - fy) * top + fy * bottom);
            }
        }
    }
    Ok(out)
}

/// The two source positions of each destination position and the weight of the second.
fn bilinear_taps(from: usize, to: usize) -> Vec<(usize, usize, f32)> {
    let scale = from as f32 / to as f32;
    (0..to)
        .map(|x| {
            let at = (scale * (x as f32 + 0.5) - 0.5).max(0.0);
            // Rounding in f32 may reach one past the end for very long sides.
            let first = (at as usize).min(from - 1);
            (first, (first + 1).min(from - 1), (at - first as f32).clamp(0.0, 1.0))
        })
        .collect()
}

fn check(data: &[f32], from: Size, channels: usize, to: Size) -> Result<()> {
    let len = from.0.checked_mul(from.1).and_then(|n| n.checked_mul(channels));
    if len != Some(data.len()) || data.is_empty() {
        return Err(Error::Invalid(format!("{} values are not {}x{}x{channels}", data.len(), from.0, from.1)));
    }
    match (to.0 as u64).checked_mul(to.1 as u64) {
        Some(1..=super::MAX_PIXELS) => Ok(()),
        _ => Err(Error::Invalid(format!("cannot resize to {}x{}", to.0, to.1))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with Pillow 13.0 and PyTorch 2.15 from the same 7x5 image.
    const PIL_3X2: [f32; 6] = [0.4418831, 0.3631016, 0.4383117, 0.4097403, 0.3925134, 0.4133117];
    const PIL_4X9: [f32; 36] = [
        0.4333333, 0.42, 0.384, 0.4571429, 0.4492064, 0.384, 0.36, 0.4650794, 0.4756614, 0.324, 0.32, 0.4783069,
        0.4703704, 0.344, 0.36, 0.4597884, 0.4571429, 0.384, 0.42, 0.4333333, 0.3460318, 0.4751111, 0.4088889,
        0.3671958, 0.273545, 0.5471111, 0.3786667, 0.3396825, 0.3555556, 0.5426667, 0.272, 0.4666667, 0.4047619, 0.54,
        0.208, 0.5428572,
    ];
    const TORCH_3X2: [f32; 6] = [0.6916666, 0.45, 0.6250002, 0.1666667, 0.075, 0.3083333];
    const TORCH_9X6: [f32; 54] = [
        0.0, 0.6666667, 0.6, 0.2111112, 0.6, 0.3666666, 0.3, 0.4000001, 0.6, 0.075, 0.6916667, 0.5666667, 0.1194445,
        0.45, 0.1583333, 0.4916669, 0.6249999, 0.225, 0.3916667, 0.525, 0.4064815, 0.250926, 0.5166667, 0.1601851,
        0.5814817, 0.6805554, 0.04166668, 0.5166667, 0.2888889, 0.3601851, 0.5472222, 0.3916668, 0.3268518, 0.5305557,
        0.5138888, 0.125, 0.45, 0.1666667, 0.4583333, 0.7944443, 0.075, 0.4444445, 0.3694444, 0.3083334, 0.475, 0.6,
        0.2666667, 0.5, 0.7777777, 0.0, 0.3111112, 0.1777777, 0.3333335, 1.0,
    ];

    fn image() -> Vec<f32> {
        (0..35).map(|i| ((7 * i * i + 3 * i) % 11) as f32 / 10.0).collect()
    }

    fn assert_close(got: &[f32], want: &[f32]) {
        assert_eq!(got.len(), want.len());
        for (i, (g, w)) in got.iter().zip(want).enumerate() {
            assert!((g - w).abs() < 2e-6, "{i}: {g} {w}");
        }
    }

    #[test]
    fn triangle_agrees_with_pillow() {
        assert_close(&resize_triangle(&image(), (7, 5), 1, (3, 2)).unwrap(), &PIL_3X2);
        assert_close(&resize_triangle(&image(), (7, 5), 1, (4, 9)).unwrap(), &PIL_4X9);
    }

    #[test]
    fn bilinear_agrees_with_pytorch() {
        assert_close(&resize_bilinear(&image(), (7, 5), 1, (3, 2)).unwrap(), &TORCH_3X2);
        assert_close(&resize_bilinear(&image(), (7, 5), 1, (9, 6)).unwrap(), &TORCH_9X6);
    }

    #[test]
    fn channels_do_not_mix_and_same_size_is_a_copy() {
        let gray = image();
        let rgb: Vec<f32> = gray.iter().flat_map(|&v| [v, 1.0 - v, 0.5]).collect();
        let both = [resize_triangle as fn(&[f32], Size, usize, Size) -> _, resize_bilinear];
        for resize in both {
            let small = resize(&rgb, (7, 5), 3, (4, 3)).unwrap();
            let red: Vec<f32> = small.iter().copied().step_by(3).collect();
            assert_eq!(red, resize(&gray, (7, 5), 1, (4, 3)).unwrap());
            assert!(small.iter().skip(2).step_by(3).all(|v| (v - 0.5).abs() < 1e-6));
            assert_eq!(resize(&gray, (7, 5), 1, (7, 5)).unwrap(), gray);
        }
    }

    #[test]
    fn impossible_sizes_are_refused() {
        assert!(resize_triangle(&image(), (7, 5), 1, (0, 3)).is_err());
        assert!(resize_triangle(&image(), (7, 4), 1, (3, 3)).is_err());
        assert!(resize_bilinear(&[], (0, 0), 1, (3, 3)).is_err());
        assert!(resize_bilinear(&image(), (7, 5), 1, (usize::MAX, 2)).is_err());
    }
}
