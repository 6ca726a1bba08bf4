//! The non-parametric estimator: the time at which the training rows, diffused, would give this row.
use super::linear_schedule;
use crate::graph::{Graph, SectionId, StateId};
use crate::kernels::{
    Op, StepRow,
    neighbours::{MAX_K, Neighbours},
};
use crate::{Device, Error, Result, Session, Shape, Tensor};

/// What a row's score is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
/// Queries of one launch on a GPU, and values of one launch at most: these stay within WebGPU's default binding.
const QUERIES: usize = 8192;
const ELEMENTS: usize = 1 << 24;

/// DTE-NP, ready to score on a device.
pub struct NonParametric {
    device: Device,
    columns: usize,
    parts: Vec<Tensor>,
    k: usize,
}

impl NonParametric {
    /// Takes the training rows, standardised, `columns` values each, and the number of neighbours, 1 to [`MAX_K`].
    /// # Errors
    /// [`Error::Invalid`] without a whole row, or for another number of neighbours.
    pub fn new(device: Device, columns: usize, rows: &[f32], neighbours: usize) -> Result<Self> {
        check_neighbours(neighbours)?;
        if columns == 0 || rows.is_empty() || !rows.len().is_multiple_of(columns) {
            return Err(Error::Invalid(format!("{} values do not make rows of {columns} columns", rows.len())));
        }
        let part = (ELEMENTS / columns.next_multiple_of(4)).max(1) * columns;
        let tensor = |data: &[f32]| Tensor::new(Shape::new(data.len() / columns, 1, 1, columns), data.to_vec());
        let parts = rows.chunks(part).map(tensor).collect::<Result<_>>()?;
        Ok(NonParametric { device, columns, parts, k: neighbours.min(rows.len() / columns) })
    }

    /// The scores of rows, standardised as the training rows were.
    /// # Errors
    /// [`Error::Device`], [`Error::Shader`]; [`Error::Invalid`] when the rows have another width.
    pub async fn score(&self, rows: &[f32], estimate: Estimate) -> Result<Vec<f64>> {
        if !rows.len().is_multiple_of(self.columns) {
            return Err(Error::Invalid(format!("{} values do not make rows of {} columns", rows.len(), self.columns)));
        }
        let n = rows.len() / self.columns;
        // A launch that would hold more values than a binding takes fewer queries; a GPU's must not take too long.
        let most = if matches!(self.device, Device::Cpu) { usize::MAX } else { QUERIES };
        let chunk = most.min(ELEMENTS / self.columns.next_multiple_of(4)).clamp(1, n.max(1));
        let mut nearest: Vec<Vec<f32>> = vec![Vec::new(); n];
        for part in &self.parts {
            let mut launch = Launch::new(&self.device, part, chunk, self.k).await?;
            for (i, some) in rows.chunks(chunk * self.columns).enumerate() {
                let found = launch.run(some).await?;
                for (to, from) in nearest[i * chunk..].iter_mut().zip(found.chunks_exact(launch.k)) {
                    to.extend_from_slice(from);
                    to.sort_by(f32::total_cmp);
                    to.truncate(self.k);
                }
            }
        }
        let mean = |d: &Vec<f32>| d.iter().map(|&v| f64::from(v)).sum::<f64>() / d.len() as f64;
        let m = nearest.iter().map(mean);
        Ok(match estimate {
            Estimate::Distance => m.collect(),
            Estimate::Mode => {
                let variances = variances()?;
                m.map(|m| mode(m, self.columns, &variances) as f64).collect()
            }
        })
    }
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

/// The graph of one part of the rows.
struct Launch {
    session: Session,
    queries: StateId,
    found: StateId,
    shape: Shape,
    k: usize,
}

impl Launch {
    async fn new(device: &Device, rows: &Tensor, queries: usize, k: usize) -> Result<Self> {
        // A last part may be shorter than k.
        let k = k.min(rows.shape.n);
        let shape = Shape { n: queries, ..rows.shape };
        let mut g = Graph::new();
        let (x, r) = (g.state("queries", shape), g.state("rows", rows.shape));
        let out = g.state("distances", shape.with_c(k));
        g.section("neighbours");
        let inputs = [g.read(x), g.read(r)];
        let node = g.push("neighbours", Op::Neighbours(Neighbours { k }), &inputs)?;
        g.write(out, node)?;
        let mut session = device.session(&g, 1).await?;
        session.upload(r, rows)?;
        session.set_steps(&[StepRow::default()])?;
        Ok(Launch { session, queries: x, found: out, shape, k })
    }
    /// k distances for each row.
    async fn run(&mut self, rows: &[f32]) -> Result<Vec<f32>> {
        let mut data = rows.to_vec();
        data.resize(self.shape.len(), 0.0);
        self.session.upload(self.queries, &Tensor::new(self.shape, data)?)?;
        self.session.run(&[(SectionId(0), 0)], |_| true).await?;
        let mut found = self.session.read(self.found).await?.data;
        found.truncate(rows.len() / self.shape.c * self.k);
        Ok(found)
    }
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
    use super::*;
    use crate::kernels::testing::gpus;

    fn scores(device: &Device, columns: usize, train: &[f32], test: &[f32], e: Estimate) -> Vec<f64> {
        let np = NonParametric::new(device.clone(), columns, train, NEIGHBOURS).unwrap();
        device.drive(np.score(test, e)).unwrap()
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
        assert!(NonParametric::new(Device::Cpu, 3, &train, 5).is_err());
        assert!(NonParametric::new(Device::Cpu, 2, &train, MAX_K + 1).is_err());
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
