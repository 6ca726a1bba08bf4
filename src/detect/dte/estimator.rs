//! An estimator, fitted: what the four have in common.
use super::kind::EstimatorKind;
use super::networks::Network;
use super::np::check_neighbours;
use super::train::{Recipe, train};
use super::{Estimate, NEIGHBOURS, np};
use crate::detect::{Batch, Job, Outputs, Phase, Runner};
use crate::graph::Graph;
use crate::kernels::StepRow;
use crate::{Device, Error, Result, Shape, Tensor};
use rayon::prelude::*;
use std::sync::Mutex;

/// How an estimator is fitted and scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FitSettings {
    /// Which.
    pub method: EstimatorKind,
    /// DTE-NP: how many neighbours are averaged.
    pub neighbours: usize,
    /// DTE-NP: what the score is.
    pub estimate: Estimate,
    /// The others: how the network is trained.
    pub recipe: Recipe,
}

impl Default for FitSettings {
    fn default() -> Self {
        let (method, estimate, recipe) = Default::default();
        FitSettings { method, neighbours: NEIGHBOURS, estimate, recipe }
    }
}

/// A fitted estimator, of standardised rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Estimator {
    /// DTE-NP.
    NonParametric {
        /// Training rows.
        rows: Vec<f32>,
        /// How many are averaged.
        neighbours: usize,
    },
    /// The others: networks that differ in their seed, whose scores are averaged (Lakshminarayanan, Pritzel and Blundell, NeurIPS
    /// 2017).
    Networks(Vec<Network>),
}

impl Estimator {
    /// Fits to rows of `columns` values. `progress` hears after each epoch of a network's training how many there were and its mean
    /// loss, and answers whether to go on.
    /// # Errors
    /// [`Error::Invalid`] without a row or for settings that are not possible; as [`train`].
    pub async fn fit(
        device: &Device,
        settings: &FitSettings,
        (rows, columns): (Vec<f32>, usize),
        progress: impl FnMut(usize, f64) -> bool + Send,
    ) -> Result<Self> {
        if rows.is_empty() {
            return Err(Error::Invalid("the table has no row to fit to".into()));
        }
        match settings.method.network() {
            None => {
                check_neighbours(settings.neighbours)?;
                Ok(Estimator::NonParametric { rows, neighbours: settings.neighbours })
            }
            Some(kind) => {
                let progress = Mutex::new(progress);
                let heard = |epoch, loss| progress.lock().is_ok_and(|mut hear| hear(epoch, loss));
                let one = async |recipe: &Recipe| train(device, kind, (&rows, columns), recipe, heard).await;
                let recipes = settings.recipe.ensemble(kind)?;
                let mut networks = Vec::new();
                match device {
                    // They are too small for several threads each.
                    Device::Cpu => {
                        networks = recipes.par_iter().map(|r| device.drive(one(r))).collect::<Result<_>>()?
                    }
                    Device::Gpu(_) => {
                        for recipe in &recipes {
                            networks.push(one(recipe).await?);
                        }
                    }
                }
                Ok(Estimator::Networks(networks))
            }
        }
    }

    /// What a batch of `count` rows of `columns` values runs.
    /// # Errors
    /// [`Error::Invalid`] when the training rows have another width.
    pub fn job(&self, columns: usize, count: usize) -> Result<Job> {
        let mut g = Graph::new();
        let input = g.state("rows", self.rows_shape(count, columns));
        let (mut rows, mut phases, mut constants, mut outputs) =
            (Vec::new(), Vec::new(), Vec::new(), Outputs::default());
        let mut first = None;
        match self {
            Estimator::NonParametric { rows: train, neighbours } => {
                let (sections, tables, distances) = np::add(&mut g, input, (train, columns), *neighbours)?;
                rows.push(StepRow::default());
                first = sections.first().copied();
                phases.extend(sections.into_iter().map(|section| Phase { section, row: 0 }));
                (constants, outputs.statistics) = (tables, distances);
            }
            Estimator::Networks(networks) => {
                for network in networks {
                    let added = network.add(&mut g, input, &mut rows)?;
                    phases.extend(added.phases);
                    constants.extend(added.constants);
                    outputs.statistics.push(added.output);
                    first.get_or_insert(added.network);
                }
            }
        }
        let network = first.ok_or_else(|| Error::Invalid("the estimator holds no network".into()))?;
        Ok(Job::new(g, input, None, (phases, rows), outputs, network).with_constants(constants))
    }

