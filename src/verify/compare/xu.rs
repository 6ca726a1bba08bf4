//! Xu et al. whole: an image drawn anew from one noise under its embedding, and compared.
use super::golden::Golden;
use super::look::{self, Look, after, state};
use super::{chain, schedule, whole};
use crate::detect::System;
use crate::detect::config::SamplerConfig;
use crate::detect::networks::Role;
use crate::detect::xu::Xu;
use crate::diffusion::NoiseSource;
use crate::model::{Network, Overrides};
use crate::verify::measure::Deviation;
use crate::{Device, Error, Result, Shape, Tensor};

/// Settings of the system that a golden's config may hold, under the names there and here.
const NAMED: [(&str, &str); 3] = [("variant", "variant"), ("start", "start"), ("lambda", "lambda")];

/// Image `x` (N,C,H,W) in −1..1 and the noise `x_T`, (1,C,H,W) for all of them, to the embedding, the image after the first step
/// (`latent_first`), the reconstruction, the map and the score.
pub fn run(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
    let c = &golden.config;
    let (steps, eta) = (golden.need("steps", c.count("steps")?)?, c.number("eta")?.unwrap_or(0.0));
    let mut system = Xu { sampler: Some(SamplerConfig::Ddim { steps, eta }), ..Xu::default() };
    if let Some(text) = c.text("schedule")? {
        system.schedule = schedule::settings(text, c.path())?;
    }
    let mut system = System::Xu(system);
    whole::set(golden, &mut system, &NAMED)?;
    let image = golden.io.image("x")?;
    if let System::Xu(s) = &system {
        let timesteps = s.timesteps().map_err(|e| Error::file(c.path(), e.to_string()))?;
        chain::agree(golden, &timesteps)?;
    }
    let comparer = Network::comparer(&golden.model_folder("comparer")?, &Overrides::default())?;
    let networks = [(Role::Denoiser, golden.network()?), (Role::Comparer, comparer)];
    let model = whole::model(golden, (&image, [-1.0, 1.0]), system, networks)?;
    let mut noise = golden.io.shared_noise("x_T", image.shape)?;
    if eta > 0.0 {
        noise.data.extend(golden.io.draws("noise", image.shape, steps, 0)?.data);
    }
    let noise =
        Tensor::new(Shape { n: noise.data.len() / image.shape.len() * image.shape.n, ..image.shape }, noise.data)?;
    let job = model.config.system.job(&model, image.shape.n, Some(NoiseSource::Given))?;
    let picture = job.outputs.reconstruction.ok_or_else(|| Error::Invalid("a job without a picture".into()))?;
    let look = |after, state, name| Look { after, state, name, exact: false };
    let looks = [
        look(after(&job, "embed", false)?, state(&job, "embedding")?, "embedding"),
        look(after(&job, "denoise", false)?, picture, "latent_first"),
        look(job.phases.len(), picture, "out"),
        look(job.phases.len(), job.map()?, "map"),
    ];
    let (mut results, found) = look::results(golden, device, &job, &looks, (&image, &noise))?;
    results.extend(whole::scores(golden, &found[3], model.config.score)?);
    Ok(results)
}
