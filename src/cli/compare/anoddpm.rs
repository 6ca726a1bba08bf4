//! AnoDDPM's chains, by the detector itself with its noise given, and its simplex noise.
use super::golden::{CHAIN_TOLERANCE, Golden};
use super::schedule;
use crate::cli::measure::{Deviation, deviation};
use crate::detect::{AnoDdpm, DetectorConfig, ModelFolder, anoddpm::NoiseSource, config::Input};
use crate::diffusion::permutation;
use crate::graph::Graph;
use crate::kernels::{Op, StepRow, simplex::Simplex};
use crate::{Device, Error, Result, Shape, Tensor};

/// Noise to level lambda − 1, denoise to 0, square the difference. With `simplex_seeds` the given noise must be what
/// they make.
pub(super) fn run(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
    let c = &golden.config;
    let image = golden.io.image("x")?;
    let Shape { n, h, w, c: channels } = image.shape;
    let network = golden.network()?;
    let input = Input { width: w, height: h, channels, range: [-1.0, 1.0] };
    let mut config = DetectorConfig::as_published(input);
    config.lambda = golden.need("lambda_", c.count("lambda_")?)?;
    if let Some(text) = c.text("schedule")? {
        config.schedule = schedule::settings(text, c.path())?;
    }
    if !(1..=config.schedule.train_steps).contains(&config.lambda) {
        let fault = format!("`lambda_` is {}, which is not in 1..={}", config.lambda, config.schedule.train_steps);
        return Err(Error::file(c.path(), fault));
    }
    // The step at t = 0 adds no noise, so the last draw is idle.
    let draws = config.lambda + 1;
    let noise = golden.io.draws("noise", image.shape, draws, 1)?;
    let times: Vec<i64> =
        std::iter::once(config.lambda).chain((1..=config.lambda).rev()).map(|t| t as i64 - 1).collect();
    let folder = ModelFolder {
        path: golden.folder.clone(),
        config,
        checkpoint: network.checkpoint,
        spec: network.spec,
        sha256: String::new(),
    };
    let batch = device.drive(async {
        let mut detector = AnoDdpm::with_noise(device, &folder, n, NoiseSource::Given).await?;
        detector.give_noise(&noise)?;
        detector.run(&image, 0, |_| true).await
    })?;
    let mut results = vec![golden.compare("out", &batch.reconstruction, CHAIN_TOLERANCE)?];
    if let Some(map) = golden.io.find("map")? {
        // The detector averages the channels; a map with all of them is compared before that.
        let each = map.data.len() == image.data.len();
        let squared = || image.data.iter().zip(&batch.reconstruction.data).map(|(a, b)| (a - b) * (a - b)).collect();
        let found = if each && channels > 1 { Tensor::new(image.shape, squared())? } else { batch.map };
        results.push(golden.compare("map", &found, CHAIN_TOLERANCE)?);
    }
    if let Some(seeds) = golden.integers("simplex_seeds")? {
        results.push(simplex_noise(golden, device, &seeds, &times, image.shape)?);
    }
    Ok(results)
}

/// The given noise against the one that the seeds make, one a draw and channel; as many draws as there are seeds.
fn simplex_noise(golden: &Golden, device: &Device, seeds: &[i64], times: &[i64], image: Shape) -> Result<Deviation> {
    let mut reference = golden.io.get("noise")?;
    let Shape { n, c, .. } = image;
    let draws = times.len().min(seeds.len() / c.max(1)).min(reference.dims.first().copied().unwrap_or(0));
    reference.data.truncate(draws * image.len());
    let sheets = draw_simplex(golden, device, &seeds[..draws * c], &times[..draws], Shape { n: 1, ..image })?;
    // A batch shares its noise.
    let found: Vec<f32> = sheets.iter().flat_map(|s| s.data.repeat(n)).collect();
    Ok(deviation("simplex noise", &found, &reference.data, golden.tolerance.unwrap_or(CHAIN_TOLERANCE)))
}

/// Sheets (shape) for seeds and times, against float64.
pub(super) fn fields(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
    let reference = golden.io.get("out")?;
    let &[count, h, w] = &reference.dims[..] else {
        return Err(golden.io.fault("out", format!("is {:?}, not (seeds,H,W)", reference.dims)));
    };
    let seeds = golden.need("seeds", golden.integers("seeds")?)?;
    let times = golden.need("t", golden.integers("t")?)?;
    if seeds.len() != count || times.len() != count {
        let fault = format!("{} seeds and {} times make no {count} fields", seeds.len(), times.len());
        return Err(Error::file(golden.config.path(), fault));
    }
    let sheets = draw_simplex(golden, device, &seeds, &times, Shape::new(1, h, w, 1))?;
    let found: Vec<f32> = sheets.into_iter().flat_map(|s| s.data).collect();
    Ok(vec![deviation("out", &found, &reference.data, golden.tolerance.unwrap_or(CHAIN_TOLERANCE))])
}

/// One draw for each time; channel c of draw d is the sheet of seed d·C + c.
fn draw_simplex(golden: &Golden, device: &Device, seeds: &[i64], times: &[i64], shape: Shape) -> Result<Vec<Tensor>> {
    let c = &golden.config;
    let small = |v: usize| u32::try_from(v).unwrap_or(u32::MAX);
    let op = Simplex {
        shape,
        octaves: small(c.count("octaves")?.unwrap_or(6)),
        persistence: c.number("persistence")?.unwrap_or(0.8),
        frequency: small(c.count("frequency")?.unwrap_or(64)),
    };
    let row = |(i, &t): (usize, &i64)| {
        let far = || Error::file(c.path(), format!("simplex noise at t = {t} is out of range"));
        let noise_t = i32::try_from(t).ok().filter(|t| t.unsigned_abs() <= 16384).ok_or_else(far)?;
        Ok(StepRow { draw: i as u32, noise_t, ..StepRow::default() })
    };
    let rows = times.iter().enumerate().map(row).collect::<Result<Vec<_>>>()?;
    let table = permutation::table(seeds);

    let mut g = Graph::new();
    let (permutations, field) = (g.state("permutations", table.shape), g.state("field", shape));
    let section = g.section("simplex");
    let input = g.read(permutations);
    let node = g.push("simplex", Op::Simplex(op), &[input])?;
    g.write(field, node)?;
    device.drive(async {
        let mut session = device.session(&g, rows.len()).await?;
        session.upload(permutations, &table)?;
        session.set_steps(&rows)?;
        let mut sheets = Vec::with_capacity(rows.len());
        for i in 0..rows.len() {
            session.run(&[(section, i)], |_| true).await?;
            sheets.push(session.read(field).await?);
        }
        Ok(sheets)
    })
}
