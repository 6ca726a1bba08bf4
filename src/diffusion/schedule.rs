//! Noise schedules: betas and their running products.
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The arithmetic in which a table was made. It is part of a checkpoint's definition: float32 products differ by 1e-6 relative at
/// the end of the chain, and `1 − ᾱ_t/ᾱ_prev` in float32 by far more at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// float32, as diffusers and MONAI compute (products accumulated in double and each rounded, as PyTorch does).
    Single,
    /// float64, as guided-diffusion and AnoDDPM compute.
    Double,
}

impl Precision {
    /// The value that this arithmetic keeps. For one addition, product, quotient or root, double precision followed by
    /// this is exactly float32's result.
    pub fn round(self, v: f64) -> f64 {
        match self {
            Precision::Single => f64::from(v as f32),
            Precision::Double => v,
        }
    }
}

/// β and ᾱ of every training step, t = 0..T−1: `ᾱ_t = Π_{s≤t} (1 − β_s)` (Ho 2020, eq. 4).
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// β_t in (0,1].
    pub betas: Vec<f64>,
    /// ᾱ_t in [0,1), falling.
    pub alpha_bars: Vec<f64>,
    /// How the two were rounded, and how coefficients made from them are.
    pub precision: Precision,
}

/// A schedule's formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// [`Schedule::linear`].
    Linear,
    /// [`Schedule::scaled_linear`].
    ScaledLinear,
    /// [`Schedule::cosine`], which needs no betas.
    Cosine,
    /// [`Schedule::sigmoid`].
    Sigmoid,
}

/// The most training steps a schedule may have; published ones have 250 to 4000.
pub const MAX_STEPS: usize = 100_000;

impl Schedule {
    /// Betas given one by one (diffusers' `trained_betas`).
    /// # Errors
    /// [`Error::Invalid`] when there are none, more than [`MAX_STEPS`], or one is outside (0,1].
    pub fn from_betas(betas: Vec<f64>, precision: Precision) -> Result<Self> {
        if betas.is_empty() || betas.len() > MAX_STEPS {
            return Err(Error::Invalid(format!("a schedule has 1 to {MAX_STEPS} steps, not {}", betas.len())));
        }
        let betas: Vec<f64> = betas.into_iter().map(|b| precision.round(b)).collect();
        if let Some((t, b)) = betas.iter().enumerate().find(|(_, b)| !(**b > 0.0 && **b <= 1.0)) {
            return Err(Error::Invalid(format!("beta of step {t} is {b}, which is not in (0,1]")));
        }
        let alpha_bars = products(&betas, precision);
        Ok(Schedule { betas, alpha_bars, precision })
    }

    /// A schedule by its formula, from the first beta to the last.
    /// # Errors
    /// [`Error::Invalid`] for no steps or betas outside (0,1].
    pub fn of(kind: ScheduleKind, steps: usize, [start, end]: [f64; 2], precision: Precision) -> Result<Self> {
        match kind {
            ScheduleKind::Linear => Self::linear(steps, start, end, precision),
            ScheduleKind::ScaledLinear => Self::scaled_linear(steps, start, end, precision),
            ScheduleKind::Cosine => Self::cosine(steps, precision),
            ScheduleKind::Sigmoid => Self::sigmoid(steps, start, end, precision),
        }
    }

    /// β linear from `start` to `end` (Ho 2020: 1e-4 to 0.02 for T = 1000).
    /// # Errors
    /// [`Error::Invalid`] for no steps or betas outside (0,1].
    pub fn linear(steps: usize, start: f64, end: f64, precision: Precision) -> Result<Self> {
        Self::from_betas(linspace(start, end, bounded(steps)?, precision), precision)
    }

    /// √β linear (latent diffusion's "scaled_linear").
    /// # Errors
    /// [`Error::Invalid`] for no steps or betas outside (0,1].
    pub fn scaled_linear(steps: usize, start: f64, end: f64, precision: Precision) -> Result<Self> {
        let roots = linspace(start.sqrt(), end.sqrt(), bounded(steps)?, precision);
        Self::from_betas(roots.into_iter().map(|r| r * r).collect(), precision)
    }

    /// `ᾱ(s) = cos²(π/2·(s + 0.008)/1.008)` over s = t/T, betas capped at 0.999 (Nichol and Dhariwal 2021, eq. 17;
    /// diffusers' "squaredcos_cap_v2").
    /// # Errors
    /// [`Error::Invalid`] for no steps.
    pub fn cosine(steps: usize, precision: Precision) -> Result<Self> {
        let bar = |s: f64| ((s + 0.008) / 1.008 * std::f64::consts::PI / 2.0).cos().powi(2);
        Self::from_betas(ratios(bounded(steps)?, bar), precision)
    }

