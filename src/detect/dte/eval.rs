//! Labelled tables through a protocol, several seeds each, with published numbers beside.
use super::{Estimator, FitSettings, Protocol, Recipe, Setting, Split};
use crate::data::Table;
use crate::eval::TableEvaluation;
use crate::{Device, Error, Result};
use rayon::prelude::*;
use std::path::Path;

/// Fits and scores for each of the seeds 0, 1, … below `seeds`, which decide the split and the training; on the processor at once.
/// `go_on` is asked after each epoch and each seed.
/// # Errors
/// As [`Split::new`], [`Estimator::fit`], [`Estimator::score`] and [`TableEvaluation::new`]; [`Error::Interrupted`] when
/// `go_on` said no.
pub fn evaluate_table(
    device: &Device,
    (name, table): (&str, &Table),
    how: (Protocol, Setting),
    settings: &FitSettings,
    seeds: u32,
    go_on: impl Fn() -> bool + Sync,
) -> Result<TableEvaluation> {
    let one = |seed: u32| {
        let s = Split::new(table, how, settings.method, seed)?;
        let scores = device.drive(async {
            let settings = FitSettings { recipe: Recipe { seed, ..settings.recipe }, ..*settings };
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
    TableEvaluation::new(name, table, &results)
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
            let e = evaluate_table(&Device::Cpu, ("t", &table), how, &FitSettings::default(), 2, || true).unwrap();
            assert!(e.auroc > 0.999 && e.auprc > 0.99 && e.f1_at_anomalies > 0.95 && e.seeds == 2);
            assert!(e.f1_max >= e.f1_at_anomalies && e.fpr_at_tpr95 < 0.01);
        }
        let mode = FitSettings { estimate: Estimate::Mode, neighbours: 20, ..FitSettings::default() };
        let how = (Protocol::Sane, Setting::Unsupervised);
        assert!(evaluate_table(&Device::Cpu, ("t", &table), how, &mode, 1, || true).unwrap().std == 0.0);
        let stopped = evaluate_table(&Device::Cpu, ("t", &table), how, &mode, 1, || false);
        assert!(matches!(stopped, Err(Error::Interrupted)));
    }

    #[test]
    fn a_dataset_is_called_by_its_file() {
        assert_eq!(dataset_name(Path::new("a/22_magic.gamma.npz")), "magic.gamma");
        assert_eq!(dataset_name(Path::new("My_table.csv")), "my_table");
    }
}
