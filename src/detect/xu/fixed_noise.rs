//! The one noise that all images are drawn from, where a file of the model folder holds it.
use crate::model::Checkpoint;
use crate::{Error, Result, Shape, Tensor};
use std::path::PathBuf;

/// The tensor `x_T` of a file, as DiffAE's checkpoints have it.
#[derive(Clone, Debug, PartialEq)]
pub struct FixedNoise {
    /// (1,H,W,C): the first of those in the file.
    pub noise: Tensor,
    /// The file.
    pub path: PathBuf,
    /// Its SHA-256.
    pub sha256: String,
}

/// Its key.
const KEY: &str = "x_T";

impl FixedNoise {
    /// Reads it of an open file, which may be the denoiser's.
    /// # Errors
    /// [`Error::File`] for a file that has no such tensor (K,C,H,W), or one with a value that is not finite.
    pub fn of(file: &Checkpoint) -> Result<Self> {
        let path = file.path();
        let shape = file.shape(KEY).map(<[usize]>::to_vec);
        let Some(&[count, c, h, w]) = shape.as_deref().filter(|s| s.iter().all(|&n| n > 0)) else {
            let found = shape.map_or("has none".into(), |s| format!("has one of {s:?}"));
            return Err(Error::file(path, format!("must hold a tensor `{KEY}` (K,C,H,W), the noise; it {found}")));
        };
        let mut all = file.take(KEY, &[count, c, h, w])?;
        all.truncate(c * h * w);
        let noise = Tensor::new(Shape::new(1, h, w, c), all)?;
        Ok(FixedNoise { noise, path: path.to_owned(), sha256: file.sha256() })
    }
    /// Holds it against an image (1,H,W,C).
    /// # Errors
    /// [`Error::File`] for another shape.
    pub(super) fn agree(&self, image: Shape) -> Result<()> {
        if self.noise.shape == image {
            return Ok(());
        }
        Err(Error::file(&self.path, format!("holds noise of {}, but the model's input is {image}", self.noise.shape)))
    }
}
