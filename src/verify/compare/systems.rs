//! Chains of published systems, by the system's own job with its noise given.
use super::golden::{CHAIN_TOLERANCE, Golden};
use super::{schedule, simplex};
use crate::detect::anoddpm::AnoDdpm;
use crate::detect::config::{InputConfig, PredictionKind};
use crate::detect::networks::{Networks, Role};
use crate::detect::pddpm::Pddpm;
use crate::detect::{Batch, DetectorConfig, Job, ModelFolder, Runner, System};
use crate::diffusion::NoiseSource;
use crate::kernels::score::ResidualKind;
use crate::verify::measure::Deviation;
use crate::{Device, Error, Result, Shape, Tensor};

/// AnoDDPM: noise to level lambda − 1, denoise to 0, square the difference. With `simplex_seeds` the given noise must be what
/// they make.
pub fn anoddpm(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
    let c = &golden.config;
    let image = golden.io.image("x")?;
    let mut system = AnoDdpm { lambda: golden.need("lambda_", c.count("lambda_")?)?, ..AnoDdpm::default() };
    if let Some(text) = c.text("schedule")? {
        system.schedule = schedule::settings(text, c.path())?;
    }
    let lambda = system.lambda;
    if !(1..=system.schedule.train_steps).contains(&lambda) {
        let fault = format!("`lambda_` is {lambda}, which is not in 1..={}", system.schedule.train_steps);
        return Err(Error::file(c.path(), fault));
    }
    // The step at t = 0 adds no noise, so the last draw is idle.
    let noise = golden.io.draws("noise", image.shape, lambda + 1, 1)?;
    let times: Vec<i64> = std::iter::once(lambda).chain((1..=lambda).rev()).map(|t| t as i64 - 1).collect();
    let batch = run(golden, device, System::AnoDdpm(system), &image, &noise)?;
    let mut results = compare(golden, &image, batch, |d| d * d)?;
    if let Some(seeds) = golden.integers("simplex_seeds")? {
        results.push(simplex::given_noise(golden, device, &seeds, &times, image.shape)?);
    }
    Ok(results)
}

/// pDDPM: one call a patch at `t`, stitched; the absolute difference. `stride`, `overlap` and `residual` may be given.
pub fn pddpm(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
    let c = &golden.config;
    // The original takes images in 0..1, and puts the network between 2x − 1 and its inverse.
    let own = golden.io.image("x")?;
    let image = Tensor::new(own.shape, own.data.iter().map(|v| 2.0 * v - 1.0).collect())?;
    let patch = golden.need("patch", c.count("patch")?)?;
    let mut system = Pddpm { patch, stride: c.count("stride")?.unwrap_or(patch), ..Pddpm::default() };
    system.lambda = golden.need("t", c.count("t")?)?.saturating_add(1);
    if let Some(text) = c.text("schedule")? {
        let prediction = system.schedule.prediction;
        system.schedule = schedule::settings(text, c.path())?;
        system.schedule.prediction = prediction;
    }
    system.schedule.prediction = match c.text("prediction")? {
        None | Some("x0" | "sample") => PredictionKind::Sample,
        Some("epsilon") => PredictionKind::Epsilon,
        Some("v" | "v_prediction") => PredictionKind::V,
        Some(other) => return Err(Error::file(c.path(), format!("`prediction` is `{other}`"))),
    };
    let mut system = System::Pddpm(system);
    for name in ["overlap", "residual"] {
        if let Some(text) = c.text(name)? {
            system.set(name, text).map_err(|e| Error::file(c.path(), e.to_string()))?;
        }
    }
    let noise = golden.io.shared_noise("noise", image.shape)?;
    let squared = matches!(&system, System::Pddpm(s) if s.residual == ResidualKind::Squared);
    let mut batch = run(golden, device, system, &image, &noise)?;
    batch.reconstruction.iter_mut().flat_map(|r| &mut r.data).for_each(|v| *v = 0.5 * (*v + 1.0));
    compare(golden, &own, batch, |d| if squared { d * d } else { d.abs() })
}

/// Runs a system with all of its noise given.
fn run(golden: &Golden, device: &Device, system: System, image: &Tensor, noise: &Tensor) -> Result<Batch> {
    let model = model(golden, system, image.shape, |_| {})?;
    let job = model.config.system.job(&model, image.shape.n, Some(NoiseSource::Given))?;
    run_job(device, job, image, Some(noise))
}

/// A system on the golden's network; `adjust` has the last word on the settings.
pub fn model(
    golden: &Golden,
    system: System,
    Shape { h, w, c, .. }: Shape,
    adjust: impl FnOnce(&mut DetectorConfig),
) -> Result<ModelFolder> {
    let input = InputConfig { width: w, height: h, ..InputConfig::square(1, c) };
    let mut config = DetectorConfig::new("golden", Some(input), system);
    adjust(&mut config);
    config.check().map_err(|e| Error::file(golden.config.path(), e.to_string()))?;
    let mut networks = Networks::default();
    networks.graphs.insert(Role::Denoiser, golden.network()?);
    ModelFolder::of(&golden.folder, config, networks)
}

/// Runs a job whose noise, if it has any, is given.
pub fn run_job(device: &Device, job: Job, image: &Tensor, noise: Option<&Tensor>) -> Result<Batch> {
    device.drive(async {
        let mut runner = Runner::new(device, job).await?;
        noise.map_or(Ok(()), |noise| runner.give_noise(noise))?;
        runner.run(image, 0, |_| true).await
    })
}

/// Reconstruction and map against the golden's. A map with all channels is compared before they are averaged.
fn compare(golden: &Golden, image: &Tensor, batch: Batch, residual: impl Fn(f32) -> f32) -> Result<Vec<Deviation>> {
    let none = || Error::Invalid("the system reconstructs nothing".into());
    let reconstruction = batch.reconstruction.ok_or_else(none)?;
    let mut results = vec![golden.compare("out", &reconstruction, CHAIN_TOLERANCE)?];
    if let Some(map) = golden.io.find("map")? {
        let each = map.data.len() == image.data.len() && image.shape.c > 1;
        let found = match batch.map {
            Some(map) if !each => map,
            _ => {
                let pairs = image.data.iter().zip(&reconstruction.data);
                Tensor::new(image.shape, pairs.map(|(a, b)| residual(a - b)).collect())?
            }
        };
        results.push(golden.compare("map", &found, CHAIN_TOLERANCE)?);
    }
    Ok(results)
}
