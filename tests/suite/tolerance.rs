//! How close is close enough, as NMSE = |out − ref|² / |ref|²: the one table of all tests. NaN never passes.
#![allow(dead_code)]

/// Elementwise, resampling, normalisation: one kernel against its f64 half, in f32.
pub const ELEMENTWISE: f64 = 1e-11;
/// Convolution, matrix product, attention: one kernel against its f64 half, in f32.
pub const PRODUCT: f64 = 1e-10;
/// A whole network against the PyTorch golden, in f32.
pub const NETWORK: f64 = 1e-9;
/// A whole network's gradient against the PyTorch golden, in f32.
pub const GRADIENT: f64 = 1e-8;
/// A whole chain against its golden.
pub const CHAIN: f64 = 1e-6;
/// The same graph in two ways: fused or not, checked or trusted, default limits or the adapter's, GPU or processor.
pub const TWO_WAYS: f64 = PRODUCT;

/// |a − b|² / |b|²; infinite for another length, NaN or infinity.
pub fn nmse(a: &[f32], b: &[f32]) -> f64 {
    if a.len() != b.len() {
        return f64::INFINITY;
    }
    let square = |v: f64| v * v;
    let error: f64 = a.iter().zip(b).map(|(a, b)| square(f64::from(*a) - f64::from(*b))).sum();
    let norm: f64 = b.iter().map(|b| square(f64::from(*b))).sum();
    match error / norm {
        e if e.is_finite() => e,
        _ if error == 0.0 => 0.0,
        _ => f64::INFINITY,
    }
}

#[test]
fn nothing_that_is_no_number_passes() {
    assert_eq!(nmse(&[1.0, 2.0], &[1.0, 2.0]), 0.0);
    assert_eq!(nmse(&[0.0], &[0.0]), 0.0);
    assert_eq!(nmse(&[3.0], &[2.0]), 0.25);
    for (a, b) in [(f32::NAN, 1.0), (1.0, f32::NAN), (f32::INFINITY, f32::INFINITY), (1.0, 0.0)] {
        assert_eq!(nmse(&[a], &[b]), f64::INFINITY, "{a} {b}");
    }
    assert_eq!(nmse(&[], &[1.0]), f64::INFINITY);
}
