//! Tails of the binomial distribution, and what confidence they give: bounds of a probability and of a quantile.

/// P(Bin(n, p) ≥ k): at least `k` of `n` independent trials of probability `p` (0..=1) succeed.
pub(crate) fn at_least(k: usize, n: usize, p: f64) -> f64 {
    if k == 0 || k > n {
        return if k == 0 { 1.0 } else { 0.0 };
    }
    if p <= 0.0 || p >= 1.0 {
        return if p <= 0.0 { 0.0 } else { 1.0 };
    }
    // ln C(n, i) pⁱ (1−p)ⁿ⁻ⁱ, from the nearer end on, as each step rounds; small terms vanish without harm.
    let step = (p / (1.0 - p)).ln();
    if 2 * k > n {
        let (mut term, mut sum) = (n as f64 * p.ln(), 0.0);
        for i in (k..=n).rev() {
            sum += term.exp();
            term += (i as f64 / (n + 1 - i) as f64).ln() - step;
        }
        return sum.min(1.0);
    }
    let (mut term, mut below) = (n as f64 * (-p).ln_1p(), 0.0);
    for i in 0..k {
        below += term.exp();
        term += ((n - i) as f64 / (i + 1) as f64).ln() + step;
    }
    (1.0 - below).max(0.0)
}

/// The x with P(Beta(k, n + 1 − k) ≤ x) = p, for 1 ≤ k ≤ n and 0 < p < 1: the k-th smallest of n uniform numbers lies below x when
/// k of them do. At p = α it is Clopper and Pearson's (1934) lower bound, of confidence 1 − α, of a probability that k of n
/// trials came true by.
pub(crate) fn beta_quantile(k: usize, n: usize, p: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if at_least(k, n, middle) < p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// Clopper and Pearson's lower bound, of confidence 1 − `alpha`, of the probability of a trial that came true `k` times of `n`.
pub(crate) fn lower_bound(k: usize, n: usize, alpha: f64) -> f64 {
    if k == 0 { 0.0 } else { beta_quantile(k, n, alpha) }
}

/// The k for which the k-th smallest of `n` draws is at least their distribution's `p`-quantile with confidence 1 − `alpha`, the
/// least such k of 1..=n; none when n draws are too few for any.
pub(crate) fn rank_above(n: usize, p: f64, alpha: f64) -> Option<usize> {
    // X₍ₖ₎ lies below the quantile when at least k draws do, each with probability p at most.
    first(n, |k| at_least(k, n, p) <= alpha)
}

/// The k for which the k-th smallest of `n` draws is at most their distribution's `p`-quantile with confidence 1 − `alpha`, the
/// greatest such k; none when n draws are too few for any.
pub(crate) fn rank_below(n: usize, p: f64, alpha: f64) -> Option<usize> {
    // The same, seen from the other end.
    rank_above(n, 1.0 - p, alpha).map(|k| n + 1 - k)
}

/// The least of 1..=n that holds, where all above one that holds do.
fn first(n: usize, holds: impl Fn(usize) -> bool) -> Option<usize> {
    let (mut low, mut high) = (1, n + 1);
    while low < high {
        let middle = (low + high) / 2;
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    (low <= n).then_some(low)
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
            let x = beta_quantile(k, n, p);
            assert!((x - expected).abs() < 1e-9, "{k} of {n} at {p}: {x}, not {expected}");
        }
    }

    #[test]
    fn bounds_of_a_probability_are_those_of_scipy() {
        // scipy.stats.beta.ppf(alpha, k, n - k + 1).
        for (k, n, alpha, expected) in [
            (99, 100, 0.001, 0.9113731112960424),
            (100, 100, 0.001, 0.933254300796991),
            (512, 1000, 0.001, 0.46270376267499114),
            (990, 1000, 0.001, 0.9760361871553114),
            (51, 100, 0.05, 0.4234106513021929),
            (99_000, 100_000, 0.001, 0.9889893403774748),
            (7, 20, 1e-6, 0.02918643919401465),
            (20_000, 20_000, 0.001, 0.9996546718755381),
            (19_990, 20_000, 0.001, 0.9987937277791431),
        ] {
            let x = lower_bound(k, n, alpha);
            assert!((x - expected).abs() < 1e-9, "{k} of {n} at {alpha}: {x}, not {expected}");
        }
        assert_eq!(lower_bound(0, 100, 0.001), 0.0);
    }

    #[test]
    fn ranks_around_a_quantile_are_those_of_scipy() {
        // The first k with scipy.stats.binom.sf(k - 1, n, p) <= alpha, and the last with binom.cdf(k - 1, n, 1 - p) <= alpha.
        for (n, p, alpha, above, below) in [
            (100, 0.8413447, 0.001, Some(95), Some(6)),
            (1000, 0.9772498, 0.001, Some(991), Some(10)),
            (1000, 0.5, 0.05, Some(527), Some(474)),
            (50, 0.99, 0.001, None, None),
            (300, 0.9331928, 1e-5, Some(297), Some(4)),
            (10_000, 0.6, 0.001, Some(6152), Some(3849)),
        ] {
            assert_eq!((rank_above(n, p, alpha), rank_below(n, 1.0 - p, alpha)), (above, below), "{n} {p} {alpha}");
        }
        assert_eq!((rank_above(3, 0.0, 0.1), rank_above(3, 1.0, 0.1)), (Some(1), None));
        assert_eq!((rank_below(3, 1.0, 0.1), rank_below(3, 0.0, 0.1)), (Some(3), None));
    }
}
