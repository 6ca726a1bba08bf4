//! DDAD whole: noised, pulled back step by step, compared.
use super::golden::Golden;
use super::look::{self, Look, after};
use super::{chain, schedule, whole};
use crate::detect::System;
use crate::detect::config::BlurConfig;
use crate::detect::ddad::Ddad;
use crate::detect::networks::Role;
use crate::diffusion::NoiseSource;
use crate::model::Network;
use crate::verify::measure::Deviation;
use crate::{Device, Error, Result, Shape, Tensor};

/// Settings of the system that a golden's config may hold, under the names there and here.
const NAMED: [(&str, &str); 10] = [
    ("variant", "variant"),
    ("t_start", "t_start"),
    ("skip", "skip"),
    ("w", "w"),
    ("eta", "eta"),
    ("v", "v"),
    ("layers", "layers"),
    ("normalisation", "normalisation"),
    ("ratio", "ratio"),
    ("crop", "crop"),
];

/// Image `x` (N,C,H,W) in −1..1, `noise_0` (N,C,H,W) and, where `eta` is not 0, `noise` (S,N,C,H,W) to the image after the first step
/// (`latent_first`), the reconstruction, the map and the score.
pub fn run(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
    let c = &golden.config;
    let mut system = Ddad::default();
    if let Some(text) = c.text("schedule")? {
        system.schedule = schedule::settings(text, c.path())?;
    }
    if let Some(sigma) = c.number("sigma")? {
        system.blur = (sigma > 0.0).then_some(BlurConfig::Gaussian { sigma: sigma as f32 });
    }
    // Where nothing is said, all of the image is judged.
    system.crop = None;
    let mut system = System::Ddad(system);
    whole::set(golden, &mut system, &NAMED)?;
    let (image, folder) = (golden.io.image("x")?, golden.model_folder("features"));
    let steps = match &system {
        System::Ddad(s) => {
            let timesteps = s.timesteps().map_err(|e| Error::file(c.path(), e.to_string()))?;
            chain::agree(golden, &timesteps)?;
            if s.eta > 0.0 { timesteps.list.len() } else { 0 }
        }
        _ => 0,
    };
    let networks = [(Role::Denoiser, golden.network()?), (Role::Features, Network::resnet(&folder?)?)];
    let model = whole::model(golden, (&image, [-1.0, 1.0]), system, networks)?;
    let mut noise = golden.io.shared_noise("noise_0", image.shape)?;
    if steps > 0 {
        noise.data.extend(golden.io.draws("noise", image.shape, steps, 0)?.data);
    }
    let noise = Tensor::new(Shape { n: (1 + steps) * image.shape.n, ..image.shape }, noise.data)?;
    let job = model.config.system.job(&model, image.shape.n, Some(NoiseSource::Given))?;
    let picture = job.outputs.reconstruction.ok_or_else(|| Error::Invalid("a job without a picture".into()))?;
    let look = |after, state, name| Look { after, state, name, exact: false };
    let looks = [
        look(after(&job, "denoise", false)?, picture, "latent_first"),
        look(job.phases.len(), picture, "out"),
        look(job.phases.len(), job.map()?, "map"),
    ];
    let (mut results, found) = look::results(golden, device, &job, &looks, (&image, &noise))?;
    results.extend(whole::scores(golden, &found[2], model.config.score)?);
    Ok(results)
}
