//! Recorded layers: whole, or as a fingerprint that a wrong layer cannot have by chance.
use crate::verify::measure::difference;
use crate::verify::tensors::Tensors;
use crate::{Result, Shape};

/// Values that a fingerprint keeps.
const PICKS: usize = 64;
/// Before them: how many values there are, their mean, their root mean square.
const HEAD: usize = 3;

/// What a layer's output should be.
pub enum Reference {
    /// Every value, (N,C,H,W).
    Whole(Vec<f64>),
    /// Count, mean, root mean square, and the values at the places (i · 2654435761) mod count of the (N,C,H,W) order.
    Fingerprint(Vec<f64>),
}

impl Reference {
    /// The tensor `section/layer` of a file, where it is there: 67 numbers in f64 are a fingerprint.
    pub fn find(file: &Tensors, key: &str) -> Result<Option<Reference>> {
        let Some(values) = file.find(key)? else { return Ok(None) };
        let fingerprint = values.dims == [HEAD + PICKS] && values.double;
        Ok(Some(if fingerprint { Reference::Fingerprint(values.data) } else { Reference::Whole(values.data) }))
    }
    /// NMSE and largest error of an output in device layout. By a fingerprint the NMSE is the largest of three: of the values
    /// kept, and of the squared errors of mean and root mean square, all in units of the layer's mean square. NaN for
    /// another number of values.
    pub fn difference(&self, shape: Shape, found: &[f32]) -> (f64, f64) {
        let Shape { h, w, c, .. } = shape;
        let (hw, pitch) = (h * w, shape.c_pad());
        let at = |i: usize| found.get(i / (c * hw) * hw * pitch + i % hw * pitch + i / hw % c).copied();
        let all = || (0..shape.len()).map(|i| at(i).unwrap_or(f32::NAN));
        let stored = match self {
            Reference::Whole(values) => return difference(&all().collect::<Vec<_>>(), values),
            Reference::Fingerprint(stored) => stored,
        };
        let count = shape.len();
        let (sum, squares) = all().map(f64::from).fold((0.0, 0.0), |(sum, squares), v| (sum + v, squares + v * v));
        let [mean, rms] = [sum / count as f64, (squares / count as f64).sqrt()];
        let picked = (0..PICKS as u64).map(|i| at((i * 2_654_435_761 % count.max(1) as u64) as usize));
        let errors: Vec<f64> = picked.zip(&stored[HEAD..]).map(|(a, b)| f64::from(a.unwrap_or(f32::NAN)) - b).collect();
        let finite =
            stored[0] == count as f64 && errors.iter().chain(stored).all(|v| v.is_finite()) && squares.is_finite();
        if !finite {
            return (f64::NAN, f64::NAN);
        }
        let mean_square = errors.iter().map(|e| e * e).sum::<f64>() / PICKS as f64;
        let error = mean_square.max((mean - stored[1]).powi(2)).max((rms - stored[2]).powi(2));
        let nmse = if error == 0.0 { 0.0 } else { error / (stored[2] * stored[2]).max(f64::MIN_POSITIVE) };
        (nmse, errors.iter().fold(0.0, |worst: f64, e| worst.max(e.abs())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;

    fn fingerprint(t: &Tensor) -> Vec<f64> {
        let count = t.data.len();
        let values: Vec<f64> = t.data.iter().map(|&v| v.into()).collect();
        let mean = values.iter().sum::<f64>() / count as f64;
        let rms = (values.iter().map(|v| v * v).sum::<f64>() / count as f64).sqrt();
        let picks = (0..64u64).map(|i| values[(i * 2_654_435_761 % count as u64) as usize]);
        [count as f64, mean, rms].into_iter().chain(picks).collect()
    }

    #[test]
    fn a_fingerprint_knows_its_layer_and_no_other() {
        let shape = Shape::new(2, 5, 7, 6);
        let t = crate::kernels::testing::random(shape, 3);
        let reference = Reference::Fingerprint(fingerprint(&t));
        let whole = Reference::Whole(t.data.iter().map(|&v| v.into()).collect());
        let of = |t: &Tensor| {
            (reference.difference(t.shape, &t.to_device_layout()).0, whole.difference(t.shape, &t.to_device_layout()).0)
        };
        let (a, b) = of(&t);
        assert!(a < 1e-20 && b == 0.0, "{a:e} {b:e}");
        // Rounding passes, a value between the places does not, nor do swapped channels, another shape or a NaN.
        let changed = |change: &dyn Fn(&mut Tensor)| {
            let mut other = t.clone();
            change(&mut other);
            of(&other)
        };
        let (a, b) = changed(&|t| t.data.iter_mut().for_each(|v| *v *= 1.0 + 1e-6));
        assert!(a < 1e-11 && b < 1e-11, "{a:e} {b:e}");
        for (what, change) in [
            ("one value", (&|t: &mut Tensor| t.data[1] += 1.0) as &dyn Fn(&mut Tensor)),
            ("two channels", &|t| (0..35).for_each(|i| t.data.swap(i, 35 + i))),
            ("a not-a-number", &|t| t.data[1] = f32::NAN),
            ("another shape", &|t| *t = Tensor::zeros(Shape::new(2, 5, 7, 5))),
        ] {
            let (a, b) = changed(change);
            assert!((a.is_nan() || a > 1e-7) && (b.is_nan() || b > 1e-7), "{what}: {a:e} {b:e}");
        }
    }
}