    /// The scores of a batch's first `count` rows, higher being more anomalous. `estimate` is DTE-NP's choice.
    /// # Errors
    /// [`Error::Invalid`] when these are not the statistics of this estimator's job.
    pub fn scores(&self, batch: &Batch, count: usize, columns: usize, estimate: Estimate) -> Result<Vec<f64>> {
        // Rows are samples, or pixels of one sample, whose columns lie one after the other.
        let row = |t: &Tensor, i: usize| -> Vec<f32> {
            let Shape { n, h, c, .. } = t.shape;
            (0..c).map(|k| t.data[if n > 1 { i * c + k } else { k * h + i }]).collect()
        };
        match self {
            Estimator::NonParametric { neighbours, .. } => (0..count)
                .map(|i| {
                    let all = batch.statistics.iter().flat_map(|part| row(part, i)).collect();
                    np::statistic(all, *neighbours, columns, estimate)
                })
                .collect(),
            Estimator::Networks(networks) if networks.len() == batch.statistics.len() => {
                let each = || networks.iter().zip(&batch.statistics);
                let one = |i| each().map(|(n, t)| n.statistic(&row(t, i))).sum::<f64>() / networks.len() as f64;
                Ok((0..count).map(one).collect())
            }
            Estimator::Networks(_) => Err(Error::Invalid("these are the outputs of another estimator".into())),
        }
    }

    /// Scores of rows of `columns` values, in batches, all finite; `estimate` is DTE-NP's choice.
    /// # Errors
    /// [`Error::Invalid`] for rows of another width, and naming the rows that get no finite score; whatever the device reports.
    pub async fn score(
        &self,
        device: &Device,
        (rows, columns): (&[f32], usize),
        estimate: Estimate,
    ) -> Result<Vec<f64>> {
        if columns == 0 || !rows.len().is_multiple_of(columns) {
            return Err(Error::Invalid(format!("{} values do not make rows of {columns} columns", rows.len())));
        }
        let count = self.batch(device, columns).clamp(1, (rows.len() / columns).max(1));
        let mut runner = Runner::new(device, self.job(columns, count)?).await?;
        let mut scores = Vec::with_capacity(rows.len() / columns);
        for chunk in rows.chunks(count * columns) {
            let batch = runner.run(&self.rows(chunk, columns, count)?, 0, |_| true).await?;
            scores.extend(self.scores(&batch, chunk.len() / columns, columns, estimate)?);
        }
        check_finite(&scores)?;
        Ok(scores)
    }

    /// The shape of a job's input: a sample a row for DTE-NP, a pixel a row for the networks, whose layers are 1×1 convolutions.
    fn rows_shape(&self, count: usize, columns: usize) -> Shape {
        match self {
            Estimator::NonParametric { .. } => Shape::new(count, 1, 1, columns),
            Estimator::Networks(_) => Shape::new(1, count, 1, columns),
        }
    }
    /// Rows as the input of a job for `count` of them, filled up with zeros.
    /// # Errors
    /// [`Error::Invalid`] for more rows.
    pub fn rows(&self, rows: &[f32], columns: usize, count: usize) -> Result<Tensor> {
        let shape = self.rows_shape(count, columns);
        if rows.len() > shape.len() {
            return Err(Error::Invalid(format!("{} values in a batch of {count} rows of {columns}", rows.len())));
        }
        let by_row = matches!(self, Estimator::NonParametric { .. });
        let mut data = vec![0.0; shape.len()];
        for (i, row) in rows.chunks_exact(columns).enumerate() {
            let place = |c: usize| if by_row { i * columns + c } else { c * count + i };
            row.iter().enumerate().for_each(|(c, &v)| data[place(c)] = v);
        }
        Tensor::new(shape, data)
    }

