//! AdvRAD's one-shot reconstruction, the mean squared error as the score, and the score's gradient with respect to the image.
use super::golden::{CHAIN_TOLERANCE, GRADIENT_TOLERANCE, Golden};
use super::{schedule, systems};
use crate::detect::System;
use crate::detect::advrad::{AdvRad, Diffusion};
use crate::detect::config::{BlurConfig, SamplerConfig, ScoreConfig, VarianceKind};
use crate::diffusion::NoiseSource;
use crate::verify::measure::Deviation;
use crate::{Device, Error, Result};

/// `k`, `schedule` and the noise are the golden's. The error is that of one scale without a filter unless `scales` and `filter` (the side
/// of the mean filter) say otherwise; it is averaged unless `score` says that its maximum is taken.
pub fn run(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
    let c = &golden.config;
    let image = golden.io.image("x")?;
    let mut system = AdvRad { scales: 1, blur: None, mean_map: false, ..AdvRad::default() };
    system.k = golden.need("k", c.count("k")?)?;
    system.scales = c.count("scales")?.unwrap_or(1);
    system.blur = c.count("filter")?.filter(|size| *size != 1).map(|size| BlurConfig::Box { size });
    system.clip = c.flag("clip")?.unwrap_or(false);
    if let Some(steps) = c.count("steps")? {
        system.sampler = SamplerConfig::Ddim { steps, eta: 0.0 };
    }
    if let Some(text) = c.text("schedule")? {
        system.schedule = schedule::settings(text, c.path())?;
    }
    let network = golden.network()?;
    let spec = network.as_unet()?;
    if spec.out_channels() == 2 * spec.in_channels() {
        // The one step has no use for it.
        system.schedule.variance = VarianceKind::LearnedRange;
    }
    let score = match c.text("score")?.map(|text| text.split_whitespace().next().unwrap_or_default().to_owned()) {
        None => ScoreConfig::Mean,
        Some(first) if first == "mean" => ScoreConfig::Mean,
        Some(first) if first == "max" || first == "maximum" => ScoreConfig::Max,
        Some(first) => {
            return Err(Error::file(c.path(), format!("`score` begins with `{first}`; mean and max are known")));
        }
    };
    let noise = match c.text("noise")? {
        Some("none") => None,
        None | Some("gaussian") => Some(golden.io.shared_noise("noise", image.shape)?),
        Some(other) => return Err(Error::file(c.path(), format!("`noise` is `{other}`; gaussian and none are known"))),
    };
    if noise.is_none() {
        system.noise = Diffusion::None;
    }
    let model = systems::model(golden, System::AdvRad(system), image.shape, |config| config.score = score)?;
    let job = model.differentiable(image.shape.n, Some(NoiseSource::Given))?;
    let batch = systems::run_job(device, job, &image, noise.as_ref())?;
    let found = [
        ("out", batch.reconstruction.clone(), CHAIN_TOLERANCE),
        ("x_tilde", batch.reconstruction, CHAIN_TOLERANCE),
        ("map", batch.map, CHAIN_TOLERANCE),
        ("score", batch.score, CHAIN_TOLERANCE),
        ("grad", batch.gradient, GRADIENT_TOLERANCE),
    ];
    let mut results = Vec::new();
    for (name, found, tolerance) in found {
        if let (Some(found), Some(_)) = (found, golden.io.find(name)?) {
            results.push(golden.compare(name, &found, tolerance)?);
        }
    }
    if results.is_empty() {
        return Err(Error::file(golden.io.path(), "holds none of out, x_tilde, map, score and grad"));
    }
    Ok(results)
}
