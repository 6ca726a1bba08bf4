//! The standard normal distribution.
use std::f64::consts::FRAC_1_SQRT_2;

/// Φ(x) = P(N(0,1) ≤ x).
pub(crate) fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// Φ⁻¹(p): the x with Φ(x) = p; infinite at 0 and 1, NaN outside.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p == 0.0 || p == 1.0 {
        return if p == 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    // By symmetry in the lower half, where Φ is exact to the last digits however small it is.
    if p > 0.5 {
        return -normal_quantile(1.0 - p);
    }
    let (mut low, mut high) = (-39.0, 0.0);
    while high - low > 1e-15 * (1.0 - low) {
        let middle = 0.5 * (low + high);
        if normal_cdf(middle) < p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_are_those_of_scipy() {
        // scipy.stats.norm.cdf and ppf.
        for (x, p) in [
            (-37.5, 4.605353009581954e-308),
            (-5.0, 2.866515718791933e-07),
            (-1.0, 0.15865525393145707),
            (0.0, 0.5),
            (0.3, 0.6179114221889526),
            (2.5, 0.9937903346742238),
        ] {
            assert!((normal_cdf(x) / p - 1.0).abs() < 1e-12, "{x}: {}", normal_cdf(x));
        }
        for (p, x) in [
            (1e-300, -37.0470962993612),
            (1e-12, -7.034483825301131),
            (0.001, -3.090232306167813),
            (0.25, -0.6744897501960817),
            (0.5, 0.0),
            (0.84134474606854, 0.9999999999999879),
            (0.999, 3.090232306167813),
            (0.999999999999, 7.0344869100478356),
        ] {
            assert!((normal_quantile(p) - x).abs() < 1e-12, "{p}: {}", normal_quantile(p));
        }
        assert_eq!((normal_quantile(0.0), normal_quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
        assert!(normal_quantile(-0.1).is_nan() && normal_quantile(f64::NAN).is_nan());
    }
}
