//! Chains of diffusers and of guided-diffusion: from given noise down to an image, the loop on the device.
use super::golden::{CHAIN_TOLERANCE, Golden};
use super::schedule;
use crate::diffusion::{
    Method, Noise, NoiseSource, Prediction, Sampler, Schedule, SchedulerConfig, Timesteps, Variance, chain_step,
    step_time,
};
use crate::graph::Graph;
use crate::kernels::StepRow;
use crate::model::Network;
use crate::verify::measure::Deviation;
use crate::{Device, Error, Result, Tensor};

/// A diffusers scheduler, named and set in the config.
pub fn diffusers(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
    let c = &golden.config;
    let settings = golden.need("scheduler", c.get("scheduler"))?;
    let scheduler = SchedulerConfig::from_json(settings, c.path())?;
    let steps = golden.need("steps", c.count("steps")?)?;
    let clipped = c.flag("use_clipped_model_output")?.unwrap_or(false);
    let timesteps = scheduler.timesteps(steps)?;
    let network = golden.network()?;
    let mut sampler = scheduler.sampler(c.number("eta")?.unwrap_or(0.0), clipped);
    // A learned variance that the scheduler does not use is left aside.
    sampler.variance_channels |= learned(&network)?;
    replay(golden, device, &sampler, &timesteps, network)
}

/// guided-diffusion's sampler on respaced timesteps: ε-prediction on its linear schedule unless the config says otherwise.
pub fn guided(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
    let c = &golden.config;
    let network = golden.network()?;
    let learned = learned(&network)?;
    let schedule = match c.text("schedule")? {
        Some(text) => schedule::parse(text, c.path())?,
        None => Schedule::guided_linear(1000)?,
    };
    let prediction = match c.text("prediction")? {
        None | Some("epsilon") => Prediction::Epsilon,
        Some("x0" | "sample") => Prediction::Sample,
        Some("v" | "v_prediction") => Prediction::V,
        Some(other) => return Err(Error::file(c.path(), format!("`prediction` is `{other}`"))),
    };
    let method = if c.text("sampler")?.is_some_and(|s| s.contains("ddim")) {
        Method::Ddim { eta: c.number("eta")?.unwrap_or(0.0), clipped_epsilon: true }
    } else {
        Method::Ddpm(if learned { Variance::LearnedRange } else { Variance::FixedLarge })
    };
    let total = schedule.steps();
    let time_scale = if c.flag("rescale_timesteps")?.unwrap_or(false) { 1000.0 / total as f64 } else { 1.0 };
    let clip = c.flag("clip_denoised")?.unwrap_or(true).then_some(1.0);
    let sampler =
        Sampler { variance_channels: learned, time_scale, clip, ..Sampler::guided(schedule, prediction, method) };
    let spacing = golden.need("spacing", c.text("spacing")?)?;
    let timesteps = Timesteps::respaced(total, spacing)?;
    replay(golden, device, &sampler, &timesteps, network)
}

/// Whether the network gives a variance beside its mean.
fn learned(network: &Network) -> Result<bool> {
    let spec = network.as_unet()?;
    Ok(spec.out_channels() == 2 * spec.in_channels())
}

fn replay(
    golden: &Golden,
    device: &Device,
    sampler: &Sampler,
    timesteps: &Timesteps,
    network: Network,
) -> Result<Vec<Deviation>> {
    agree(golden, timesteps)?;
    let rows = sampler.rows(timesteps)?;
    let image = golden.io.image("x")?;
    let (shape, count) = (image.shape, rows.len());
    // Noise of the last steps is idle where those are quiet, and a golden may leave it out.
    let quiet = |rows: &[StepRow]| rows.iter().rev().take_while(|r| r.sigma == 0.0).count();
    let noise = match quiet(&rows) {
        idle if idle < count => Some(golden.io.draws("noise", shape, count, idle)?),
        _ => None,
    };
    let classes = golden.io.numbers("y", shape.n)?;
    let mut g = Graph::new();
    let x = g.state("x", shape);
    let drawn = noise.as_ref().map(|_| Noise::new(&mut g, NoiseSource::Given, shape, count));
    let y = classes.as_ref().map(|c| g.state("y", c.shape));
    let section = chain_step(&mut g, "step", x, sampler, drawn.as_ref(), |g, now| {
        let t = step_time(g, shape.n)?;
        let inputs: Vec<_> = [now, t].into_iter().chain(y.map(|y| g.read(y))).collect();
        network.build(g, &inputs)
    })?;
    network.checkpoint.settle(false)?;
    let given = drawn.map(|n| n.given()).transpose()?;
    let result: Tensor = device.drive(async {
        let mut session = device.session(&g, count).await?;
        session.upload(x, &image)?;
        for (state, tensor) in [(given, &noise), (y, &classes)] {
            if let (Some(state), Some(tensor)) = (state, tensor) {
                session.upload(state, tensor)?;
            }
        }
        session.set_steps(&rows)?;
        let schedule: Vec<_> = (0..count).map(|row| (section, row)).collect();
        session.run(&schedule, |_| true).await?;
        session.read(x).await
    })?;
    Ok(vec![golden.compare("out", &result, CHAIN_TOLERANCE)?])
}

/// The timesteps must be those of the original, where the config lists them.
pub(super) fn agree(golden: &Golden, timesteps: &Timesteps) -> Result<()> {
    let Some(listed) = golden.integers("timesteps")? else { return Ok(()) };
    let ours: Vec<i64> = timesteps.list.iter().map(|&t| t as i64).collect();
    if ours != listed {
        let fault = format!("`timesteps` is {listed:?}, but its other settings make {ours:?}");
        return Err(Error::file(golden.config.path(), fault));
    }
    Ok(())
}
