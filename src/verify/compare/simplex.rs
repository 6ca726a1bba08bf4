//! Simplex noise for seeds and times.
use super::golden::{CHAIN_TOLERANCE, Golden};
use crate::diffusion::permutation;
use crate::graph::Graph;
use crate::kernels::{Op, StepRow, simplex::Simplex};
use crate::verify::measure::{Deviation, deviation};
use crate::{Device, Error, Result, Shape, Tensor};

/// The given noise against the one that the seeds make, one a draw and channel; as many draws as there are seeds.
pub fn given_noise(golden: &Golden, device: &Device, seeds: &[i64], times: &[i64], image: Shape) -> Result<Deviation> {
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
pub fn fields(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
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
