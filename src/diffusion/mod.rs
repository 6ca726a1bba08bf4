//! Diffusion: schedules, timesteps, samplers, noise, and the chain that they make in a graph.
//!
//! Schedules and samplers are host arithmetic done once before a chain starts; it ends in rows of the step table
//! ([`crate::kernels::StepRow`]), which the kernels of [`crate::kernels::sampler`] read step by step.
//!
//! Sources: Ho, Jain and Abbeel 2020 (DDPM): noising eq. 4, posterior mean and variance eq. 6 and 7, x0 from ε eq. 15. Nichol and
//! Dhariwal 2021: learned variance eq. 15, cosine schedule eq. 17. Song, Meng and Ermon 2021 (DDIM): eq. 12, σ by η eq. 16.
//! Two families of code differ in detail, and both are met: guided-diffusion and AnoDDPM (float64 tables; ε derived again from the
//! clamped x0; respaced lists; no noise on the last step) and diffusers (float32 tables and coefficients; the network's ε kept;
//! DDIM steps by `T // N`; no noise at t = 0).
mod chain;
mod guidance;
mod inversion;
mod noise;
pub mod permutation;
mod sampler;
mod schedule;
mod scheduler_config;
mod timesteps;

pub use chain::{chain_step, guided_step, noise_to, sampler_step, step_time};
pub use guidance::{guidance, guidance_by};
pub use inversion::{Hop, Level};
pub use noise::{Noise, NoiseSource};
pub use sampler::{Method, Prediction, Quiet, Sampler, Variance, seed};
pub use schedule::{MAX_STEPS, Precision, Schedule, ScheduleKind};
pub use scheduler_config::{SchedulerConfig, Spacing};
pub use timesteps::Timesteps;

#[cfg(test)]
mod reference;
