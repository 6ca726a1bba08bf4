//! The coefficients of every reverse step, as rows of the step table.
use super::{Precision, Schedule, Timesteps};
use crate::kernels::{Real, StepRow};
use crate::{Error, Result};

/// What the network was trained to put out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prediction {
    /// The noise ε (Ho 2020, eq. 12).
    #[default]
    Epsilon,
    /// The clean image x0 (diffusers' "sample").
    Sample,
    /// `v = √ᾱ·ε − √(1−ᾱ)·x0` (Salimans and Ho 2022).
    V,
}

/// Variance of an ancestral step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variance {
    /// The posterior's, `(1−ᾱ_prev)/(1−ᾱ_t)·β` (Ho 2020, eq. 7).
    #[default]
    FixedSmall,
    /// β itself.
    FixedLarge,
    /// Between the two in the logarithm, by the network's second half (Nichol and Dhariwal 2021, eq. 15).
    LearnedRange,
}

/// How to go from one level to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Ancestral sampling (Ho 2020, eq. 7 and algorithm 2).
    Ddpm(Variance),
    /// Song 2021, eq. 12 and 16.
    Ddim {
        /// 0 is deterministic, 1 as noisy as DDPM.
        eta: f64,
        /// Derive ε again from the clamped x0 (guided-diffusion always; diffusers' `use_clipped_model_output`).
        clipped_epsilon: bool,
    },
}

/// Which steps of DDPM add no noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quiet {
    /// That at t = 0, as in diffusers: a chain that ends above 0 (trailing spacing, an offset) stays noisy to the end.
    AtZero,
    /// The last of the chain, as in guided-diffusion and AnoDDPM.
    AtEnd,
}

/// A sampler: everything but the choice of timesteps.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampler {
    /// ᾱ by training step; its precision is also that of the coefficients.
    pub schedule: Schedule,
    /// The network's target.
    pub prediction: Prediction,
    /// The update.
    pub method: Method,
    /// Clamp of the x0 estimate to ±this; none for none.
    pub clip: Option<f64>,
    /// Which DDPM steps are noiseless.
    pub quiet: Quiet,
    /// ᾱ that DDIM takes below its last step when it goes by a stride: 1, or ᾱ_0 (diffusers' `set_alpha_to_one: false`).
    pub final_alpha_bar: f64,
    /// The network puts out 2C channels, of which the second half is a variance, used or not.
    pub variance_channels: bool,
    /// Factor from the timestep to the time that the network is fed (guided-diffusion's `rescale_timesteps`: 1000/T).
    pub time_scale: f64,
}

impl Sampler {
    /// As guided-diffusion does it: DDPM, or DDIM that derives ε again from the x0 clamped to ±1; noise on all but the last step.
    pub fn guided(schedule: Schedule, prediction: Prediction, method: Method) -> Self {
        let variance_channels = method == Method::Ddpm(Variance::LearnedRange);
        Sampler {
            schedule,
            prediction,
            method,
            clip: Some(1.0),
            quiet: Quiet::AtEnd,
            final_alpha_bar: 1.0,
            variance_channels,
            time_scale: 1.0,
        }
    }

    /// AnoDDPM's: guided-diffusion's linear schedule and algebra, ε-prediction, fixed large variance, no noise at t = 0. (Its
    /// variance at t = 0 is set to the posterior's at t = 1, which that mask makes idle.)
    /// # Errors
    /// [`Error::Invalid`] when `steps` makes no schedule.
    pub fn anoddpm(steps: usize) -> Result<Self> {
        let method = Method::Ddpm(Variance::FixedLarge);
        Ok(Self::guided(Schedule::guided_linear(steps)?, Prediction::Epsilon, method))
    }

    /// Whether any step can be noisy, so that the graph needs a noise.
    pub fn noisy(&self) -> bool {
        !matches!(self.method, Method::Ddim { eta: 0.0, .. })
    }

    /// The row that noises a clean image to level t: `signal = √ᾱ_t`, `noise = √(1−ᾱ_t)`, `noise_t = t`, draw 0.
    /// # Errors
    /// [`Error::Invalid`] when t is past the schedule.
    pub fn noising(&self, t: usize) -> Result<StepRow> {
        let a = self.schedule.alpha_bar(t)?;
        let (signal, noise) = match self.schedule.precision {
            Precision::Single => levels(a as f32),
            Precision::Double => levels(a),
        };
        let time = (t as f64 * self.time_scale) as f32;
        Ok(StepRow { t: time, signal, noise, noise_t: t as i32, ..Default::default() })
    }

    /// One row a timestep, in the chain's order. `draw` is the step's position and `noise_t` its t; seeds and weight are zero,
    /// see [`seed`]. Without clipping `clip` is [`StepRow::NO_CLIP`].
    /// # Errors
    /// [`Error::Invalid`] when a timestep is past the schedule, when η or the clip is out of range, or when a coefficient
    /// is infinite, as for ε-prediction from a level with ᾱ = 0.
    pub fn rows(&self, timesteps: &Timesteps) -> Result<Vec<StepRow>> {
        self.sound()?;
        let list = &timesteps.list;
        (0..list.len()).map(|i| self.row(timesteps, i)).collect()
    }

    /// Refuses an η or a clip that is out of range.
    pub(super) fn sound(&self) -> Result<()> {
        if let Method::Ddim { eta, .. } = self.method
            && !(0.0..=1.0).contains(&eta)
        {
            return Err(Error::Invalid(format!("eta is {eta}, which is not in 0..=1")));
        }
        match self.clip.filter(|c| !(*c > 0.0 && *c <= f64::from(f32::MAX))) {
            Some(clip) => Err(Error::Invalid(format!("x0 cannot be clipped to ±{clip}"))),
            None => Ok(()),
        }
    }

