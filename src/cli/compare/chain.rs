//! Chains of diffusers and of guided-diffusion: from given noise down to an image, the loop on the device.
use super::golden::{CHAIN_TOLERANCE, Golden, Network};
use super::schedule;
use crate::cli::measure::Deviation;
use crate::diffusion::{Method, Prediction, Sampler, Schedule, SchedulerConfig, Timesteps, Variance};
use crate::graph::{Graph, NodeId, SectionId, StateId};
use crate::kernels::{Op, StepRow, embedding, noise, sampler};
use crate::{Device, Error, Result, Shape, Tensor};

/// A diffusers scheduler, named and set in the config.
pub(super) fn diffusers(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
    let c = &golden.config;
    let settings = golden.need("scheduler", c.get("scheduler"))?;
    let scheduler = SchedulerConfig::from_json(settings, c.path())?;
    let steps = golden.need("steps", c.count("steps")?)?;
    let clipped = c.flag("use_clipped_model_output")?.unwrap_or(false);
    let timesteps = scheduler.timesteps(steps)?;
    let network = golden.network()?;
    let mut sampler = scheduler.sampler(c.number("eta")?.unwrap_or(0.0), clipped);
    // A learned variance that the scheduler does not use is left aside.
    sampler.variance_channels |= network.spec.out_channels() == 2 * network.spec.in_channels();
    replay(golden, device, &sampler, &timesteps, network)
}

/// guided-diffusion's sampler on respaced timesteps: ε-prediction on its linear schedule unless the config says otherwise.
pub(super) fn guided(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
    let c = &golden.config;
    let network = golden.network()?;
    let spec = &network.spec;
    let learned = spec.out_channels() == 2 * spec.in_channels();
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

/// The chain as a graph of one section, which is run once for each row.
struct Loop {
    graph: Graph,
    x: StateId,
    noise: Option<StateId>,
    y: Option<StateId>,
    step: SectionId,
}

impl Loop {
    /// `draws` is how many noises there are, 0 for a sampler that needs none.
    fn new(network: &Network, sampler: &Sampler, image: Shape, classes: bool, draws: usize) -> Result<Self> {
        let mut g = Graph::new();
        let n = image.n;
        let x = g.state("x", image);
        let noise = (draws > 0).then(|| g.state("noise", Shape { n: draws * n, ..image }));
        let y = classes.then(|| g.state("y", Shape::new(n, 1, 1, 1)));
        let step = g.section("step");
        let now = g.read(x);
        let t = g.push("time", Op::StepTime(embedding::StepTime { n }), &[])?;
        let class: Option<NodeId> = y.map(|y| g.read(y));
        let mut inputs = vec![now, network.spec.build(&network.checkpoint, &mut g, now, t, class)?];
        if let Some(noise) = noise {
            let all = g.read(noise);
            inputs.push(g.push("noise", Op::Given(noise::Given { n }), &[all])?);
        }
        let op = sampler::SamplerStep { learned_range: sampler.variance_channels, noisy: noise.is_some() };
        let next = g.push("step", Op::SamplerStep(op), &inputs)?;
        g.write(x, next)?;
        Ok(Loop { graph: g, x, noise, y, step })
    }
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
    let draws = if noise.is_some() { count } else { 0 };
    let chain = Loop::new(&network, sampler, shape, classes.is_some(), draws)?;
    network.checkpoint.settle(false)?;

    let result: Tensor = device.drive(async {
        let mut session = device.session(&chain.graph, count).await?;
        session.upload(chain.x, &image)?;
        for (state, tensor) in [(chain.noise, &noise), (chain.y, &classes)] {
            if let (Some(state), Some(tensor)) = (state, tensor) {
                session.upload(state, tensor)?;
            }
        }
        session.set_steps(&rows)?;
        let schedule: Vec<_> = (0..count).map(|row| (chain.step, row)).collect();
        session.run(&schedule, |_| true).await?;
        session.read(chain.x).await
    })?;
    Ok(vec![golden.compare("out", &result, CHAIN_TOLERANCE)?])
}

/// The timesteps must be those of the original, where the config lists them.
fn agree(golden: &Golden, timesteps: &Timesteps) -> Result<()> {
    let Some(listed) = golden.integers("timesteps")? else { return Ok(()) };
    let ours: Vec<i64> = timesteps.list.iter().map(|&t| t as i64).collect();
    if ours != listed {
        let fault = format!("`timesteps` is {listed:?}, but its other settings make {ours:?}");
        return Err(Error::file(golden.config.path(), fault));
    }
    Ok(())
}
