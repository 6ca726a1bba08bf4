//! Pinaya et al. whole, by the system's own job with its noise given: latents and codes, divergence, mask, painting, picture, map.
use super::golden::Golden;
use super::look::{self, Look, after, state};
use super::schedule;
use crate::detect::config::{BlurConfig, InputConfig, PredictionKind, SamplerConfig};
use crate::detect::networks::{Networks, Role};
use crate::detect::pinaya::{Band, Pinaya};
use crate::detect::{DetectorConfig, Job, ModelFolder, System};
use crate::diffusion::NoiseSource;
use crate::model::{Network, Overrides};
use crate::verify::measure::Deviation;
use crate::{Device, Error, Result, Shape, Tensor};

/// `threshold`, `band` (its steps), `painting` (those of DDIM), and where they are given `schedule`, `prediction`, `quantised` and `grow`.
fn settings(golden: &Golden) -> Result<Pinaya> {
    let c = &golden.config;
    let fault = |fault: String| Error::file(c.path(), fault);
    let steps = |key: &str| -> Result<Vec<usize>> {
        let list = golden.need(key, golden.integers(key)?)?;
        let list: Option<Vec<usize>> = list.iter().map(|&t| usize::try_from(t).ok()).collect();
        list.filter(|l| !l.is_empty()).ok_or_else(|| fault(format!("`{key}` is no list of steps")))
    };
    let (band, painting) = (steps("band")?, steps("painting")?);
    let mut system = Pinaya {
        band: Band { first: band[0], last: band[band.len() - 1], steps: band.len() },
        threshold: Some(golden.need("threshold", c.number("threshold")?)?),
        grow: c.count("grow")?.unwrap_or(0),
        start: painting[0],
        sampler: SamplerConfig::Ddim { steps: painting.len(), eta: 0.0 },
        quantised: c.flag("quantised")?.unwrap_or(true),
        smooth: Some(BlurConfig::Gaussian { sigma: 1.0 }),
        ..Pinaya::default()
    };
    if let Some(text) = c.text("schedule")? {
        let variance = system.schedule.variance;
        system.schedule = schedule::settings(text, c.path())?;
        system.schedule.variance = variance;
    }
    system.schedule.prediction = match c.text("prediction")? {
        None | Some("epsilon") => PredictionKind::Epsilon,
        Some("x0" | "sample") => PredictionKind::Sample,
        Some("v" | "v_prediction") => PredictionKind::V,
        Some(other) => return Err(fault(format!("`prediction` is `{other}`"))),
    };
    if let Some(text) = c.text("residual")? {
        let kind = text.split_whitespace().next().unwrap_or_default().to_owned();
        let mut all = System::Pinaya(system);
        all.set("residual", &kind).map_err(|e| fault(e.to_string()))?;
        let System::Pinaya(set) = all else { return Err(fault("`residual` made another system".into())) };
        system = set;
    }
    if band[0] > system.band.last || system.band.list() != band {
        return Err(fault(format!("`band` is {band:?}, which is not evenly spaced")));
    }
    if system.timesteps()?.list != painting {
        return Err(fault(format!("`painting` is {painting:?}, which is not evenly spaced from its first step to 0")));
    }
    Ok(system)
}

/// Runs the chain, with the mask on the map and without.
pub fn run(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
    let image = golden.io.image("x")?;
    let system = settings(golden)?;
    let (band, painting) = (system.band.steps, system.timesteps()?.list.len());
    let Shape { n, h, w, c: channels } = image.shape;
    let input = InputConfig { width: w, height: h, range: [0.0, 1.0], ..InputConfig::square(1, channels) };
    let plain = Pinaya { filter: false, ..system.clone() };
    let autoencoder = Network::autoencoder(&golden.model_folder("autoencoder")?, &Overrides::default())?;
    let config = DetectorConfig::new("golden", Some(input), System::Pinaya(system));
    config.check().map_err(|e| Error::file(golden.config.path(), e.to_string()))?;
    let graphs = [(Role::Denoiser, golden.network()?), (Role::Autoencoder, autoencoder)].into();
    let mut model = ModelFolder::of(&golden.folder, config, Networks { graphs, ..Networks::default() })?;
    let latent = model.denoised(n)?;
    let judging = golden.io.draws("noise_kl", latent, band, 0)?;
    let paint = golden.io.draws("noise_paint", latent, painting, 0)?;
    let draws = Shape { n: judging.shape.n + paint.shape.n, ..latent };
    let noise = Tensor::new(draws, [judging.data, paint.data].concat())?;

    let job = model.config.system.job(&model, n, Some(NoiseSource::Given))?;
    let (mut results, _) = look::results(golden, device, &job, &looks(&job)?, (&image, &noise))?;
    model.config.system = System::Pinaya(plain);
    let job = model.config.system.job(&model, n, Some(NoiseSource::Given))?;
    let look = Look { after: job.phases.len(), state: job.map()?, name: "residual", exact: false };
    results.extend(look::results(golden, device, &job, &[look], (&image, &noise))?.0);
    Ok(results)
}

/// Everything that the job leaves on its way and that a golden may hold, in the order in which it is there.
fn looks(job: &Job) -> Result<Vec<Look>> {
    let (encoded, judged, end) = (after(job, "encode", false)?, after(job, "divergence", true)?, job.phases.len());
    let (first, last) = (after(job, "put back", false)?, after(job, "put back", true)?);
    let picture = job.outputs.reconstruction.ok_or_else(|| Error::Invalid("a job without a picture".into()))?;
    let all = [
        (encoded, state(job, "indices")?, "indices", true),
        (encoded, state(job, "codes")?, "codes", false),
        (judged, state(job, "divergence")?, "kl", false),
        (after(job, "mask", false)?, state(job, "mask")?, "mask", true),
        (first, state(job, "latent")?, "latent_first", false),
        (last, state(job, "latent")?, "latent", false),
        (end, state(job, "indices")?, "out_indices", true),
        (end, picture, "out", false),
        (end, job.map()?, "map", false),
    ];
    Ok(all.map(|(after, state, name, exact)| Look { after, state, name, exact }).into())
}
