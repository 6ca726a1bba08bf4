//! A fitted estimator as a folder: `config.json` and `model.safetensors`.
use super::networks::Network;
use super::np::check_neighbours;
use super::seen::{SEEN, SeenRows};
use super::{Estimate, Estimator, EstimatorKind, Features, FitSettings, Scaler};
use crate::data::{Table, TableColumns, create_folder, is_like_fill, other_width, write_bytes};
use crate::model::Checkpoint;
use crate::{Device, Error, Result};
use safetensors::{Dtype, tensor::TensorView};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
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
    /// The table's columns by name, where they have names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table: Option<TableColumns>,
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
    /// The columns of the table that it was fitted to, where they have names.
    pub table: Option<TableColumns>,
    /// The rows that it was fitted to; none where a folder is older than they are.
    pub seen: SeenRows,
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
    /// [`Error::Invalid`] for one row, and naming a column without any value, or a value that stands for none; as
    /// [`Scaler::fit`] and [`Estimator::fit`].
    pub async fn fit(
        device: &Device,
        settings: &FitSettings,
        table: &Table,
        progress: impl FnMut(usize, f64) -> bool + Send,
    ) -> Result<Self> {
        check_values(table)?;
        let (scaler, columns, method) = (Scaler::fit(table)?, table.columns, settings.method);
        let rows = scaler.apply(table, method.furthest())?;
        let seen = SeenRows::of(&rows, columns);
        let estimator = Estimator::fit(device, settings, (rows, columns), progress).await?;
        let names = table.names.clone().map(|features| TableColumns { features, ..TableColumns::default() });
        Ok(Model { method, columns, scaler, estimator, features: None, table: names, seen })
    }

    /// Scores a table's rows on a device; higher is more anomalous. Columns go by their names where the model and the table have
    /// them, else by their position.
    /// # Errors
    /// [`Error::Invalid`] when the table has other columns, and naming row and column of a value too far from the training
    /// rows to be computed with; whatever the device reports.
    pub async fn score(&self, device: &Device, table: &Table, estimate: Estimate) -> Result<Vec<f64>> {
        let table = match &self.table {
            Some(known) => table.arranged(&known.features)?,
            None if table.columns == self.columns => Cow::Borrowed(table),
            None => return Err(Error::Invalid(other_width(table.columns, self.columns))),
        };
        let rows = self.scaler.apply(&table, self.method.furthest())?;
        self.doubt(&table, &rows);
        self.doubt_seen(&table, &rows);
        self.estimator.score(device, (&rows, self.columns), estimate).await
    }

    /// Says so where a network is asked about rows far from everything that it has seen, and where a score comes of a value that
    /// seems to stand for none, in a table too short to show that.
    fn doubt(&self, table: &Table, rows: &[f32]) {
        const APART: f32 = 10.0;
        let known = table.fill_values();
        let alone = |&i: &usize| {
            let (value, column) = (table.values[i], i % self.columns);
            let told = || known.iter().any(|f| f.column == column && f.value == value);
            is_like_fill(value) && rows[i].abs() > APART && !told()
        };
        let signs: Vec<usize> = (0..rows.len()).filter(alone).collect();
        if let Some(&first) = signs.first() {
            tracing::warn!(
                "{} of the values look like signs for no value and are taken as numbers, the first, {:?}, at {}: where they stand for \
                 none, leave the fields empty",
                signs.len(),
                table.values[first],
                table.place(first / self.columns, first % self.columns)
            );
        }
        const FAR: f32 = 2000.0;
        let far = || rows.iter().enumerate().filter(|(_, z)| z.abs() > FAR).map(|(i, _)| i);
        if let (Some(first), true) = (far().next(), self.method != EstimatorKind::Np) {
            let (count, place) = (far().count(), table.place(first / self.columns, first % self.columns));
            tracing::warn!(
                "{count} values lie more than {FAR} standard deviations from the training mean, the first at {place}: a network \
                 knows nothing of such rows, and their scores may be low; np is sound there"
            );
        }
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
            views.push((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(failed)?));
        }
        let seen = self.seen.bytes();
        if neighbours.is_none() {
            views.push((SEEN, TensorView::new(Dtype::U64, vec![seen.len() / 8], &seen).map_err(failed)?));
        }
        write_bytes(&path, &safetensors::serialize(views, None).map_err(failed)?)?;
        let Scaler { mean, std } = self.scaler.clone();
        let (features, table) = (self.features.clone(), self.table.clone());
        let (method, columns) = (self.method, self.columns);
        let config = Config { method, columns, neighbours, members, mean, std, features, table };
        let text = serde_json::to_vec_pretty(&config).map_err(|e| Error::Invalid(e.to_string()))?;
        write_bytes(&folder.join(CONFIG_FILE), &text)
    }

    /// Opens a folder.
    /// # Errors
    /// [`Error::Io`], [`Error::File`] or a tensor's error, naming the file and the fault.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(CONFIG_FILE);
        let json = |text: Vec<u8>| serde_json::from_slice::<serde_json::Value>(&text).is_ok();
        if std::fs::read(&path).map_or(folder.is_dir() && !path.exists(), json) && !Model::is_in(folder) {
            let fault = "is no model that `residua dte fit` wrote: its config.json is missing or another's";
            return Err(Error::file(folder, fault));
        }
        let text = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
        let config: Config = serde_json::from_slice(&text).map_err(|e| Error::file(&path, e.to_string()))?;
        let Config { method, columns, neighbours, members, mean, std, features, table } = config;
        let finite = mean.iter().all(|m| m.is_finite()) && std.iter().all(|s| s.is_finite() && *s > 0.0);
        if columns == 0 || mean.len() != columns || std.len() != columns || !finite {
            let fault = format!("`mean` and `std` must hold {columns} numbers each, those of `std` positive");
            return Err(Error::file(&path, fault));
        }
        if let Some(features) = &features {
            features.preprocessing.check().map_err(|e| Error::file(&path, e.to_string()))?;
        }
        if let Some(n) = table.as_ref().map(|t| t.features.len()).filter(|&n| n != columns) {
            return Err(Error::file(&path, format!("`table` names {n} features, but there are {columns} columns")));
        }
        let checkpoint = Checkpoint::open(folder.join(MODEL_FILE))?;
        let (estimator, seen) = match method.network() {
            Some(kind) => {
                let count = members.unwrap_or(1);
                if count == 0 {
                    return Err(Error::file(&path, "`members` must be 1 at least"));
                }
                let one = |i| Network::read(kind, columns, &checkpoint, &prefix(i, count));
                (Estimator::Networks((0..count).map(one).collect::<Result<_>>()?), SeenRows::read(&checkpoint)?)
            }
            None => {
                let neighbours = neighbours.ok_or_else(|| Error::file(&path, "`neighbours` is missing"))?;
                check_neighbours(neighbours).map_err(|e| Error::file(&path, e.to_string()))?;
                let rows = checkpoint.shape(ROWS).and_then(|s| s.first().copied()).unwrap_or(0);
                let rows = checkpoint.take(ROWS, &[rows, columns])?;
                if rows.is_empty() {
                    return Err(Error::file(checkpoint.path(), "tensor `rows` holds no row"));
                }
                let seen = SeenRows::of(&rows, columns);
                (Estimator::NonParametric { rows, neighbours }, seen)
            }
        };
        Ok(Model { method, columns, scaler: Scaler { mean, std }, estimator, features, table, seen })
    }
}

