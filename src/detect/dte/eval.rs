//! Labelled tables through a protocol, several seeds each, with published numbers beside.
use super::{Estimator, Protocol, Recipe, Setting, FitSettings, Split};
use crate::data::Table;
use crate::eval::TableEvaluation;
use crate::{Device, Error, Result};
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::Path;

/// Fits and scores for each of the seeds 0, 1, … below `seeds`, which decide the split and the training; on the processor at once.
/// `go_on` is asked after each epoch and each seed.
/// # Errors
/// As [`Split::new`], [`Estimator::fit`], [`Estimator::score`] and [`TableEvaluation::new`]; [`Error::Interrupted`] when
/// `go_on` said no.
pub fn evaluate_table(
    device: &Device,
    (name, table): (&str, &Table),
    (protocol, setting): (Protocol, Setting),
    settings: &FitSettings,
    seeds: u32,
    go_on: impl Fn() -> bool + Sync,
) -> Result<TableEvaluation> {
    let one = |seed: u32| {
        let s = Split::new(table, protocol, setting, seed)?;
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

/// A column of a CSV table of published numbers, by data set: its first column has the names, values are `12.3` or
/// `12.3(0.4)`, a mean with its deviation.
/// # Errors
/// [`Error::File`] when it has no such column or holds something else.
pub fn read_published(path: &Path, column: &str) -> Result<HashMap<String, f64>> {
    let bad = |e: csv::Error| Error::file(path, format!("is not a CSV table: {e}"));
    let mut reader = csv::Reader::from_path(path).map_err(bad)?;
    let at = reader.headers().map_err(bad)?.iter().position(|h| h == column);
    let at = at.ok_or_else(|| Error::file(path, format!("has no column `{column}`")))?;
    let mut out = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(bad)?;
        let (name, value) = (record.get(0).unwrap_or(""), record.get(at).unwrap_or(""));
        let number = value.split('(').next().and_then(|v| v.trim().parse().ok());
        let fault = || Error::file(path, format!("`{name}`: `{value}` is not a number"));
        out.insert(name.to_lowercase(), number.ok_or_else(fault)?);
    }
    Ok(out)
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
    fn names_and_published_numbers() {
        assert_eq!(dataset_name(Path::new("a/22_magic.gamma.npz")), "magic.gamma");
        assert_eq!(dataset_name(Path::new("My_table.csv")), "my_table");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.csv");
        std::fs::write(&path, "Dataset,A,B\nWine,1,99.5(0.2)\nyeast,2,44\n").unwrap();
        let found = read_published(&path, "B").unwrap();
        assert_eq!((found["wine"], found["yeast"]), (99.5, 44.0));
        assert!(read_published(&path, "C").unwrap_err().to_string().contains("`C`"));
        std::fs::write(&path, "Dataset,A\nWine,x\n").unwrap();
        assert!(read_published(&path, "A").unwrap_err().to_string().contains("`x`"));
    }
}
