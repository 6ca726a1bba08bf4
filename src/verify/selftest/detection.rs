//! The short detection, whole and launch by launch.
use super::stored::Stored;
use crate::detect::Runner;
use crate::verify::layers::{Layer, Twin, examine};
use crate::verify::measure::{Deviation, deviation};
use crate::{Device, Result};
use std::time::Instant;

/// NMSE of a layer of the first step, and of what leads to it.
const LAYER: f64 = 1e-9;
/// NMSE of what a whole chain leads to.
const CHAIN: f64 = 1e-6;

/// How the detection as a whole went.
pub struct Whole {
    /// Reconstruction and map against the stored ones.
    pub outputs: Vec<Deviation>,
    /// Compiling, planning and uploading.
    pub prepare_seconds: f64,
    /// The detection itself.
    pub detect_seconds: f64,
}

/// Runs the detection as `residua detect` does.
/// # Errors
/// What stands in the way of comparing: a missing tensor, a lost device.
pub fn detect(stored: &Stored, device: &Device) -> Result<Whole> {
    let start = Instant::now();
    let mut runner = device.drive(Runner::new(device, stored.model.job(1)?))?;
    let prepare_seconds = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let batch = device.drive(runner.run(&stored.image, stored.seed, |_| true))?;
    let detect_seconds = start.elapsed().as_secs_f64();
    let mut outputs = Vec::new();
    for (name, found) in [("reconstruction", &batch.reconstruction), ("map", &batch.map)] {
        if let Some(found) = found {
            outputs.push(deviation(name, &found.data, &stored.file.get(name)?.data, CHAIN));
        }
    }
    Ok(Whole { outputs, prepare_seconds, detect_seconds })
}

/// Runs it again, watching every section the first time that it runs, and those after the last step: all layers that ran so,
/// and the stored ones that none of them is called after.
/// # Errors
/// As [`detect`].
pub fn layers(stored: &Stored, device: &Device) -> Result<(Vec<Layer>, Vec<String>)> {
    let job = stored.model.job(1)?;
    let graph = &job.graph;
    let mut met = Vec::new();
    let all = device.drive(async {
        let mut twin = Twin::new(device, graph, &job.rows(stored.seed)).await?;
        for (state, tensor) in job.constants.iter().cloned().chain(job.noise.and_then(|n| n.table(graph, stored.seed)))
        {
            twin.upload(state, &tensor)?;
        }
        twin.upload(job.input, &stored.image)?;
        let (mut all, mut watched) = (Vec::new(), Vec::new());
        for phase in &job.phases {
            let (section, row) = (phase.section, phase.row);
            if watched.iter().any(|&(s, _, _)| s == section) {
                twin.run(section, row).await?;
                continue;
            }
            // What comes after the first run of the network has the rounding of all its steps in it.
            let before = !watched.iter().any(|&(s, _, _)| s == job.network);
            let tolerance = if before { LAYER } else { CHAIN };
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
