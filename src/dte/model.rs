//! A fitted estimator as a folder: `config.json` and `model.safetensors`.
use super::np::check_neighbours;
use super::{Estimate, NonParametric, Scaler};
use crate::data::{Table, create_folder, write_bytes};
use crate::model::Checkpoint;
use crate::{Device, Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The estimators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// DTE-NP: nothing is trained, the training rows are the model.
    #[default]
    Np,
}

/// `config.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    method: Method,
    columns: usize,
    neighbours: usize,
    mean: Vec<f64>,
    std: Vec<f64>,
}

/// A fitted estimator with its standardisation.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Which estimator.
    pub method: Method,
    /// Features of a row.
    pub columns: usize,
    /// How many neighbours are averaged.
    pub neighbours: usize,
    /// The standardisation of the training rows.
    pub scaler: Scaler,
    /// Training rows, standardised.
    pub rows: Vec<f32>,
}

/// The one tensor of DTE-NP: (rows, columns), standardised.
const ROWS: &str = "rows";

impl Model {
    /// Fits to all rows of a table.
    /// # Errors
    /// [`Error::Invalid`] when no row is there, or for a number of neighbours that is not possible.
    pub fn fit(method: Method, table: &Table, neighbours: usize) -> Result<Self> {
        check_neighbours(neighbours)?;
        let scaler = Scaler::fit(table);
        let rows = scaler.apply(table);
        if rows.is_empty() {
            return Err(Error::Invalid("the table has no row to fit to".into()));
        }
        Ok(Model { method, columns: table.columns, neighbours, scaler, rows })
    }

    /// Scores a table's rows on a device; higher is more anomalous.
    /// # Errors
    /// [`Error::Invalid`] when the table has other columns; whatever the device reports.
    pub async fn score(&self, device: Device, table: &Table, estimate: Estimate) -> Result<Vec<f64>> {
        if table.columns != self.columns {
            let (found, want) = (table.columns, self.columns);
            return Err(Error::Invalid(format!("the table has {found} columns, the model was fitted to {want}")));
        }
        let Method::Np = self.method;
        let np = NonParametric::new(device, self.columns, &self.rows, self.neighbours)?;
        np.score(&self.scaler.apply(table), estimate).await
    }

    /// Writes the folder.
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, folder: &Path) -> Result<()> {
        create_folder(folder)?;
        let path = folder.join("model.safetensors");
        let (shape, bytes) = (vec![self.rows.len() / self.columns, self.columns], bytemuck::cast_slice(&self.rows));
        let failed = |e: safetensors::SafeTensorError| Error::file(&path, format!("cannot be written: {e}"));
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, bytes).map_err(failed)?;
        write_bytes(&path, &safetensors::serialize([(ROWS, view)], None).map_err(failed)?)?;
        let Scaler { mean, std } = self.scaler.clone();
        let config = Config { method: self.method, columns: self.columns, neighbours: self.neighbours, mean, std };
        let text = serde_json::to_vec_pretty(&config).map_err(|e| Error::Invalid(e.to_string()))?;
        write_bytes(&folder.join("config.json"), &text)
    }

    /// Opens a folder.
    /// # Errors
    /// [`Error::Io`], [`Error::File`] or a tensor's error, naming the file and the fault.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let text = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
        let config: Config = serde_json::from_slice(&text).map_err(|e| Error::file(&path, e.to_string()))?;
        let Config { method, columns, neighbours, mean, std } = config;
        let finite = mean.iter().all(|m| m.is_finite()) && std.iter().all(|s| s.is_finite() && *s > 0.0);
        if columns == 0 || mean.len() != columns || std.len() != columns || !finite {
            let fault = format!("`mean` and `std` must hold {columns} numbers each, those of `std` positive");
            return Err(Error::file(&path, fault));
        }
        let checkpoint = Checkpoint::open(folder.join("model.safetensors"))?;
        let rows = checkpoint.shape(ROWS).and_then(|s| s.first().copied()).unwrap_or(0);
        let rows = checkpoint.take(ROWS, &[rows, columns])?;
        if rows.is_empty() {
            return Err(Error::file(checkpoint.path(), "tensor `rows` holds no row"));
        }
        Ok(Model { method, columns, neighbours, scaler: Scaler { mean, std }, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_back_what_was_fitted() {
        let values = (0..30).map(|i| f64::from(i * i % 17)).collect();
        let table = Table::new(Path::new("t"), 3, values, None, None).unwrap();
        let model = Model::fit(Method::Np, &table, 4).unwrap();
        let folder = tempfile::tempdir().unwrap();
        model.write(folder.path()).unwrap();
        let opened = Model::open(folder.path()).unwrap();
        assert_eq!(opened, model);
        let scores = pollster::block_on(opened.score(Device::Cpu, &table, Estimate::Distance)).unwrap();
        assert_eq!(scores.len(), 10);
        let narrow = Table::new(Path::new("t"), 2, vec![0.0; 4], None, None).unwrap();
        let e = pollster::block_on(opened.score(Device::Cpu, &narrow, Estimate::Distance)).unwrap_err();
        assert!(e.to_string().contains("2 columns"), "{e}");
        for bad in ["{}", "{\"method\":\"np\",\"columns\":3,\"neighbours\":5,\"mean\":[0,0,0],\"std\":[1,0,1]}", "["] {
            std::fs::write(folder.path().join("config.json"), bad).unwrap();
            assert!(Model::open(folder.path()).unwrap_err().to_string().contains("config.json"));
        }
    }
}
