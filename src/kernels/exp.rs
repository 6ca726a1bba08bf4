//! eˣ in f32 for loops that the compiler turns into vectors: the C library's is a call per value.

/// eˣ to two units in the last place; 0 where the result would be subnormal, infinity above f32's range, NaN for NaN.
///
/// Cephes' `expf`: x = n·ln 2 + r with |r| ≤ ½ ln 2 (Cody and Waite, ln 2 in two parts), a polynomial for eʳ, n added to
/// the exponent's bits.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding 1.5·2²³ rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5e-1;
    let y = p * (r * r) + r + 1.0;
    let y = f32::from_bits(y.to_bits().wrapping_add(shifted.to_bits() << 23));
    // Selections, not branches: outside this range n does not fit the exponent.
    let y = if x < -87.336_54 { 0.0 } else { y };
    let y = if x > 88.722_83 { f32::INFINITY } else { y };
    if x.is_nan() { x } else { y }
}

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn close_to_the_library_over_the_whole_range() {
        for i in -87_300..88_700 {
            let x = i as f32 / 1000.0 + 1e-4;
            let reference = f64::from(x).exp();
            let error = (f64::from(exp(x)) - reference).abs() / reference;
            assert!(error < 2.4e-7, "exp({x}) is off by {error:e}");
        }
    }

    #[test]
    fn ends_and_special_values() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-200.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(200.0), f32::INFINITY);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert!(exp(88.722).is_finite() && exp(-87.336).is_normal());
        assert!(exp(f32::NAN).is_nan());
    }
}