    /// β by a sigmoid over −6..6 (GeoDiff; diffusers' "sigmoid").
    /// # Errors
    /// [`Error::Invalid`] for no steps or betas outside (0,1].
    pub fn sigmoid(steps: usize, start: f64, end: f64, precision: Precision) -> Result<Self> {
        let r = |v: f64| precision.round(v);
        let beta = |x: f64| r(r(r(1.0 / (1.0 + (-x).exp())) * r(end - start)) + r(start));
        Self::from_betas(linspace(-6.0, 6.0, bounded(steps)?, precision).into_iter().map(beta).collect(), precision)
    }

    /// guided-diffusion's and AnoDDPM's "linear": 1e-4 to 0.02, both times 1000/T, in double precision.
    /// # Errors
    /// [`Error::Invalid`] for no steps, and for so few (below 20) that a beta passes 1.
    pub fn guided_linear(steps: usize) -> Result<Self> {
        let scale = 1000.0 / bounded(steps)? as f64;
        Self::linear(steps, scale * 1e-4, scale * 0.02, Precision::Double)
    }

    /// The same, shifted and stretched in √ᾱ so that the last ᾱ is 0 (Lin et al. 2023, algorithm 1; diffusers'
    /// `rescale_betas_zero_snr`).
    /// # Errors
    /// [`Error::Invalid`] for a single step, which has nothing to stretch.
    pub fn rescaled_to_zero_snr(&self) -> Result<Self> {
        let r = |v: f64| self.precision.round(v);
        let roots: Vec<f64> = self.alpha_bars.iter().map(|a| r(a.sqrt())).collect();
        let (first, last) = (roots[0], roots[roots.len() - 1]);
        let scale = r(first / r(first - last));
        if !scale.is_finite() {
            return Err(Error::Invalid("a schedule of one step cannot be rescaled to zero SNR".into()));
        }
        let bars: Vec<f64> = roots.iter().map(|v| r(r(v - last) * scale)).map(|v| r(v * v)).collect();
        let alphas = std::iter::once(bars[0]).chain(bars.windows(2).map(|w| r(w[1] / w[0])));
        Self::from_betas(alphas.map(|a| r(1.0 - a)).collect(), self.precision)
    }

    /// T, the number of training steps.
    pub fn steps(&self) -> usize {
        self.betas.len()
    }

    /// ᾱ_t.
    /// # Errors
    /// [`Error::Invalid`] when t ≥ T.
    pub fn alpha_bar(&self, t: usize) -> Result<f64> {
        self.alpha_bars
            .get(t)
            .copied()
            .ok_or_else(|| Error::Invalid(format!("timestep {t} is past the schedule of {} steps", self.steps())))
    }
}

fn bounded(steps: usize) -> Result<usize> {
    match steps {
        1..=MAX_STEPS => Ok(steps),
        _ => Err(Error::Invalid(format!("a schedule has 1 to {MAX_STEPS} steps, not {steps}"))),
    }
}

/// PyTorch's `cumprod` of `1 − β`: accumulated in double whatever the precision, each entry rounded.
fn products(betas: &[f64], precision: Precision) -> Vec<f64> {
    let mut product = 1.0;
    betas
        .iter()
        .map(|b| {
            product *= precision.round(1.0 - b);
            precision.round(product)
        })
        .collect()
}

/// `torch.linspace` in float32 (from both ends to the middle, fused multiply-add), or `np.linspace` in float64.
fn linspace(start: f64, end: f64, steps: usize, precision: Precision) -> Vec<f64> {
    if steps == 1 {
        return vec![precision.round(start)];
    }
    if precision == Precision::Double {
        let step = (end - start) / (steps - 1) as f64;
        return (0..steps).map(|i| if i == steps - 1 { end } else { i as f64 * step + start }).collect();
    }
    let (start, end) = (start as f32, end as f32);
    let step = (end - start) / (steps - 1) as f32;
    let value = |i: usize| {
        if i < steps / 2 { step.mul_add(i as f32, start) } else { (-step).mul_add((steps - 1 - i) as f32, end) }
    };
    (0..steps).map(value).map(f64::from).collect()
}

