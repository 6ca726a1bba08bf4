//! The non-parametric estimator: the time at which the training rows, diffused, would give this row.
use super::linear_schedule;
use crate::graph::{Graph, SectionId, StateId};
use crate::kernels::{
    Op,
    neighbours::{MAX_K, Neighbours},
};
use crate::{Error, Result, Shape, Tensor};
use serde::{Deserialize, Serialize};

/// What a row's score is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Estimate {
    /// m, the mean of the smallest squared distances: continuous, and what the published numbers come from.
    #[default]
    Distance,
    /// The posterior's mode over t = 0…299, an integer; ties are many.
    Mode,
}

/// The neighbours whose squared distances are averaged, as published for training on normal rows.
pub const NEIGHBOURS: usize = 5;
/// The same for training on rows as they come, where a row's nearest neighbours are often itself. The public code says 5, with
/// which neither the published numbers of DTE-NP nor those of its kNN baseline come about. About 32 reproduces the published
/// unsupervised kNN (median difference over 17 tables 0.1 points of AUROC), which this takes over.
pub const NEIGHBOURS_UNSUPERVISED: usize = 32;
/// Steps of the schedule: β linear from 1e-4 to 1e-2, both included.
pub const STEPS: usize = 300;
/// Values of one launch at most: these stay within WebGPU's default binding.
const ELEMENTS: usize = 1 << 24;

/// Sections, the training rows that they read, and the distances that they write.
type Nearest = (Vec<SectionId>, Vec<(StateId, Tensor)>, Vec<StateId>);

/// Adds the distances (N,1,1,k) between the queries (N,1,1,D) of `input` and their nearest training rows, a section and an output
/// for each part of the rows that a launch can take. A last part may hold fewer rows than `neighbours`.
pub(super) fn add(
    g: &mut Graph,
    input: StateId,
    (rows, columns): (&[f32], usize),
    neighbours: usize,
) -> Result<Nearest> {
    check_neighbours(neighbours)?;
    if columns == 0 || rows.is_empty() || !rows.len().is_multiple_of(columns) {
        return Err(Error::Invalid(format!("{} values do not make rows of {columns} columns", rows.len())));
    }
    let queries = g.states[input.0].shape;
    let part = (ELEMENTS / columns.next_multiple_of(4)).max(1) * columns;
    let (mut sections, mut constants, mut outputs) = (Vec::new(), Vec::new(), Vec::new());
    for rows in rows.chunks(part) {
        let table = Tensor::new(Shape::new(rows.len() / columns, 1, 1, columns), rows.to_vec())?;
        let k = neighbours.min(table.shape.n);
        let state = g.state("rows", table.shape);
        let out = g.state("distances", queries.with_c(k));
        sections.push(g.section("neighbours"));
        let inputs = [g.read(input), g.read(state)];
        let node = g.push("neighbours", Op::Neighbours(Neighbours { k }), &inputs)?;
        g.write(out, node)?;
        constants.push((state, table));
        outputs.push(out);
    }
    Ok((sections, constants, outputs))
}

/// The score of a query of `columns` values: from its smallest squared distances to each part of the training rows, in any order.
/// # Errors
/// [`Error::Invalid`] when the schedule cannot be made.
pub(super) fn statistic(mut distances: Vec<f32>, neighbours: usize, columns: usize, estimate: Estimate) -> Result<f64> {
    distances.sort_by(f32::total_cmp);
    distances.truncate(neighbours);
    let m = distances.iter().map(|&v| f64::from(v)).sum::<f64>() / distances.len() as f64;
    Ok(match estimate {
        Estimate::Distance => m,
        Estimate::Mode => mode(m, columns, &variances()?) as f64,
    })
}

/// σ² of each of the [`STEPS`], 1 − ᾱ: the noise that is added, the signal being left as it is.
fn variances() -> Result<Vec<f64>> {
    Ok(linear_schedule(STEPS)?.alpha_bars.iter().map(|a| 1.0 - a).collect())
}

/// The kernel's range.
pub(super) fn check_neighbours(neighbours: usize) -> Result<()> {
    let fault = || Error::Invalid(format!("{neighbours} neighbours are asked for; 1 to {MAX_K} are possible"));
    (1..=MAX_K).contains(&neighbours).then_some(()).ok_or_else(fault)
}

/// The step whose σ² is likeliest under the inverse gamma of shape d/2 − 1 and scale m/2 (a flat prior on σ²).
fn mode(m: f64, columns: usize, variances: &[f64]) -> usize {
    // Up to a constant, ln p(v) = −(a + 1)·ln v − b/v with a + 1 = d/2.
    let density = |v: f64| -(columns as f64) / 2.0 * v.ln() - m / 2.0 / v;
    let best = variances.iter().enumerate().max_by(|a, b| density(*a.1).total_cmp(&density(*b.1)));
    best.map_or(0, |(t, _)| t)
}

#[cfg(test)]
mod tests {
    use super::super::Estimator;
    use super::*;
    use crate::Device;
    use crate::kernels::testing::gpus;

    fn scores(device: &Device, columns: usize, train: &[f32], test: &[f32], e: Estimate) -> Vec<f64> {
        let np = Estimator::NonParametric { rows: train.to_vec(), neighbours: NEIGHBOURS };
        device.drive(np.score(device, (test, columns), e)).unwrap()
    }

    #[test]
    fn distances_and_modes_on_every_device() {
        let train: Vec<f32> = (0..20).map(|i| i as f32 * 0.1).collect();
        let mut devices = vec![Device::Cpu];
        devices.extend(gpus().iter().map(|g| Device::Gpu(g.clone())));
        for d in devices {
            // Ten rows (0, .1), (.2, .3), …: the five nearest to the first are at 0, .08, .32, .72 and 1.28.
            let found = scores(&d, 2, &train, &[0.0, 0.1, 100.0, 0.0], Estimate::Distance);
            assert!((found[0] - 0.48).abs() < 1e-6, "{found:?}");
            assert!(found[1] > 9000.0);
            let found = scores(&d, 2, &train, &[0.0, 0.1, 100.0, 0.0], Estimate::Mode);
            assert_eq!(found[1], 299.0);
            // Fewer rows than neighbours.
            assert!((scores(&d, 2, &train[..4], &[0.0, 0.1], Estimate::Distance)[0] - 0.04).abs() < 1e-7);
        }
        let refused = |columns, neighbours| {
            let np = Estimator::NonParametric { rows: train.clone(), neighbours };
            pollster::block_on(np.score(&Device::Cpu, (&[0.0; 6], columns), Estimate::Distance)).is_err()
        };
        assert!(refused(3, 5) && refused(2, MAX_K + 1) && !refused(2, 5));
    }

    #[test]
    fn the_mode_is_the_variance_nearest_to_the_mean_square() {
        let v = variances().unwrap();
        assert!((v[0] - 1e-4).abs() < 1e-12 && (v[299] - 0.7813).abs() < 1e-4, "{} {}", v[0], v[299]);
        for t in [0, 1, 57, 150, 298, 299] {
            assert_eq!(mode(v[t] * 7.0, 7, &v), t);
        }
        assert_eq!(mode(0.0, 3, &v), 0);
    }
}
