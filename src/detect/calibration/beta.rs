//! Quantiles of the beta distribution with whole parameters, by the binomial distribution.

/// The x with P(Beta(k, n + 1 − k) ≤ x) = p, for 1 ≤ k ≤ n and 0 < p < 1.
pub(super) fn quantile(k: usize, n: usize, p: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if cdf(k, n, middle) < p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// P(Beta(k, n + 1 − k) ≤ x) = P(Bin(n, x) ≥ k): the k-th smallest of n uniform numbers lies below x when k of them do.
fn cdf(k: usize, n: usize, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    // ln C(n, i) xⁱ (1−x)ⁿ⁻ⁱ, from i = 0 on; small terms vanish without harm.
    let (step, mut term, mut below) = ((x / (1.0 - x)).ln(), n as f64 * (-x).ln_1p(), 0.0);
    for i in 0..k {
        below += term.exp();
        term += ((n - i) as f64 / (i + 1) as f64).ln() + step;
    }
    1.0 - below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_scipy() {
        // scipy.stats.beta.ppf(p, k, n + 1 - k).
        for (k, n, p, expected) in [
            (1, 1, 0.95, 0.95),
            (1, 50, 0.95, 0.05815507911697225),
            (2, 50, 0.95, 0.09139813071969738),
            (2, 200, 0.5, 0.008377519429396244),
            (10, 200, 0.95, 0.0772109750173381),
            (50, 1000, 0.95, 0.06175857882817407),
            (1000, 1000, 0.05, 0.9970087504549047),
        ] {
            let x = quantile(k, n, p);
            assert!((x - expected).abs() < 1e-9, "{k} of {n} at {p}: {x}, not {expected}");
        }
    }
}
