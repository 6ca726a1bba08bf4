//! A fitted estimator as a folder: `config.json` and `model.safetensors`.
use super::networks::Network;
use super::np::check_neighbours;
use super::{Estimate, Estimator, EstimatorKind, Features, FitSettings, Scaler};
use crate::data::{Table, create_folder, write_bytes};
use crate::model::Checkpoint;
use crate::{Device, Error, Result};
use safetensors::{Dtype, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// `config.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    method: EstimatorKind,
    columns: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    neighbours: Option<usize>,
    /// Networks that are averaged; 1 where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    members: Option<usize>,
    mean: Vec<f64>,
    std: Vec<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    features: Option<Features>,
}

/// A fitted estimator with its standardisation.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Which estimator.
    pub method: EstimatorKind,
    /// Features of a row.
    pub columns: usize,
    /// The standardisation of the training rows.
    pub scaler: Scaler,
    /// The estimator, of standardised rows.
    pub estimator: Estimator,
    /// How images became rows, where they were images.
    pub features: Option<Features>,
}

/// The file with its settings.
pub const CONFIG_FILE: &str = "config.json";
/// The file with the estimator's numbers.
pub const MODEL_FILE: &str = "model.safetensors";

/// The one tensor of DTE-NP: (rows, columns), standardised.
const ROWS: &str = "rows";

/// What the names of a member's tensors begin with: nothing where there is one network.
fn prefix(member: usize, count: usize) -> String {
    if count > 1 { format!("members.{member}.") } else { String::new() }
}

impl Model {
    /// Whether a folder holds a fitted estimator rather than some other network: its `config.json` names a method.
    pub fn is_in(folder: &Path) -> bool {
        let text = std::fs::read(folder.join(CONFIG_FILE)).ok();
        let value: Option<serde_json::Value> = text.and_then(|t| serde_json::from_slice(&t).ok());
        value.is_some_and(|v| v.get("method").is_some() && v.get("columns").is_some())
    }
    /// Numbers that the estimator holds.
    pub fn parameters(&self) -> usize {
        match &self.estimator {
            Estimator::NonParametric { rows, .. } => rows.len(),
            Estimator::Networks(networks) => networks.iter().map(Network::parameters).sum(),
        }
    }
    /// Fits to all rows of a table; `progress` as for [`Estimator::fit`].
    /// # Errors
    /// As [`Estimator::fit`].
    pub async fn fit(
        device: &Device,
        settings: &FitSettings,
        table: &Table,
        progress: impl FnMut(usize, f64) -> bool + Send,
    ) -> Result<Self> {
        let (scaler, columns) = (Scaler::fit(table), table.columns);
        let estimator = Estimator::fit(device, settings, (scaler.apply(table), columns), progress).await?;
        Ok(Model { method: settings.method, columns, scaler, estimator, features: None })
    }

    /// Scores a table's rows on a device; higher is more anomalous.
    /// # Errors
    /// [`Error::Invalid`] when the table has other columns; whatever the device reports.
    pub async fn score(&self, device: &Device, table: &Table, estimate: Estimate) -> Result<Vec<f64>> {
        if table.columns != self.columns {
            let (found, want) = (table.columns, self.columns);
            return Err(Error::Invalid(format!("the table has {found} columns, the model was fitted to {want}")));
        }
        self.estimator.score(device, (&self.scaler.apply(table), self.columns), estimate).await
    }