/// Betas that follow ᾱ as a function of t/T, capped at 0.999.
fn ratios(steps: usize, bar: impl Fn(f64) -> f64) -> Vec<f64> {
    let at = |i: usize| bar(i as f64 / steps as f64);
    (0..steps).map(|i| (1.0 - at(i + 1) / at(i)).min(0.999)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Precision::{Double, Single};

    /// FNV-1a of the values as little-endian float32.
    fn digest(values: &[f64]) -> u64 {
        let bytes = values.iter().flat_map(|&v| (v as f32).to_le_bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
    }

    #[test]
    fn single_precision_tables_are_bitwise_those_of_diffusers() {
        // Digests of DDPMScheduler(...).betas and .alphas_cumprod, diffusers 0.42.1 with torch 2.15.
        for (name, s, betas, bars) in [
            ("linear", Schedule::linear(1000, 1e-4, 0.02, Single).unwrap(), 0xbb31b4e0b7e124c8, 0x5b0ad40d73df8aec),
            ("250", Schedule::linear(250, 1e-4, 0.02, Single).unwrap(), 0xd447d21cfc47db30, 0x2cb2b34b7465c789u64),
            (
                "scaled",
                Schedule::scaled_linear(1000, 0.0015, 0.0195, Single).unwrap(),
                0x7939f0634a84248e,
                0xf3737345e33f419c,
            ),
            ("cosine", Schedule::cosine(1000, Single).unwrap(), 0xa6fd964c8144c50b, 0x6d7434fdfe965e9e),
        ] {
            assert_eq!((digest(&s.betas), digest(&s.alpha_bars)), (betas, bars), "{name}");
        }
    }

    #[test]
    fn the_sigmoid_is_that_of_diffusers_but_for_the_last_bit() {
        let s = Schedule::sigmoid(1000, 1e-4, 0.02, Single).unwrap();
        for (t, bits) in [(0, 0x3f7ff639u32), (500, 0x3e9907cb), (999, 0x38267008)] {
            let want = f64::from(f32::from_bits(bits));
            assert!((s.alpha_bars[t] / want - 1.0).abs() < 5e-7, "{t}: {} {want}", s.alpha_bars[t]);
        }
    }

    #[test]
    fn zero_snr_is_that_of_diffusers_but_for_the_last_bits() {
        // PyTorch's vectorised root is not always correctly rounded, and near the end √ᾱ − √ᾱ_T has few digits left.
        let linear = Schedule::linear(1000, 1e-4, 0.02, Single).unwrap().rescaled_to_zero_snr().unwrap();
        let scaled = Schedule::scaled_linear(1000, 0.00085, 0.012, Single).unwrap().rescaled_to_zero_snr().unwrap();
        for (s, bits) in [
            (linear, [0x3f7ff972u32, 0x3f7ff18a, 0x3d9a1aae, 0x3190c458]),
            (scaled, [0x3f7fc84b, 0x3f7f8c3b, 0x3e76cd97, 0x34534ef7]),
        ] {
            for ((t, tolerance), bits) in [(0, 1e-7), (1, 1e-7), (500, 1e-6), (998, 1e-3)].into_iter().zip(bits) {
                let want = f64::from(f32::from_bits(bits));
                assert!((s.alpha_bars[t] / want - 1.0).abs() < tolerance, "{t}: {} {want}", s.alpha_bars[t]);
            }
            assert_eq!(s.alpha_bars[999], 0.0);
        }
    }

    #[test]
    fn double_precision_tables_are_those_of_guided_diffusion() {
        // get_named_beta_schedule and np.cumprod.
        let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-13, "{a} {b}");
        let s = Schedule::guided_linear(1000).unwrap();
        close(s.betas[1], 0.00011991991991991993);
        close(s.betas[998], 0.01998008008008008);
        close(s.alpha_bars[249], 0.5240853738253606);
        close(s.alpha_bars[999], 4.035829765375676e-05);
        let s = Schedule::guided_linear(250).unwrap();
        close(s.betas[0], 0.0004);
        close(s.alpha_bars[249], 3.264409135490725e-05);
        let s = Schedule::cosine(1000, Double).unwrap();
        close(s.betas[500], 0.003155691441585007);
        // 1 − a/b near 1 leaves beta with fewer digits than libm's last bit of cos.
        assert!((s.betas[0] - 4.128422482196914e-05).abs() < 1e-15);
        assert!((s.alpha_bars[999] / 2.4287669070348567e-09 - 1.0).abs() < 1e-12);
    }

    #[test]
    fn impossible_schedules_are_refused() {
        assert!(Schedule::linear(0, 1e-4, 0.02, Double).is_err());
        assert!(Schedule::linear(10, 0.0, 0.02, Double).is_err());
        assert!(Schedule::linear(10, 1e-4, f64::NAN, Double).is_err());
        assert!(Schedule::scaled_linear(10, -1.0, 0.02, Single).is_err());
        assert!(Schedule::guided_linear(10).is_err(), "beta 2");
        assert!(Schedule::guided_linear(usize::MAX).is_err());
        assert!(Schedule::linear(1, 0.5, 0.5, Single).unwrap().rescaled_to_zero_snr().is_err());
        assert!(Schedule::linear(5, 0.1, 0.2, Single).unwrap().alpha_bar(5).is_err());
    }
}
