//! What is trained on and what is scored, of a labelled table.
use super::{EstimatorKind, RandomState, Scaler, scaler};
use crate::data::Table;
use crate::{Error, Result};

/// How rows are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// No row is on both sides. Rows are shuffled; half of the normal ones (or of all, unsupervised) are trained on, at
    /// most 50 000, and all others are scored. Missing values become the training mean.
    #[default]
    Sane,
    /// The paper's, to compare with its numbers. Below 1000 rows, 1000 are drawn with replacement *before* the split,
    /// so that training and test share rows; above 50 000, 50 000 are drawn. Then the first half of the normal rows is
    /// trained on and the rest scored; unsupervised, all are scored after training on a bootstrap of them.
    Paper,
}

/// What is trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Setting {
    /// Normal rows only.
    #[default]
    Semi,
    /// Rows as they come.
    Unsupervised,
}

/// Standardised training and test rows.
#[derive(Clone, Debug)]
pub struct Split {
    /// Features of a row.
    pub columns: usize,
    /// Training rows.
    pub train: Vec<f32>,
    /// Test rows.
    pub test: Vec<f32>,
    /// One for each test row.
    pub labels: Vec<bool>,
}

/// The most rows that are drawn (paper) or trained on (sane).
pub const MAX_ROWS: usize = 50_000;
/// Below this, the paper draws this many rows with replacement.
const BOOTSTRAP: usize = 1000;

impl Split {
    /// Splits a labelled table for an estimator. `seed` decides every draw.
    /// # Errors
    /// [`Error::Invalid`] when the table has no labels, or nothing is left to train on or to score; as [`Scaler::fit`] and
    /// [`Scaler::apply`].
    pub fn new(
        table: &Table,
        (protocol, setting): (Protocol, Setting),
        method: EstimatorKind,
        seed: u32,
    ) -> Result<Split> {
        let invalid = |text: &str| Error::Invalid(text.into());
        let labels = table.labels.as_deref().ok_or_else(|| invalid("the table has no labels to evaluate with"))?;
        let mut random = RandomState::new(seed);
        let rows = match (protocol, table.rows()) {
            (Protocol::Paper, n) if n < BOOTSTRAP => random.choice_with_replacement(n, BOOTSTRAP),
            (Protocol::Paper, n) if n > MAX_ROWS => random.choice_without_replacement(n, MAX_ROWS),
            (Protocol::Paper, n) => (0..n).collect(),
            (Protocol::Sane, n) => random.permutation(n),
        };
        let normal: Vec<usize> = rows.iter().copied().filter(|&i| !labels[i]).collect();
        let anomalies = rows.iter().copied().filter(|&i| labels[i]);
        let (train, test): (Vec<usize>, Vec<usize>) = match (setting, protocol) {
            (Setting::Semi, _) => {
                let (train, rest) = normal.split_at(half(normal.len()));
                (train.to_vec(), rest.iter().copied().chain(anomalies).collect())
            }
            (Setting::Unsupervised, Protocol::Sane) => {
                let (train, test) = rows.split_at(half(rows.len()));
                (train.to_vec(), test.to_vec())
            }
            (Setting::Unsupervised, Protocol::Paper) => {
                let draws = random.choice_with_replacement(rows.len(), rows.len());
                (draws.into_iter().map(|i| rows[i]).collect(), rows)
            }
        };
        if train.is_empty() || test.is_empty() {
            return Err(invalid("the table has too few rows to train on some and score others"));
        }
        let train = table.select(&train[..train.len().min(MAX_ROWS)]);
        let mut test = table.select(&test);
        let whole = protocol == Protocol::Paper && setting == Setting::Unsupervised;
        let scaler = Scaler::fit(if whole { &test } else { &train })?;
        if protocol == Protocol::Paper {
            scaler::fill(&mut test);
        }
        let (columns, labels) = (table.columns, test.labels.take().unwrap_or_default());
        let apply = |rows| scaler.apply(rows, method.furthest());
        Ok(Split { columns, train: apply(&train)?, test: apply(&test)?, labels })
    }
}

/// Half, rounded as Python rounds: to even.
fn half(n: usize) -> usize {
    if n % 4 == 3 { n / 2 + 1 } else { n / 2 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// One column that counts; every tenth row is an anomaly.
    fn table(rows: usize) -> Table {
        let labels = (0..rows).map(|i| i % 10 == 0).collect();
        Table::new(Path::new("t"), 1, (0..rows).map(|i| i as f64).collect(), Some(labels), None).unwrap()
    }
    fn rows(s: &Split) -> (usize, usize, usize) {
        (s.train.len(), s.test.len(), s.labels.iter().filter(|&&y| y).count())
    }

    #[test]
    fn sizes() {
        use {Protocol::*, Setting::*};
        let of = |t: &Table, how, seed| Split::new(t, how, EstimatorKind::Np, seed);
        let split = |n, p, s| rows(&of(&table(n), (p, s), 1).unwrap());
        assert_eq!(split(1000, Paper, Semi), (450, 550, 100));
        assert_eq!(split(1000, Paper, Unsupervised), (1000, 1000, 100));
        assert_eq!(split(1000, Sane, Semi), (450, 550, 100));
        assert_eq!(split(1000, Sane, Unsupervised).0, 500);
        let (train, test, _) = split(200, Paper, Semi);
        assert_eq!((train + test, split(200, Sane, Semi)), (1000, (90, 110, 20)));
        let (train, test, _) = split(60_000, Paper, Semi);
        assert_eq!((train + test, split(120_000, Sane, Semi).0), (50_000, 50_000));
        assert_eq!([half(2), half(3), half(5), half(7)], [1, 2, 2, 4]);
        let unlabelled = Table { labels: None, ..table(9) };
        assert!(of(&unlabelled, (Sane, Semi), 0).unwrap_err().to_string().contains("labels"));
        assert!(of(&table(1), (Sane, Semi), 0).is_err());
    }

    #[test]
    fn the_sane_protocol_shares_no_row_and_the_paper_keeps_the_order() {
        let split = |n, p| Split::new(&table(n), (p, Setting::Semi), EstimatorKind::Np, 7).unwrap();
        let s = split(400, Protocol::Sane);
        assert!(s.train.iter().all(|v| !s.test.contains(v)));
        let s = split(2000, Protocol::Paper);
        assert!(s.train.is_sorted());
        let mean = s.train.iter().sum::<f32>() / s.train.len() as f32;
        assert!(mean.abs() < 1e-5, "{mean}");
    }
}
