//! DDIM both ways: up, an image is encoded to a level without noise; down, it is decoded, under a guidance or without one.
//!
//! Song, Meng and Ermon 2021, section 4.3 and eq. 14: with η = 0 the update is one step of an ordinary differential equation,
//! which runs in either direction. Dhariwal and Nichol 2021, algorithm 2: a classifier guides DDIM by
//! `ε̂ = ε − √(1−ᾱ)·s·g` with `g = ∇ₓ log p(y|x)`.
use super::{Method, Sampler};
use crate::kernels::StepRow;
use crate::{Error, Result};

/// A level of noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// None: ᾱ = 1.
    Clean,
    /// That of a timestep.
    At(usize),
    /// Nothing else: ᾱ = 0, past the last timestep.
    Noise,
}

/// One step, up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The timestep whose level the image is taken to be at; the network is fed it.
    pub from: usize,
    /// The level to reach.
    pub to: Level,
}

impl Sampler {
    /// One row a hop, in their order; `draw` is the hop's position.
    /// # Errors
    /// [`Error::Invalid`] unless the method is DDIM without noise that derives ε again from the clamped x0, or for a timestep past
    /// the schedule, as [`Sampler::rows`].
    pub fn hops(&self, hops: &[Hop]) -> Result<Vec<StepRow>> {
        if !matches!(self.method, Method::Ddim { eta: 0.0, clipped_epsilon: true }) {
            return Err(Error::Invalid("only deterministic DDIM goes up as well as down".into()));
        }
        self.sound()?;
        let row = |(i, hop): (usize, &Hop)| self.row_to(hop.from, self.alpha_bar_at(hop.to)?, true, i);
        hops.iter().enumerate().map(row).collect()
    }
    /// [`Sampler::hops`] under a guidance of scale `s`: a row's `weight` is the factor of the gradient `g = ∇ₓ log p(y|x)` in the
    /// next level.
    ///
    /// As the step's ε belongs to its clamped x0, `x0 = (x − √b·ε)/√a` with `a` = ᾱ at the level, `p` = ᾱ at the next and b = 1 − a,
    /// the step with ε̂ in the place of ε (its x0 not clamped again) is `√p·x0 + √(1−p)·ε + w·g` with `w = s·√b·(√(p·b/a) − √(1−p))`.
    /// # Errors
    /// As [`Sampler::hops`]; [`Error::Invalid`] for a scale with which a factor is infinite.
    pub fn guided_hops(&self, hops: &[Hop], scale: f64) -> Result<Vec<StepRow>> {
        let mut rows = self.hops(hops)?;
        for (row, hop) in rows.iter_mut().zip(hops) {
            let (a, p) = (self.schedule.alpha_bar(hop.from)?, self.alpha_bar_at(hop.to)?);
            let b = 1.0 - a;
            row.weight = (scale * b.sqrt() * ((p * b / a).sqrt() - (1.0 - p).sqrt())) as f32;
            if !row.weight.is_finite() {
                return Err(Error::Invalid(format!(
                    "a guidance of scale {scale} has no step at timestep {}",
                    hop.from
                )));
            }
        }
        Ok(rows)
    }
    fn alpha_bar_at(&self, level: Level) -> Result<f64> {
        match level {
            Level::Clean => Ok(1.0),
            Level::At(t) => self.schedule.alpha_bar(t),
            Level::Noise => Ok(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::{Prediction, Schedule, Timesteps};

    const DDIM: Method = Method::Ddim { eta: 0.0, clipped_epsilon: true };

    fn sampler() -> Sampler {
        Sampler::guided(Schedule::guided_linear(1000).unwrap(), Prediction::Epsilon, DDIM)
    }

    /// The next level of a value, of which the network says `m`.
    fn next(row: &StepRow, x: f64, m: f64) -> f64 {
        let x0 = (f64::from(row.x0_x) * x + f64::from(row.x0_m) * m).clamp(-f64::from(row.clip), f64::from(row.clip));
        let e = f64::from(row.eps_x) * x + f64::from(row.eps_m) * m + f64::from(row.eps_0) * x0;
        f64::from(row.next_0) * x0 + f64::from(row.next_x) * x + f64::from(row.next_e) * e
    }

    #[test]
    fn up_and_down_again_is_where_it_began() {
        let s = sampler();
        for (a, b) in [(0, 1), (1, 2), (40, 60), (498, 499), (0, 999)] {
            let up = s.hops(&[Hop { from: a, to: Level::At(b) }]).unwrap()[0];
            let down = s.hops(&[Hop { from: b, to: Level::At(a) }]).unwrap()[0];
            // An image of 0.3 with noise -0.8, which the network knows both times.
            let at = |t: usize| {
                let bar = s.schedule.alpha_bars[t];
                bar.sqrt() * 0.3 - (1.0 - bar).sqrt() * 0.8
            };
            let (there, back) = (next(&up, at(a), -0.8), next(&down, at(b), -0.8));
            assert!((there - at(b)).abs() < 1e-5 && (back - at(a)).abs() < 1e-5, "{a} {b}: {there} {back}");
            assert_eq!((up.t, down.t, up.sigma), (a as f32, b as f32, 0.0));
        }
    }

    #[test]
    fn down_is_what_ddim_does() {
        let s = sampler();
        let list = Timesteps::respaced(1000, "ddim25").unwrap();
        let to = |i: usize| list.list.get(i + 1).map_or(Level::Clean, |&t| Level::At(t));
        let hops: Vec<Hop> = list.list.iter().enumerate().map(|(i, &from)| Hop { from, to: to(i) }).collect();
        assert_eq!(s.hops(&hops).unwrap(), s.rows(&list).unwrap());
    }

    #[test]
    fn the_last_level_of_all_is_noise() {
        let row = sampler().hops(&[Hop { from: 999, to: Level::Noise }]).unwrap()[0];
        assert_eq!((row.next_0, row.next_e), (0.0, 1.0));
    }

    #[test]
    fn guidance_is_that_of_the_algorithm() {
        let s = sampler();
        for (from, to, scale) in
            [(498, Level::At(497), 100.0), (7, Level::At(6), 6.0), (0, Level::Clean, 10.0), (300, Level::At(280), 1.0)]
        {
            let hop = [Hop { from, to }];
            let row = s.guided_hops(&hop, scale).unwrap()[0];
            // Written out: the clamped x0, its ε, ε moved by the gradient, x0 from that, and the next level.
            let (x, m, g) = (0.7, 0.4, 0.013);
            let (a, p) = (s.schedule.alpha_bars[from], s.alpha_bar_at(to).unwrap());
            let x0 = ((x - (1.0 - a).sqrt() * m) / a.sqrt()).clamp(-1.0, 1.0);
            let e = (x - a.sqrt() * x0) / (1.0 - a).sqrt() - (1.0 - a).sqrt() * scale * g;
            let want = p.sqrt() * (x - (1.0 - a).sqrt() * e) / a.sqrt() + (1.0 - p).sqrt() * e;
            let found = next(&row, x, m) + f64::from(row.weight) * g;
            assert!((found - want).abs() < 2e-5, "{from}: {found} {want}");
            assert_eq!(s.guided_hops(&hop, 0.0).unwrap()[0].weight, 0.0);
        }
    }

    #[test]
    fn what_cannot_be_gone_is_refused() {
        let s = sampler();
        assert!(s.hops(&[Hop { from: 1000, to: Level::Noise }]).is_err());
        assert!(s.hops(&[Hop { from: 0, to: Level::At(1000) }]).is_err());
        assert!(s.guided_hops(&[Hop { from: 1, to: Level::Clean }], 1e300).is_err());
        let noisy = Sampler { method: Method::Ddim { eta: 0.5, clipped_epsilon: true }, ..s.clone() };
        let other = Sampler { method: Method::Ddim { eta: 0.0, clipped_epsilon: false }, ..s };
        for s in [noisy, other] {
            assert!(s.hops(&[]).is_err());
        }
    }
}