    /// Rows of a batch: such that no state is larger than WebGPU's default binding, and no launch on a GPU takes too long. The
    /// processor finds neighbours best of all rows at once.
    fn batch(&self, device: &Device, columns: usize) -> usize {
        const ROWS: usize = 8192;
        const ELEMENTS: usize = 1 << 24;
        let width = columns.next_multiple_of(4);
        match (self, device) {
            (Estimator::NonParametric { .. }, Device::Cpu) => ELEMENTS / width,
            (Estimator::NonParametric { .. }, Device::Gpu(_)) => ROWS.min(ELEMENTS / width),
            (Estimator::Networks(_), _) => ROWS.min(ELEMENTS / width.max(512)),
        }
    }
}

/// A score that is no number must not be ranked.
fn check_finite(scores: &[f64]) -> Result<()> {
    let bad: Vec<usize> = (0..scores.len()).filter(|&i| !scores[i].is_finite()).collect();
    let Some(&first) = bad.first() else { return Ok(()) };
    let (first, count, all) = (first + 1, bad.len(), scores.len());
    Err(Error::Invalid(format!("{count} of {all} scored rows get no finite score, row {first} the first of them")))
}

#[cfg(test)]
mod tests {
    use super::super::networks::NetworkKind;
    use super::*;

    #[test]
    fn scores_that_are_no_numbers_are_refused() {
        assert!(check_finite(&[0.0, -1.0, f64::MAX]).is_ok());
        for bad in [f64::NAN, f64::INFINITY] {
            let fault = check_finite(&[0.0, bad, 1.0, bad]).unwrap_err().to_string();
            assert_eq!(fault, "2 of 4 scored rows get no finite score, row 2 the first of them");
        }
    }

    #[test]
    fn an_ensembles_score_is_the_mean_of_its_networks() {
        let rows: Vec<f32> = (0..120).map(|i| ((i * i) % 17) as f32 / 8.0 - 1.0).collect();
        let fit = |recipe: Recipe, go_on: bool| {
            let settings = FitSettings { method: EstimatorKind::Ig, recipe, ..FitSettings::default() };
            pollster::block_on(Estimator::fit(&Device::Cpu, &settings, (rows.clone(), 4), |_, _| go_on))
        };
        let score = |e: &Estimator| pollster::block_on(e.score(&Device::Cpu, (&rows, 4), Estimate::default())).unwrap();
        let three = Recipe { epochs: 2, members: Some(3), seed: 7, ..Recipe::default() };
        let singles = three
            .ensemble(NetworkKind::InverseGamma)
            .unwrap()
            .into_iter()
            .map(|recipe| score(&fit(Recipe { members: Some(1), ..recipe }, true).unwrap()));
        let singles: Vec<_> = singles.collect();
        assert!(singles[0] != singles[1] && singles[1] != singles[2]);
        for (i, mean) in score(&fit(three, true).unwrap()).into_iter().enumerate() {
            let wanted = singles.iter().map(|s| s[i]).sum::<f64>() / 3.0;
            assert!((mean - wanted).abs() < 1e-12 * wanted, "{i}: {mean} {wanted}");
        }
        assert!(matches!(fit(three, false), Err(Error::Interrupted)));
        assert!(matches!(fit(Recipe { members: Some(0), ..three }, true), Err(Error::Invalid(_))));
        let usual = |kind| Recipe::default().ensemble(kind).unwrap().len();
        assert_eq!([NetworkKind::Categorical, NetworkKind::InverseGamma, NetworkKind::Residual].map(usual), [1, 5, 1]);
    }
}
