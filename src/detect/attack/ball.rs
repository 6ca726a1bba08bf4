//! Where an adversarial image may lie: within epsilon of the image by a norm, and within 0..1.
use serde::{Deserialize, Serialize};

/// How the size of a perturbation is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// The greatest change of any value.
    Linf,
    /// The root of the summed squares of all values' changes, over the whole image.
    L2,
}

impl Norm {
    /// What `--norm` and reports call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Norm::Linf => "linf",
            Norm::L2 => "l2",
        }
    }
    /// The norm of numbers.
    pub fn of(self, values: impl Iterator<Item = f64>) -> f64 {
        match self {
            Norm::Linf => values.fold(0.0, |most, v| most.max(v.abs())),
            Norm::L2 => values.map(|v| v * v).sum::<f64>().sqrt(),
        }
    }
    /// The norm of the difference of two images.
    pub fn distance(self, a: &[f32], b: &[f32]) -> f64 {
        self.of(a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b)))
    }
    /// The change of norm 1 along which a function grows fastest, given its gradient; zero where the gradient is zero or not finite.
    pub fn steepest(self, gradient: &[f32]) -> Vec<f64> {
        let size = Norm::L2.of(gradient.iter().map(|g| f64::from(*g)));
        let direction = |g: &f32| match self {
            _ if size == 0.0 || !size.is_finite() => 0.0,
            Norm::Linf if *g == 0.0 => 0.0,
            Norm::Linf => f64::from(g.signum()),
            Norm::L2 => f64::from(*g) / size,
        };
        gradient.iter().map(direction).collect()
    }
}

/// All images within `epsilon` of one, whose values lie in 0..1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ball {
    /// How distance is measured.
    pub norm: Norm,
    /// The greatest distance, in units of the 0..1 image; above 0.
    pub epsilon: f64,
}

impl Ball {
    /// Whether an image is in the ball around another, exactly: single-precision values, their differences in double precision.
    pub fn holds(&self, centre: &[f32], image: &[f32]) -> bool {
        self.norm.distance(centre, image) <= self.epsilon && image.iter().all(|v| (0.0..=1.0).contains(v))
    }
    /// The point of the ball that is nearest to `point` in the Euclidean distance, rounded towards the centre, so that it is in the
    /// ball. The centre's values lie in 0..1.
    ///
    /// In l2 the nearest point of ball and box together is not that of one after the other: it is c + s·(p − c) clipped to the box,
    /// for the greatest s up to 1 whose distance from c is within epsilon (the Karush-Kuhn-Tucker conditions).
    pub fn nearest(&self, centre: &[f32], point: &[f64]) -> Vec<f32> {
        let box_of = |c: f32, change: f64| (f64::from(c) + change).clamp(0.0, 1.0);
        let changes: Vec<f64> = centre.iter().zip(point).map(|(c, p)| p - f64::from(*c)).collect();
        let at =
            |s: f64| -> Vec<f32> { centre.iter().zip(&changes).map(|(c, d)| towards(*c, box_of(*c, s * d))).collect() };
        match self.norm {
            Norm::Linf => {
                let clamped = |(c, d): (&f32, &f64)| {
                    let mut y = towards(*c, box_of(*c, d.clamp(-self.epsilon, self.epsilon)));
                    // Sums in double precision round, too.
                    while (f64::from(y) - f64::from(*c)).abs() > self.epsilon {
                        y = one_nearer(*c, y);
                    }
                    y
                };
                centre.iter().zip(&changes).map(clamped).collect()
            }
            Norm::L2 => {
                let size =
                    |s: f64| self.norm.of(centre.iter().zip(&changes).map(|(c, d)| box_of(*c, s * d) - f64::from(*c)));
                let (mut low, mut high) = (0.0, 1.0);
                if size(1.0) <= self.epsilon {
                    low = 1.0;
                } else {
                    for _ in 0..60 {
                        let middle = 0.5 * (low + high);
                        if size(middle) <= self.epsilon { low = middle } else { high = middle }
                    }
                }
                let mut found = at(low);
                while !self.holds(centre, &found) {
                    low *= 1.0 - 1e-9;
                    found = at(low);
                }
                found
            }
        }
    }
}

