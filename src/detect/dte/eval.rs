//! Labelled tables through a protocol, several seeds each, with published numbers beside.
use super::{Estimator, Protocol, Recipe, Setting, Settings, Split, f1_at_anomalies, measures};
use crate::data::Table;
use crate::eval::Curve;
use crate::{Device, Error, Result};
use rayon::prelude::*;
use serde::Serialize;
use std::path::Path;

/// One table's results; measures lie between 0 and 1 and are means over the seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The data set's name.
    pub name: String,
    /// Area under the ROC curve.
    pub auroc: f64,
    /// Its sample standard deviation over the seeds, 0 for one.
    pub std: f64,
    /// Average precision.
    pub auprc: f64,
    /// The greatest F1 over all thresholds.
    pub f1_max: f64,
    /// The false-positive rate at the highest threshold whose true-positive rate is 0.95 or more.
    pub fpr_at_tpr95: f64,
    /// F1 at as many rows as there are anomalies.
    pub f1_at_anomalies: f64,
    /// Rows of the whole table.
    pub rows: usize,
    /// Its features.
    pub columns: usize,
    /// Seeds that were run.
    pub seeds: u32,
    /// The published AUROC.
    pub published: Option<f64>,
    /// The first seed's curves.
    #[serde(skip)]
    pub curve: Curve,
    /// The first seed's scores, true for an anomaly.
    #[serde(skip)]
    pub scores: Vec<(f64, bool)>,
}

impl Evaluation {
    /// From each seed's scores and labels of the test rows.
    /// # Errors
    /// [`Error::Invalid`] without a seed, or when rows are of one kind only.
    pub fn new(name: &str, table: &Table, seeds: &[(Vec<f64>, Vec<bool>)]) -> Result<Self> {
        let (mut results, mut curve) = (Vec::new(), None);
        for (scores, labels) in seeds {
            let Some((m, f1)) = measures(scores, labels).zip(f1_at_anomalies(scores, labels)) else {
                return Err(Error::Invalid("the test rows are all normal or all anomalous".into()));
            };
            results.push([m.auroc, m.auprc, m.f1, m.fpr_at_95_tpr, f1]);
            curve.get_or_insert(m.curve);
        }
        let ((scores, labels), curve) =
            seeds.first().zip(curve).ok_or_else(|| Error::Invalid("no seed was run".into()))?;
        let n = results.len() as f64;
        let [auroc, auprc, f1_max, fpr_at_tpr95, f1_at_anomalies] =
            std::array::from_fn(|i| results.iter().map(|r| r[i]).sum::<f64>() / n);
        let squares: f64 = results.iter().map(|r| (r[0] - auroc).powi(2)).sum();
        Ok(Evaluation {
            name: name.into(),
            auroc,
            std: (squares / (n - 1.0).max(1.0)).sqrt(),
            auprc,
            f1_max,
            fpr_at_tpr95,
            f1_at_anomalies,
            rows: table.rows(),
            columns: table.columns,
            seeds: results.len() as u32,
            published: None,
            curve,
            scores: scores.iter().copied().zip(labels.iter().copied()).collect(),
        })
    }
}

/// Fits and scores for each of the seeds 0, 1, … below `seeds`, which decide the split and the training; on the processor at once.
/// `go_on` is asked after each epoch and each seed.
/// # Errors
/// As [`Split::new`], [`Estimator::fit`], [`Estimator::score`] and [`Evaluation::new`]; [`Error::Interrupted`] when
/// `go_on` said no.
pub fn evaluate(
    device: &Device,
    (name, table): (&str, &Table),
    (protocol, setting): (Protocol, Setting),
    settings: &Settings,
    seeds: u32,
    go_on: impl Fn() -> bool + Sync,
) -> Result<Evaluation> {
    let one = |seed: u32| {
        let s = Split::new(table, protocol, setting, seed)?;
        let scores = device.drive(async {
            let settings = Settings { recipe: Recipe { seed, ..settings.recipe }, ..*settings };
            let fitted = Estimator::fit(device, &settings, (s.train, s.columns), |_, _| go_on()).await?;
            fitted.score(device, (&s.test, s.columns), settings.estimate).await
        })?;
        if go_on() { Ok((scores, s.labels)) } else { Err(Error::Interrupted) }
    };
    // The networks are too small for several threads each; a GPU has one queue.
    let results: Vec<_> = match device {
        Device::Cpu => (0..seeds.max(1)).into_par_iter().map(one).collect::<Result<_>>()?,
        Device::Gpu(_) => (0..seeds.max(1)).map(one).collect::<Result<_>>()?,
    };
    Evaluation::new(name, table, &results)
}

/// ADBench's name of a file in lower case, without its number: `22_magic.gamma.npz` is `magic.gamma`.
pub fn dataset_name(path: &Path) -> String {
    let stem = path.file_stem().map(|s| s.to_string_lossy().to_lowercase()).unwrap_or_default();
    match stem.split_once('_') {
        Some((number, name)) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => name.into(),
        _ => stem,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Estimate;
    use super::*;

    #[test]
    fn an_outlying_cluster_is_found_under_every_protocol() {
        let mut random = super::super::RandomState::new(1);
        let mut values: Vec<f64> =
            random.choice_with_replacement(1000, 3 * 1200).into_iter().map(|v| v as f64).collect();
        let labels: Vec<bool> = (0..1200).map(|i| i % 12 == 5).collect();
        for (row, _) in values.chunks_mut(3).zip(&labels).filter(|(_, y)| **y) {
            row[1] += 1500.0 + row[2];
        }
        let table = Table::new(Path::new("t"), 3, values, Some(labels), None).unwrap();
        for how in [(Protocol::Sane, Setting::Semi), (Protocol::Paper, Setting::Semi)] {
            let e = evaluate(&Device::Cpu, ("t", &table), how, &Settings::default(), 2, || true).unwrap();
            assert!(e.auroc > 0.999 && e.auprc > 0.99 && e.f1_at_anomalies > 0.95 && e.seeds == 2);
            assert!(e.f1_max >= e.f1_at_anomalies && e.fpr_at_tpr95 < 0.01);
        }
        let mode = Settings { estimate: Estimate::Mode, neighbours: 20, ..Settings::default() };
        let how = (Protocol::Sane, Setting::Unsupervised);
        assert!(evaluate(&Device::Cpu, ("t", &table), how, &mode, 1, || true).unwrap().std == 0.0);
        let stopped = evaluate(&Device::Cpu, ("t", &table), how, &mode, 1, || false);
        assert!(matches!(stopped, Err(Error::Interrupted)));
    }

    #[test]
    fn a_dataset_is_called_by_its_file() {
        assert_eq!(dataset_name(Path::new("a/22_magic.gamma.npz")), "magic.gamma");
        assert_eq!(dataset_name(Path::new("My_table.csv")), "my_table");
    }
}
