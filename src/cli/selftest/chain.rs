//! The short detection, whole and launch by launch.
use super::stored::Stored;
use crate::cli::layers::{Layer, Twin, examine};
use crate::cli::measure::{Deviation, deviation};
use crate::detect::AnoDdpm;
use crate::detect::anoddpm::{NoiseSource, Program};
use crate::{Device, Result};
use std::time::Instant;

/// NMSE of a layer of the first step, and of what leads to it.
const LAYER: f64 = 1e-9;
/// NMSE of what a whole chain leads to.
const CHAIN: f64 = 1e-6;

/// How the detection as a whole went.
pub(super) struct Whole {
    pub outputs: Vec<Deviation>,
    pub prepare_seconds: f64,
    pub detect_seconds: f64,
}

/// Runs the detection as `residua detect` does.
pub(super) fn detect(stored: &Stored, device: &Device) -> Result<Whole> {
    let start = Instant::now();
    let mut detector = device.drive(AnoDdpm::new(device, &stored.model, 1))?;
    let prepare_seconds = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let batch = device.drive(detector.run(&stored.image, stored.seed, |_| true))?;
    let detect_seconds = start.elapsed().as_secs_f64();
    let mut outputs = Vec::new();
    for (name, found) in [("reconstruction", &batch.reconstruction), ("map", &batch.map)] {
        outputs.push(deviation(name, &found.data, &stored.file.get(name)?.data, CHAIN));
    }
    Ok(Whole { outputs, prepare_seconds, detect_seconds })
}

/// Runs it again, watching every section the first time that it runs, and those after the last step: all layers that ran so,
/// and the stored ones that none of them is called after.
pub(super) fn layers(stored: &Stored, device: &Device) -> Result<(Vec<Layer>, Vec<String>)> {
    let source = NoiseSource::from(stored.model.config.noise);
    let program = Program::new(&stored.model, 1, source)?;
    let graph = &program.graph;
    let schedule = program.schedule();
    let mut met = Vec::new();
    let all = device.drive(async {
        let mut twin = Twin::new(device, graph, &program.rows(stored.seed)).await?;
        if let Some((state, table)) = program.permutations(source, stored.seed) {
            twin.upload(state, &table)?;
        }
        twin.upload(program.image, &stored.image)?;
        let (mut all, mut watched) = (Vec::new(), Vec::new());
        for &(section, row) in schedule {
            if watched.iter().any(|&(s, _, _)| s == section) {
                twin.run(section, row).await?;
                continue;
            }
            // What comes after the steps has their rounding in it.
            let first = watched.len() < 3;
            let tolerance = if first { LAYER } else { CHAIN };
            let found = examine(&mut twin, graph, (section, row), Some(&stored.file), tolerance, &mut met).await?;
            watched.push((section, row, all.len()..all.len() + found.len()));
            all.extend(found);
        }
        for (section, row, range) in watched {
            if let Some(times) = twin.times(section, row).await {
                all[range].iter_mut().zip(times).for_each(|(l, ms)| l.milliseconds = Some(ms));
            }
        }
        Ok::<_, crate::Error>(all)
    })?;
    let unmet = stored.layers().into_iter().filter(|key| !met.contains(key)).collect();
    Ok((all, unmet))
}