/// The single-precision number between `centre` and `value` that is nearest to `value`.
fn towards(centre: f32, value: f64) -> f32 {
    let rounded = value as f32;
    let beyond = (f64::from(rounded) - f64::from(centre)).abs() > (value - f64::from(centre)).abs();
    if beyond { one_nearer(centre, rounded) } else { rounded }
}

/// The next single-precision number towards the centre.
fn one_nearer(centre: f32, value: f32) -> f32 {
    if value > centre {
        value.next_down()
    } else if value < centre {
        value.next_up()
    } else {
        centre
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::noise::{standard_normals, uniforms};

    fn image(seed: u64, n: usize) -> Vec<f32> {
        // Values at both ends of the box as well.
        uniforms(seed, 0, 0, n).iter().map(|u| (1.4 * u - 0.2).clamp(0.0, 1.0) as f32).collect()
    }

    #[test]
    fn every_projected_point_is_in_the_ball_and_none_of_the_ball_is_nearer() {
        for (seed, norm, epsilon, reach) in [
            (1, Norm::Linf, 2.0 / 255.0, 0.1),
            (2, Norm::Linf, 0.3, 0.1),
            (3, Norm::L2, 0.2, 0.1),
            (4, Norm::L2, 0.2, 1e-4),
            (5, Norm::L2, 3.0, 0.5),
            (6, Norm::L2, 1e-6, 1.0),
            (7, Norm::Linf, 1.0, 3.0),
        ] {
            let (ball, n) = (Ball { norm, epsilon }, 301);
            let centre = image(seed, n);
            for trial in 0..20 {
                let noise = standard_normals(seed, trial, 1, n);
                let point: Vec<f64> = centre.iter().zip(&noise).map(|(c, z)| f64::from(*c) + reach * z).collect();
                let found = ball.nearest(&centre, &point);
                assert!(ball.holds(&centre, &found), "{norm:?} {epsilon}: {}", norm.distance(&centre, &found));
                let from = |y: &[f32]| -> f64 { y.iter().zip(&point).map(|(y, p)| (f64::from(*y) - p).powi(2)).sum() };
                let least = from(&found).sqrt();
                // The first-order condition against other points of the ball: (p − y)·(z − y) ≤ 0.
                for other in 0..20 {
                    let noise = standard_normals(seed + 100, other, trial, n);
                    let near: Vec<f64> = found.iter().zip(&noise).map(|(y, z)| f64::from(*y) + 0.01 * z).collect();
                    let other = ball.nearest(&centre, &near);
                    assert!(from(&other).sqrt() >= least - 1e-5 * (1.0 + least), "{norm:?} {epsilon}");
                }
            }
        }
    }

    #[test]
    fn points_inside_stay_and_the_bound_is_used_up() {
        let centre = image(9, 200);
        for (norm, epsilon) in [(Norm::Linf, 0.1), (Norm::L2, 0.4)] {
            let ball = Ball { norm, epsilon };
            let same: Vec<f64> = centre.iter().map(|c| f64::from(*c)).collect();
            assert_eq!(ball.nearest(&centre, &same), centre);
            let inside: Vec<f32> = centre.iter().map(|c| if *c < 0.5 { c + 0.01 } else { c - 0.01 }).collect();
            let point: Vec<f64> = inside.iter().map(|v| f64::from(*v)).collect();
            assert_eq!(ball.nearest(&centre, &point), inside);
            // Far away, with some values out of the box: clipping gives back what the others may use.
            let far: Vec<f64> = same.iter().enumerate().map(|(i, c)| c + if i % 3 == 0 { -9.0 } else { 5.0 }).collect();
            let used = norm.distance(&centre, &ball.nearest(&centre, &far));
            assert!(used <= epsilon && used > epsilon * (1.0 - 1e-5), "{norm:?} {used}");
        }
    }

    #[test]
    fn the_steepest_change_has_norm_one() {
        let gradient = [3.0, 0.0, -4.0f32];
        assert_eq!(Norm::L2.steepest(&gradient), [0.6, 0.0, -0.8]);
        assert_eq!(Norm::Linf.steepest(&gradient), [1.0, 0.0, -1.0]);
        assert_eq!(Norm::Linf.steepest(&[0.0; 3]), [0.0; 3]);
        assert_eq!(Norm::L2.steepest(&[f32::NAN, 1.0]), [0.0; 2]);
    }
}
