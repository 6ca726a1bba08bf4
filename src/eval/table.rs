//! From the scores of a table's rows to the numbers that are reported.
use super::{Curve, f1_at_anomalies, measures};
use crate::data::Table;
use crate::{Error, Result};
use serde::Serialize;

/// One table's results; measures lie between 0 and 1 and are means over the seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableEvaluation {
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

impl TableEvaluation {
    /// From each seed's scores and labels of the test rows.
    /// # Errors
    /// [`Error::Invalid`] without a seed, when a score is NaN, or when rows are of one kind only.
    pub fn new(name: &str, table: &Table, seeds: &[(Vec<f64>, Vec<bool>)]) -> Result<Self> {
        let (mut results, mut curve) = (Vec::new(), None);
        for (scores, labels) in seeds {
            if scores.iter().any(|s| s.is_nan()) {
                return Err(Error::Invalid("a row's score is no number, so that rows cannot be ranked".into()));
            }
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
        Ok(TableEvaluation {
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
