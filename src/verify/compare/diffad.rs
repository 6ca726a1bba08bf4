//! DiffAD: its latents alone, from a given condition and given noise; or all of it, by the system's own job, where the golden has an
//! autoencoder and a comparer.
use super::golden::{CHAIN_TOLERANCE, Golden};
use super::look::{self, Look, after, state};
use super::{chain, schedule, whole};
use crate::detect::config::{PredictionKind, SamplerConfig};
use crate::detect::diffad::{Condition, DiffAd};
use crate::detect::networks::Role;
use crate::detect::{Job, System};
use crate::diffusion::{Noise, NoiseSource};
use crate::graph::Graph;
use crate::model::{Network, Overrides};
use crate::verify::measure::Deviation;
use crate::{Device, Error, Result, Shape, Tensor};

/// Settings of the system that a golden's config may hold under their own names.
const NAMED: [(&str, &str); 5] = [
    ("condition_step", "condition_step"),
    ("interpolated", "interpolated"),
    ("mix", "mix"),
    ("colours", "colours"),
    ("blur", "blur"),
];

/// Runs the golden.
pub fn run(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
    let system = settings(golden)?;
    let timesteps = system.timesteps().map_err(|e| Error::file(golden.config.path(), e.to_string()))?;
    chain::agree(golden, &timesteps)?;
    if golden.config.has("autoencoder") { whole(golden, device, system) } else { latents(golden, device, &system) }
}

/// `steps`, and where they are given `eta`, `schedule`, `prediction` and what [`NAMED`] lists.
fn settings(golden: &Golden) -> Result<DiffAd> {
    let c = &golden.config;
    let fault = |fault: String| Error::file(c.path(), fault);
    let steps = golden.need("steps", c.count("steps")?)?;
    let eta = c.number("eta")?.unwrap_or(0.0);
    let mut system = DiffAd { sampler: Some(SamplerConfig::Ddim { steps, eta }), ..DiffAd::default() };
    if let Some(text) = c.text("schedule")? {
        system.schedule = schedule::settings(text, c.path())?;
    }
    system.schedule.prediction = match c.text("prediction")? {
        None | Some("epsilon") => PredictionKind::Epsilon,
        Some("x0" | "sample") => PredictionKind::Sample,
        Some("v" | "v_prediction") => PredictionKind::V,
        Some(other) => return Err(fault(format!("`prediction` is `{other}`"))),
    };
    system.condition = match c.text("condition")? {
        Some("noised") => Some(Condition::Noised),
        _ => Some(Condition::Clean),
    };
    let mut all = System::DiffAd(system);
    whole::set(golden, &mut all, &NAMED)?;
    match all {
        System::DiffAd(system) => Ok(system),
        other => Err(fault(format!("its settings made {}", other.title()))),
    }
}

/// `z_T` and `condition` (N,C,h,w), the latter perhaps one for all, to `out`; with an `eta`, `noise[i]` is step i's.
fn latents(golden: &Golden, device: &Device, system: &DiffAd) -> Result<Vec<Deviation>> {
    let (network, drawn) = (golden.network()?, golden.io.image("z_T")?);
    let shape = drawn.shape;
    let given = golden.io.image("condition")?;
    let condition = match given.shape.n {
        1 => Tensor::new(Shape { n: shape.n, ..given.shape }, given.data.repeat(shape.n))?,
        _ => given,
    };
    let sampler = system.sampler()?;
    let rows = sampler.rows(&system.timesteps()?)?;
    let noise = sampler.noisy().then(|| golden.io.draws("noise", shape, rows.len(), 0)).transpose()?;
    let mut g = Graph::new();
    let states = (g.state("latent", shape), g.state("condition", condition.shape));
    let draws = noise.as_ref().map_or(NoiseSource::Gaussian, |_| NoiseSource::Given);
    let draws = Noise::new(&mut g, draws, shape, rows.len());
    let section = system.denoise(&mut g, &network, states, &draws)?;
    network.checkpoint.settle(false)?;
    let found = device.drive(async {
        let mut session = device.session(&g, rows.len()).await?;
        session.upload(states.0, &drawn)?;
        session.upload(states.1, &condition)?;
        if let Some(noise) = &noise {
            session.upload(draws.given()?, noise)?;
        }
        session.set_steps(&rows)?;
        let schedule: Vec<_> = (0..rows.len()).map(|row| (section, row)).collect();
        session.run(&schedule, |_| true).await?;
        session.read(states.0).await
    })?;
    Ok(vec![golden.compare("out", &found, CHAIN_TOLERANCE)?])
}

/// Image `x` (N,C,H,W), `z_T` and, where the condition is noised, `noise_condition`, to latents, pictures, map and score.
fn whole(golden: &Golden, device: &Device, system: DiffAd) -> Result<Vec<Deviation>> {
    let image = golden.io.image("x")?;
    let noised = system.condition() == Condition::Noised;
    let steps = if system.sampler()?.noisy() { system.passes() } else { 0 };
    let folder = |key: &str| golden.model_folder(key);
    let autoencoder = Network::autoencoder(&folder("autoencoder")?, &Overrides::default())?;
    let comparer = Network::comparer(&folder("comparer")?, &Overrides::default())?;
    let networks = [(Role::Denoiser, golden.network()?), (Role::Autoencoder, autoencoder), (Role::Comparer, comparer)];
    let model = whole::model(golden, (&image, [0.0, 1.0]), System::DiffAd(system), networks)?;
    let n = image.shape.n;
    let latent = model.networks.autoencoder()?.as_autoencoder()?.latent_shape(image.shape)?;
    let mut noise = golden.io.shared_noise("z_T", latent)?;
    if noised {
        noise.data.extend(golden.io.shared_noise("noise_condition", latent)?.data);
    }
    if steps > 0 {
        noise.data.extend(golden.io.draws("noise", latent, steps, 0)?.data);
    }
    let noise = Tensor::new(Shape { n: noise.data.len() / latent.len() * n, ..latent }, noise.data)?;
    let job = model.config.system.job(&model, n, Some(NoiseSource::Given))?;
    let (mut results, found) = look::results(golden, device, &job, &looks(&job, noised)?, (&image, &noise))?;
    if let Some(map) = found.last() {
        results.extend(whole::scores(golden, map, model.config.score)?);
    }
    Ok(results)
}

/// Everything that the job leaves on its way and that a golden may hold, in the order in which it is there; the map comes last.
fn looks(job: &Job, noised: bool) -> Result<Vec<Look>> {
    let end = job.phases.len();
    let picture = job.outputs.reconstruction.ok_or_else(|| Error::Invalid("a job without a picture".into()))?;
    let condition =
        noised.then(|| Ok::<_, Error>((after(job, "condition", false)?, state(job, "condition")?, "condition")));
    let before = [Some(Ok((after(job, "encode", false)?, state(job, "own")?, "own"))), condition];
    let mut all = before.into_iter().flatten().collect::<Result<Vec<_>>>()?;
    all.push((after(job, "denoise", false)?, state(job, "latent")?, "latent_first"));
    all.push((after(job, "denoise", true)?, state(job, "latent")?, "latent"));
    all.extend(job.outputs.interpolated.map(|state| (end, state, "interpolated")));
    all.extend([(end, picture, "out"), (end, job.map()?, "map")]);
    Ok(all.into_iter().map(|(after, state, name)| Look { after, state, name, exact: false }).collect())
}
