//! `selftest.safetensors` of a model folder.
use crate::detect::{DetectorConfig, ModelFolder};
use crate::verify::tensors::Tensors;
use crate::{Error, Result, Shape, Tensor};
use std::path::Path;

/// What `format` in the metadata must be.
const FORMAT: &str = "residua-selftest-1";

/// The file, and the model under the file's settings.
pub struct Stored {
    /// The file.
    pub file: Tensors,
    /// The model.
    pub model: ModelFolder,
    /// Of the noise.
    pub seed: u64,
    /// (1,H,W,C), in the network's range.
    pub image: Tensor,
}

impl Stored {
    /// Opens a model folder with its reference. The settings are those that the reference was made with, whatever the
    /// folder's `detector.json` says by now; the weights are the folder's.
    pub fn open(path: &Path) -> Result<Stored> {
        let place = path.join("selftest.safetensors");
        if path.is_dir() && !place.is_file() {
            let fault = "is missing: this model has no stored reference (weights/recipes/selftest.py makes one)";
            return Err(Error::file(place, fault));
        }
        if !path.is_dir() {
            return Err(Error::file(path, "is not a model folder"));
        }
        let file = Tensors::read(place)?;
        let format = file.metadata("format")?;
        if format != FORMAT {
            return Err(Error::file(file.path(), format!("`format` is `{format}`, not `{FORMAT}`")));
        }
        let text = file.metadata("seed")?;
        let seed = text.parse().map_err(|_| Error::file(file.path(), format!("`seed` is `{text}`, not a number")))?;
        let config = DetectorConfig::parse(file.metadata("detector")?.as_bytes())
            .map_err(|e| Error::file(file.path(), format!("`detector` in the metadata: {e}")))?;
        let model = ModelFolder::open_with(
            path,
            |base| base,
            None,
            |c| {
                let networks = std::mem::take(&mut c.networks);
                *c = DetectorConfig { networks, ..config };
                Ok(())
            },
        )?;
        model.settle(false)?;
        let image = file.image("x")?;
        let input = model.config.image()?;
        if image.shape != Shape::new(1, input.height, input.width, input.channels) {
            return Err(file.fault("x", format!("has shape {}, not the network's", image.shape)));
        }
        Ok(Stored { file, model, seed, image })
    }
    /// The keys of stored layers.
    pub fn layers(&self) -> Vec<String> {
        self.file.names().into_iter().filter(|n| n.contains('/')).collect()
    }
}
