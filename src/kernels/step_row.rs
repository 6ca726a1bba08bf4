//! The values that change from step to step.

/// One row of the step table, 96 bytes in a 256-byte slot; the same struct is `StepRow` in
/// `shaders/lib/step.wgsl`. Coefficients are computed in f64 on the host and rounded once.
///
/// Noising (DDPM eq. 4): `x_t = signal·x0 + noise·ε`.
///
/// Sampling, with model output m and state x:
/// `x0 = clamp(x0_x·x + x0_m·m, ±clip)`, `ε = eps_x·x + eps_m·m + eps_0·x0`,
/// `x' = next_0·x0 + next_x·x + next_e·ε + σ·z`, where σ is `sigma`, or, for a learned range,
/// `exp(½(f·log_max + (1−f)·log_min))` with `f = (v+1)/2` and v the second half of the output's channels,
/// times `sigma` as a 0/1 mask. A guided step adds `weight·g` to x', g being a gradient.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct StepRow {
    /// The time fed to the network.
    pub t: f32,
    /// Coefficient of x0 in the noising.
    pub signal: f32,
    /// Coefficient of the noise in the noising.
    pub noise: f32,
    /// Clamp of the x0 estimate; [`StepRow::NO_CLIP`] for none.
    pub clip: f32,
    /// Coefficient of the state x in the estimate of x0.
    pub x0_x: f32,
    /// Coefficient of the network's output m in the estimate of x0.
    pub x0_m: f32,
    /// Coefficient of the state x in the estimate of the noise ε.
    pub eps_x: f32,
    /// Coefficient of the network's output m in the estimate of the noise ε.
    pub eps_m: f32,
    /// Coefficient of the clamped x0 estimate in the estimate of the noise ε.
    pub eps_0: f32,
    /// Coefficient of the clamped x0 estimate in the next state.
    pub next_0: f32,
    /// Coefficient of the state x in the next state.
    pub next_x: f32,
    /// Coefficient of the noise estimate ε in the next state.
    pub next_e: f32,
    /// Standard deviation of the step's noise (0: none); a 0/1 mask when the range is learned.
    pub sigma: f32,
    /// Logarithm of the smallest variance (learned range).
    pub log_min: f32,
    /// Logarithm of the largest variance (learned range).
    pub log_max: f32,
    /// Weight of what is added to something: of this run's result in the mean, of the gradient in a guided step.
    pub weight: f32,
    /// Philox key, low word of the seed.
    pub seed_lo: u32,
    /// Philox key, high word of the seed.
    pub seed_hi: u32,
    /// Index of the noise draw: Philox counter word, slot of given noise, and (times channels) the first simplex sheet.
    pub draw: u32,
    /// Third simplex coordinate: the diffusion step's index.
    pub noise_t: i32,
    /// Adam: the learning rate over the bias correction of the first moment.
    pub rate: f32,
    /// Adam: one over the root of the bias correction of the second moment.
    pub root: f32,
    /// The first patch of this network call, an index into the table of [`super::patches`].
    pub patch: u32,
    /// Unused, zero; keeps the struct a multiple of 16 bytes.
    pub pad: u32,
}

impl StepRow {
    /// The largest f32, which clamps nothing: WGSL makes no promise about infinities.
    pub const NO_CLIP: f32 = f32::MAX;
}

impl Default for StepRow {
    /// All zero, without a clamp.
    fn default() -> Self {
        StepRow { clip: StepRow::NO_CLIP, ..bytemuck::Zeroable::zeroed() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_clamps_nothing() {
        let row = StepRow::default();
        assert_eq!(1e30f32.clamp(-row.clip, row.clip), 1e30);
        assert_eq!(StepRow { clip: 0.0, ..row }, bytemuck::Zeroable::zeroed());
    }
}