    /// Writes the folder.
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, folder: &Path) -> Result<()> {
        create_folder(folder)?;
        let path = folder.join(MODEL_FILE);
        let (tensors, neighbours, members) = match &self.estimator {
            Estimator::NonParametric { rows, neighbours } => {
                let shape = vec![rows.len() / self.columns, self.columns];
                (vec![(ROWS.to_owned(), shape, rows.clone())], Some(*neighbours), None)
            }
            Estimator::Networks(networks) => {
                let count = networks.len();
                let all = networks.iter().enumerate().flat_map(|(i, n)| n.tensors(&prefix(i, count))).collect();
                (all, None, (count > 1).then_some(count))
            }
        };
        let failed = |e: safetensors::SafeTensorError| Error::file(&path, format!("cannot be written: {e}"));
        let mut views = Vec::new();
        for (name, shape, values) in &tensors {
            let bytes = bytemuck::cast_slice(values);
            views.push((name, TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(failed)?));
        }
        write_bytes(&path, &safetensors::serialize(views, None).map_err(failed)?)?;
        let Scaler { mean, std } = self.scaler.clone();
        let features = self.features.clone();
        let config = Config { method: self.method, columns: self.columns, neighbours, members, mean, std, features };
        let text = serde_json::to_vec_pretty(&config).map_err(|e| Error::Invalid(e.to_string()))?;
        write_bytes(&folder.join(CONFIG_FILE), &text)
    }

    /// Opens a folder.
    /// # Errors
    /// [`Error::Io`], [`Error::File`] or a tensor's error, naming the file and the fault.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(CONFIG_FILE);
        let text = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
        let config: Config = serde_json::from_slice(&text).map_err(|e| Error::file(&path, e.to_string()))?;
        let Config { method, columns, neighbours, members, mean, std, features } = config;
        let finite = mean.iter().all(|m| m.is_finite()) && std.iter().all(|s| s.is_finite() && *s > 0.0);
        if columns == 0 || mean.len() != columns || std.len() != columns || !finite {
            let fault = format!("`mean` and `std` must hold {columns} numbers each, those of `std` positive");
            return Err(Error::file(&path, fault));
        }
        if let Some(features) = &features {
            features.preprocessing.check().map_err(|e| Error::file(&path, e.to_string()))?;
        }
        let checkpoint = Checkpoint::open(folder.join(MODEL_FILE))?;
        let estimator = match method.network() {
            Some(kind) => {
                let count = members.unwrap_or(1);
                if count == 0 {
                    return Err(Error::file(&path, "`members` must be 1 at least"));
                }
                let one = |i| Network::read(kind, columns, &checkpoint, &prefix(i, count));
                Estimator::Networks((0..count).map(one).collect::<Result<_>>()?)
            }
            None => {
                let neighbours = neighbours.ok_or_else(|| Error::file(&path, "`neighbours` is missing"))?;
                check_neighbours(neighbours).map_err(|e| Error::file(&path, e.to_string()))?;
                let rows = checkpoint.shape(ROWS).and_then(|s| s.first().copied()).unwrap_or(0);
                let rows = checkpoint.take(ROWS, &[rows, columns])?;
                if rows.is_empty() {
                    return Err(Error::file(checkpoint.path(), "tensor `rows` holds no row"));
                }
                Estimator::NonParametric { rows, neighbours }
            }
        };
        Ok(Model { method, columns, scaler: Scaler { mean, std }, estimator, features })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Recipe;
    use super::*;

    #[test]
    fn a_folder_gives_back_what_was_fitted() {
        let values = (0..90).map(|i| f64::from(i * i % 17)).collect();
        let table = Table::new(Path::new("t"), 3, values, None, None).unwrap();
        let recipe = Recipe { epochs: 2, ..Recipe::default() };
        for method in EstimatorKind::ALL {
            let settings = FitSettings { method, neighbours: 4, recipe, ..FitSettings::default() };
            let mut model = pollster::block_on(Model::fit(&Device::Cpu, &settings, &table, |_, _| true)).unwrap();
            let preprocessing = crate::data::Preprocessing::imagenet();
            model.features = (method == EstimatorKind::Np).then(|| Features { sha256: "0f".into(), preprocessing });
            let folder = tempfile::tempdir().unwrap();
            model.write(folder.path()).unwrap();
            let opened = Model::open(folder.path()).unwrap();
            assert_eq!(opened, model);
            let score = |m: &Model, t| pollster::block_on(m.score(&Device::Cpu, t, Estimate::Distance));
            let scores = score(&opened, &table).unwrap();
            assert_eq!((scores.len(), &scores), (30, &score(&model, &table).unwrap()));
            let narrow = Table::new(Path::new("t"), 2, vec![0.0; 4], None, None).unwrap();
            let e = score(&opened, &narrow).unwrap_err();
            assert!(e.to_string().contains("2 columns"), "{e}");
            let config = |text: &str| std::fs::write(folder.path().join("config.json"), text).unwrap();
            for bad in
                ["{}", "{\"method\":\"np\",\"columns\":3,\"neighbours\":5,\"mean\":[0,0,0],\"std\":[1,0,1]}", "["]
            {
                config(bad);
                assert!(Model::open(folder.path()).unwrap_err().to_string().contains("config.json"));
            }
            config("{\"method\":\"c\",\"columns\":4,\"mean\":[0,0,0,0],\"std\":[1,1,1,1]}");
            assert!(Model::open(folder.path()).unwrap_err().to_string().contains("layers.0.weight"));
        }
    }
}
