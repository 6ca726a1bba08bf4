//! A certified verdict: Cohen, Rosenfeld and Kolter, *Certified adversarial robustness via randomized smoothing* (ICML 2019), for the
//! two verdicts of a threshold.
use super::{Draws, Smoothing};
use crate::eval::{lower_bound, normal_quantile};
use serde::Serialize;

/// What the smoothed detector says of an image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// Whether most draws lie above the threshold; none when the draws do not certify either verdict.
    pub anomalous: Option<bool>,
    /// No perturbation of a smaller l2 norm changes the verdict; in units of the 0..1 image, 0 without a verdict.
    pub radius: f64,
    /// The draws that certify which agree with the verdict that the first draws chose, and how many there are.
    pub votes: [usize; 2],
}

impl Decision {
    /// CERTIFY of the paper: the first draws choose a verdict, Clopper and Pearson's bound over the others is the least probability
    /// p of it, and for p above one half the radius is sigma·Φ⁻¹(p). A score above `threshold` is anomalous.
    pub fn of(draws: &Draws, threshold: f64, by: &Smoothing) -> Self {
        let above = |scores: &[f64]| scores.iter().filter(|s| **s > threshold).count();
        let chosen = 2 * above(&draws.first) > draws.first.len();
        let (above, n) = (above(&draws.scores), draws.scores.len());
        let votes = if chosen { above } else { n - above };
        let p = lower_bound(votes, n, by.alpha);
        match p > 0.5 {
            true => Decision { anomalous: Some(chosen), radius: by.sigma * normal_quantile(p), votes: [votes, n] },
            false => Decision { anomalous: None, radius: 0.0, votes: [votes, n] },
        }
    }
    /// Whether the verdict is certified at a radius, and is this one.
    pub fn holds(&self, anomalous: bool, radius: f64) -> bool {
        self.anomalous == Some(anomalous) && self.radius >= radius
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::noise::standard_normals;

    /// The scores of the linear detector w·x with ‖w‖ = `slope`, at an image of score `own`.
    fn linear(own: f64, slope: f64, by: &Smoothing, seed: u64) -> Draws {
        let mut scores = standard_normals(seed, 0, 0, by.first + by.draws);
        scores.iter_mut().for_each(|z| *z = own + slope * by.sigma * *z);
        let certify = scores.split_off(by.first);
        Draws { first: scores, scores: certify }
    }

    #[test]
    fn the_radius_of_a_linear_detector_stays_below_its_true_one_and_comes_near() {
        let by = Smoothing { sigma: 0.25, first: 100, draws: 20_000, alpha: 0.001 };
        // Score 1.5 against a threshold of 1 with slope 2: the border is 0.25 away.
        for (own, anomalous) in [(1.5, true), (0.5, false)] {
            let found = Decision::of(&linear(own, 2.0, &by, 3), 1.0, &by);
            assert_eq!(found.anomalous, Some(anomalous));
            assert!(found.radius < 0.25 && found.radius > 0.235, "{found:?}");
            assert!(found.holds(anomalous, 0.2) && !found.holds(!anomalous, 0.2) && !found.holds(anomalous, 0.25));
        }
        let far = Decision::of(&linear(9.0, 2.0, &by, 3), 1.0, &by);
        assert!((far.radius - by.reach(by.alpha)).abs() < 1e-9 && far.votes == [20_000; 2], "{far:?}");
        let on_the_border = Decision::of(&linear(1.0, 2.0, &by, 3), 1.0, &by);
        assert_eq!((on_the_border.anomalous, on_the_border.radius), (None, 0.0));
    }

    #[test]
    fn certificates_are_wrong_as_seldom_as_promised() {
        let by = Smoothing { sigma: 0.25, first: 10, draws: 100, alpha: 0.05 };
        let trials = 4000;
        let wrong = (0..trials).filter(|t| Decision::of(&linear(1.2, 2.0, &by, *t), 1.0, &by).radius > 0.1).count();
        // Three standard errors above the promise.
        let most = 0.05 + 3.0 * (0.05 * 0.95 / trials as f64).sqrt();
        assert!((wrong as f64) < most * trials as f64 && wrong > 0, "{wrong}");
    }
}