/// Refuses training rows that would make a model of something else.
fn check_values(table: &Table) -> Result<()> {
    if table.rows() < 2 {
        return Err(Error::Invalid("there is one row to fit to, and two are needed at least".into()));
    }
    for c in 0..table.columns {
        if table.values.iter().skip(c).step_by(table.columns).all(|v| v.is_nan()) {
            return Err(Error::Invalid(format!("{} has no value in any training row", table.column_place(c))));
        }
    }
    // What no f32 holds, and the extremes that programs write for no data.
    let extreme = |v: &f64| v.abs() > 0.999_999 * f64::from(f32::MAX);
    if let Some(at) = table.values.iter().position(extreme) {
        return Err(Error::Invalid(format!(
            "{}: {:?} is more than single precision holds; if it stands for a missing value, leave the field empty",
            table.place(at / table.columns, at % table.columns),
            table.values[at]
        )));
    }
    // Beside them all other values of the column would be one.
    match table.fill_values().iter().find(|f| f.is_huge()) {
        Some(fill) => Err(Error::Invalid(format!(
            "{}, far from all its other values: a sign for no value, it seems; leave the fields empty",
            table.fill_place(fill)
        ))),
        None => Ok(()),
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
            assert!(Model::open(Path::new("src")).unwrap_err().to_string().contains("is no model that `residua"));
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
