//! How far a result is from its reference.
use serde::Serialize;

/// One output, compared.
#[derive(Clone, Debug, Serialize)]
pub struct Deviation {
    /// The output's name in the golden.
    pub output: String,
    /// |out − ref|² / |ref|²; null in JSON when it is no number.
    pub nmse: f64,
    /// The largest |out − ref|; null in JSON when it is no number.
    pub worst: f64,
    /// The largest NMSE that passes.
    pub tolerance: f64,
    /// Within tolerance.
    pub ok: bool,
}

/// Compares values in the reference's order. Another number of values, a NaN or an infinity on either side never passes.
pub fn deviation(output: &str, found: &[f32], reference: &[f64], tolerance: f64) -> Deviation {
    let (nmse, worst) = difference(found, reference);
    Deviation { output: output.to_owned(), nmse, worst, tolerance, ok: nmse <= tolerance }
}

/// NMSE and largest |found − reference|; both NaN for another number of values and for what is no number.
pub fn difference(found: &[f32], reference: &[f64]) -> (f64, f64) {
    let (mut error, mut norm, mut worst) = (0.0f64, 0.0f64, 0.0f64);
    let mut finite = found.len() == reference.len();
    for (&a, &b) in found.iter().zip(reference) {
        let d = f64::from(a) - b;
        finite &= d.is_finite();
        error += d * d;
        norm += b * b;
        worst = worst.max(d.abs());
    }
    match (finite, error == 0.0) {
        (false, _) => (f64::NAN, f64::NAN),
        (true, true) => (0.0, 0.0),
        (true, false) => (error / norm.max(f64::MIN_POSITIVE), worst),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finite_and_close_passes() {
        let of = |found: &[f32], data: &[f64]| deviation("out", found, data, 1e-3);
        let d = of(&[3.0, 4.5], &[3.0, 4.0]);
        assert_eq!((d.nmse, d.worst, d.ok), (0.01, 0.5, false));
        assert!(of(&[0.0], &[0.0]).ok && !of(&[1e-9], &[0.0]).ok);
        assert!(!of(&[f32::NAN], &[0.0]).ok && !of(&[1.0], &[f64::NAN]).ok);
        assert!(!of(&[f32::INFINITY], &[f64::INFINITY]).ok && !of(&[1.0], &[1.0, 1.0]).ok);
        assert!(!deviation("out", &[1.0], &[1.0], f64::NAN).ok);
    }
}
