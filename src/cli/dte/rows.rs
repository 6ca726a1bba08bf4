//! The rows that `fit` and `score` work on: those of a table, or the features of images.
use super::images::{ImageArgs, embed};
use crate::data::{Failure, Table, read_table};
use crate::detect::dte::Features;
use crate::{Device, Error, Result};
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct InputArgs {
    /// The table: .npz with X and perhaps y, .npy, CSV with a header, or Parquet. With --features: images, and folders of
    /// them; where a folder is called good, normal or the like, its images are normal and those of other folders anomalous
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<PathBuf>,
    /// The table's label column or array (0 normal, 1 anomalous), instead of y or label
    #[arg(long, value_name = "NAME", conflicts_with = "features")]
    label: Option<String>,
    #[command(flatten)]
    images: ImageArgs,
}

/// A table and where it comes from.
pub(super) struct Rows {
    pub table: Table,
    /// The image of each row, where rows are images.
    pub paths: Option<Vec<PathBuf>>,
    /// How images became rows.
    pub features: Option<Features>,
    /// The images that gave no row.
    pub failures: Vec<Failure>,
}

impl InputArgs {
    /// The network of features, where rows are images.
    pub fn network(&self) -> Option<&std::path::Path> {
        self.images.features.as_deref()
    }
    /// Reads the table, or embeds the images as `recorded` in a model, if it is.
    pub fn read(&self, device: &Device, recorded: Option<&Features>) -> Result<Rows> {
        if let Some(network) = &self.images.features {
            return embed(device, &self.inputs, network, &self.images, recorded);
        }
        let [path] = &self.inputs[..] else {
            return Err(Error::Invalid("one table is needed; --features is for images".into()));
        };
        let pictures = path.is_dir()
            || ["png", "jpg", "jpeg", "tif", "tiff", "bmp", "webp"]
                .iter()
                .any(|e| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(e)));
        if pictures {
            return Err(Error::file(path, "is no table; for images, give a ResNet's safetensors file as --features"));
        }
        let table = read_table(path, self.label.as_deref())?;
        Ok(Rows { table, paths: None, features: None, failures: Vec::new() })
    }
}

impl Rows {
    /// A CSV file: each row's number, its image and label if rows are images, and the values of a last column, if any.
    pub fn csv(&self, last: Option<(&str, &[String])>) -> Result<Vec<u8>> {
        let labels = self.table.labels.as_ref().filter(|_| self.paths.is_some());
        let failed = |e: &dyn std::fmt::Display| Error::Invalid(format!("the list cannot be written: {e}"));
        let mut out = csv::Writer::from_writer(Vec::new());
        let line = |row: Option<usize>| {
            let field = |name: &str, value: &dyn Fn(usize) -> String| row.map_or(name.to_owned(), value);
            let mut fields = vec![field("row", &|i| i.to_string())];
            fields.extend(self.paths.as_ref().map(|p| field("path", &|i| p[i].display().to_string())));
            fields.extend(labels.map(|y| field("label", &|i| u8::from(y[i]).to_string())));
            fields.extend(last.map(|(name, values)| field(name, &|i| values[i].clone())));
            fields
        };
        for row in std::iter::once(None).chain((0..self.table.rows()).map(Some)) {
            out.write_record(line(row)).map_err(|e| failed(&e))?;
        }
        out.into_inner().map_err(|e| failed(&e))
    }

    /// Lists the images that gave no row on the standard error; true when there are any.
    pub fn tell_failures(&self) -> bool {
        self.failures.iter().for_each(|f| eprintln!("error: {}", f.error));
        !self.failures.is_empty()
    }
}
