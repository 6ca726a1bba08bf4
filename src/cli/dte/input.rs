//! What `fit` and `score` are given: a table, or images.
use super::columns::ColumnArgs;
use super::images::{ImageArgs, embed};
use super::rows::Rows;
use crate::detect::dte::{FEATURES_FILE, Model};
use crate::{Device, Error, Result};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(super) struct InputArgs {
    /// The table: CSV (with semicolons or tabs as well), Parquet, .npz with X and perhaps y, or .npy. Columns go by their
    /// names where they have them. With --features: images, and folders of them; where a folder is called good, normal or the like, its images are normal and those of other folders anomalous
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    columns: ColumnArgs,
    #[command(flatten)]
    images: ImageArgs,
}

impl InputArgs {
    /// The table, or the images.
    pub fn paths(&self) -> &[PathBuf] {
        &self.inputs
    }
    /// The network of features, where rows are images.
    pub fn network(&self) -> Option<&std::path::Path> {
        self.images.features.as_deref()
    }
    /// Reads the table, or embeds the images as recorded in the model of a folder, if there is one; its own network of features
    /// stands in for --features.
    pub fn read(&self, device: &Device, model: Option<(&Path, &Model)>) -> Result<Rows> {
        let recorded = model.and_then(|(_, m)| m.features.as_ref());
        let own = model.filter(|_| recorded.is_some()).map(|(folder, _)| folder.join(FEATURES_FILE));
        if let Some(network) = self.images.features.clone().or(own.filter(|p| p.is_file())) {
            if let Some(flag) = self.columns.first_given() {
                return Err(Error::Invalid(format!(
                    "{flag} is for tables; these are images, whose folders tell labels"
                )));
            }
            return embed(device, &self.inputs, &network, &self.images, recorded);
        }
        let [path] = &self.inputs[..] else {
            return Err(Error::Invalid("one table is needed; --features is for images".into()));
        };
        let pictures = path.is_dir()
            || ["png", "jpg", "jpeg", "jpe", "jfif", "tif", "tiff", "bmp", "webp"]
                .iter()
                .any(|e| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(e)));
        if pictures {
            return Err(Error::file(path, "is no table; for images, give a ResNet's safetensors file as --features"));
        }
        let file = self.columns.read(path, model.map(|m| m.1))?;
        let columns = file.columns().map(|c| self.columns.remembered(c));
        Ok(Rows {
            table: file.table,
            source: Some(path.clone()),
            columns,
            paths: None,
            features: None,
            failures: Vec::new(),
        })
    }
}
