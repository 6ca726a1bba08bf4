//! The chain of Wolleb et al., by the system's own job with its noise given: the encoded latent, what is decoded from it, the map.
use super::golden::{CHAIN_TOLERANCE, Golden};
use super::schedule;
use crate::detect::config::{InputConfig, PredictionKind, VarianceKind, Variant};
use crate::detect::networks::{Networks, Role};
use crate::detect::wolleb::{Difference, Wolleb};
use crate::detect::{DetectorConfig, ModelFolder, System};
use crate::diffusion::NoiseSource;
use crate::model::{Network, Overrides};
use crate::verify::measure::Deviation;
use crate::{Device, Error, Result, Shape};

/// Its settings, by the names that the config has for them: `L`, `s`, `target` (an index), `schedule`, `variant`, and where they
/// are given `respacing`, `clip_denoised`, `prediction` and `difference`.
fn settings(golden: &Golden, unet: &Network, classes: usize) -> Result<Wolleb> {
    let c = &golden.config;
    let fault = |fault: String| Error::file(c.path(), fault);
    let mut system = Wolleb { noise_level: golden.need("L", c.count("L")?)?, ..Wolleb::default() };
    system.scale = golden.need("s", c.number("s")?)?;
    if let Some(text) = c.text("schedule")? {
        system.schedule = schedule::settings(text, c.path())?;
    }
    let spec = unet.as_unet()?;
    if spec.out_channels() == 2 * spec.in_channels() {
        system.schedule.variance = VarianceKind::LearnedRange;
    }
    system.schedule.prediction = match c.text("prediction")? {
        None | Some("epsilon") => PredictionKind::Epsilon,
        Some("x0" | "sample") => PredictionKind::Sample,
        Some("v" | "v_prediction") => PredictionKind::V,
        Some(other) => return Err(fault(format!("`prediction` is `{other}`"))),
    };
    system.variant = match c.text("variant")? {
        Some(text) if text.contains("paper") => Variant::Paper,
        None => Variant::Published,
        Some(text) if text.contains("published") || text.contains("code") => Variant::Published,
        Some(other) => return Err(fault(format!("`variant` is `{other}`; published and paper are known"))),
    };
    system.respacing = c.text(c.alias(&["respacing", "timestep_respacing", "spacing"]))?.map(str::to_owned);
    system.clip = c.flag(c.alias(&["clip_denoised", "clip"]))?.unwrap_or(true);
    system.difference = match c.text(c.alias(&["difference", "map"]))? {
        None | Some("sum") => Difference::Sum,
        Some("min_max" | "minmax" | "min-max") => Difference::MinMax,
        Some(other) => return Err(fault(format!("the difference is `{other}`; sum and min_max are known"))),
    };
    // Classes have indices in a golden, and no names.
    system.classes = (0..classes).map(|i| i.to_string()).collect();
    system.target = golden.need("target", c.count("target")?)?.to_string();
    Ok(system)
}

/// Runs the chain.
pub fn wolleb(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
    let image = golden.io.image("x")?;
    let none = &Overrides::default();
    let unet = Network::unet(&golden.model_folder("unet")?, none)?;
    let classifier = Network::classifier(&golden.model_folder("classifier")?, none)?;
    let system = settings(golden, &unet, classifier.as_classifier()?.classes())?;
    let noised = system.variant == Variant::Published;
    let Shape { n, h, w, c: channels } = image.shape;
    // The original's images are in 0..1.
    let input = InputConfig { width: w, height: h, range: [0.0, 1.0], ..InputConfig::square(1, channels) };
    let config = DetectorConfig::new("golden", Some(input), System::Wolleb(system));
    config.check().map_err(|e| Error::file(golden.config.path(), e.to_string()))?;
    let graphs = [(Role::Denoiser, unet), (Role::Classifier, classifier)].into();
    let model = ModelFolder::of(&golden.folder, config, Networks { graphs, ..Networks::default() })?;
    let job = model.config.system.job(&model, n, Some(NoiseSource::Given))?;
    let noise = noised.then(|| golden.io.shared_noise("noise", image.shape)).transpose()?;
    let given = job.noise.map(|n| n.given()).transpose()?;

    // The latent is there before the first step down, which two sections make.
    let down = job.phases.iter().position(|p| job.graph.sections[p.section.0] == "decode");
    let down = down.ok_or_else(|| Error::Invalid("a chain that does not go down".into()))?.saturating_sub(1);
    let (schedule, rows) = (job.schedule(), job.rows(0));
    let none = || Error::Invalid("the system reconstructs nothing".into());
    let (x, map) = (job.outputs.reconstruction.ok_or_else(none)?, job.map()?);
    let (latent, out, map) = device.drive(async {
        let mut session = device.session(&job.graph, rows.len()).await?;
        session.upload(job.input, &image)?;
        if let (Some(state), Some(noise)) = (given, &noise) {
            session.upload(state, noise)?;
        }
        session.set_steps(&rows)?;
        session.run(&schedule[..down], |_| true).await?;
        let latent = session.read(x).await?;
        session.run(&schedule[down..], |_| true).await?;
        Ok::<_, Error>((latent, session.read(x).await?, session.read(map).await?))
    })?;
    let mut results = Vec::new();
    for (name, found) in [("latent", &latent), ("out", &out), ("map", &map)] {
        if name == "out" || golden.io.find(name)?.is_some() {
            results.push(golden.compare(name, found, CHAIN_TOLERANCE)?);
        }
    }
    Ok(results)
}