    fn row(&self, timesteps: &Timesteps, i: usize) -> Result<StepRow> {
        let t = timesteps.list[i];
        let next = timesteps.list.get(i + 1).copied();
        let ddpm = matches!(self.method, Method::Ddpm(_));
        // DDPM goes to the next entry in every family; only diffusers' DDIM goes by its stride.
        let (previous, end) = match timesteps.stride {
            Some(stride) if !ddpm => (t.checked_sub(stride), self.final_alpha_bar),
            _ => (next, 1.0),
        };
        let a_previous = previous.map_or(Ok(end), |p| self.schedule.alpha_bar(p))?;
        let quiet = match self.quiet {
            Quiet::AtZero => ddpm && t == 0,
            Quiet::AtEnd => next.is_none(),
        };
        self.row_to(t, a_previous, quiet, i)
    }

    /// The row from timestep t to a level with ᾱ = `a_next`, as the chain's step `draw`.
    pub(super) fn row_to(&self, t: usize, a_next: f64, quiet: bool, draw: usize) -> Result<StepRow> {
        let a = self.schedule.alpha_bar(t)?;
        let mut row = self.noising(t)?;
        row.draw = draw as u32;
        row.clip = self.clip.map_or(StepRow::NO_CLIP, |c| c as f32);
        match self.schedule.precision {
            Precision::Single => self.fill(&mut row, a as f32, a_next as f32, quiet),
            Precision::Double => self.fill(&mut row, a, a_next, quiet),
        }
        let finite = [row.x0_x, row.x0_m, row.eps_x, row.eps_m, row.eps_0, row.next_0, row.next_x, row.next_e]
            .iter()
            .chain(&[row.sigma, row.log_min, row.log_max])
            .all(|v| v.is_finite());
        if !finite {
            return Err(Error::Invalid(format!(
                "timestep {t} has alpha_bar {a}, and the next {a_next}: this sampler has no such step"
            )));
        }
        Ok(row)
    }

    /// The algebra, in the schedule's own precision and order of operations: `a` = ᾱ_t, `p` = ᾱ at the level to reach.
    fn fill<T: Real>(&self, row: &mut StepRow, a: T, p: T, quiet: bool) {
        let one = T::one();
        let (b, b_p) = (one - a, one - p);
        let alpha = a / p;
        let beta = one - alpha;
        let (root_a, root_b) = (a.sqrt(), b.sqrt());
        let zero = T::zero();
        let ([x0_x, x0_m], [mut eps_x, mut eps_m]) = match self.prediction {
            Prediction::Epsilon => ([one / root_a, -root_b / root_a], [zero, one]),
            Prediction::Sample => ([zero, one], [one / root_b, -root_a / root_b]),
            Prediction::V => ([root_a, -root_b], [root_b, root_a]),
        };
        let next_0;
        let (mut eps_0, mut next_x, mut next_e, mut sigma) = (zero, zero, zero, zero);
        let posterior = (b_p / b * beta).max(T::of(1e-20));
        let mut learned = false;
        match self.method {
            Method::Ddpm(variance) => {
                (eps_x, eps_m) = (zero, zero);
                next_0 = p.sqrt() * beta / b;
                next_x = alpha.sqrt() * b_p / b;
                learned = variance == Variance::LearnedRange;
                if !quiet {
                    sigma = match variance {
                        Variance::FixedSmall => posterior.sqrt(),
                        Variance::FixedLarge => beta.sqrt(),
                        Variance::LearnedRange => one,
                    };
                }
            }
            Method::Ddim { eta, clipped_epsilon } => {
                // Without a clamp the derived ε is the network's, in fewer roundings.
                if clipped_epsilon && self.clip.is_some() {
                    (eps_x, eps_m, eps_0) = (one / root_b, zero, -root_a / root_b);
                }
                let variance = (b_p / b * beta).max(zero);
                let noise = T::of(eta) * variance.sqrt();
                next_0 = p.sqrt();
                next_e = (b_p - noise * noise).max(zero).sqrt();
                if !quiet {
                    sigma = noise;
                }
            }
        }
        let (mut log_min, mut log_max) = (zero, zero);
        if learned && sigma > zero {
            (log_min, log_max) = (posterior.ln(), beta.ln());
        } else if self.variance_channels && sigma > zero {
            // The kernel will interpolate by channels that this method ignores: between equal ends.
            log_min = sigma.ln() + sigma.ln();
            (log_max, sigma) = (log_min, one);
        }
        let f = |v: T| v.f64() as f32;
        (row.x0_x, row.x0_m) = (f(x0_x), f(x0_m));
        (row.eps_x, row.eps_m, row.eps_0) = (f(eps_x), f(eps_m), f(eps_0));
        (row.next_0, row.next_x, row.next_e) = (f(next_0), f(next_x), f(next_e));
        (row.sigma, row.log_min, row.log_max) = (f(sigma), f(log_min), f(log_max));
    }
}

fn levels<T: Real>(a: T) -> (f32, f32) {
    (a.sqrt().f64() as f32, (T::one() - a).sqrt().f64() as f32)
}

/// Gives rows the user's seed and consecutive draws from `first`: row i draws `first + i`.
pub fn seed(rows: &mut [StepRow], seed: u64, first: u32) {
    for (i, row) in rows.iter_mut().enumerate() {
        (row.seed_lo, row.seed_hi) = (seed as u32, (seed >> 32) as u32);
        row.draw = first.wrapping_add(i as u32);
    }
}
