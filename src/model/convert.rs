//! A checkpoint's weights as one safetensors file, tensor by tensor.
use super::Checkpoint;
use crate::{Error, Result};
use half::f16;
use safetensors::{Dtype, View};
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

/// A tensor on its way.
struct Outgoing<'a> {
    checkpoint: &'a Checkpoint,
    key: &'a str,
    shape: &'a [usize],
    stored: Dtype,
    halved: bool,
}

impl Outgoing<'_> {
    fn bytes(&self) -> Cow<'_, [u8]> {
        self.checkpoint.bytes(self.key).unwrap_or_default()
    }
}

impl View for Outgoing<'_> {
    fn dtype(&self) -> Dtype {
        if self.halved { Dtype::F16 } else { self.stored }
    }
    fn shape(&self) -> &[usize] {
        self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        match self.halved {
            true => {
                let values = super::checkpoint::decode(self.stored, &self.bytes());
                Cow::Owned(values.into_iter().flat_map(|v| f16::from_f32(v).to_le_bytes()).collect())
            }
            false => self.bytes(),
        }
    }
    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype().bitsize() / 8
    }
}

impl Checkpoint {
    /// Writes the weights that are read, by their plain keys, as a safetensors file; with `halve`, numbers with a fraction as F16.
    /// # Errors
    /// [`Error::Io`] when it cannot be written; [`Error::File`] for a number beyond F16's range.
    pub fn write_safetensors(&self, path: &Path, halve: bool) -> Result<()> {
        let mut tensors = Vec::new();
        for key in self.keys() {
            let (Some(shape), Some(stored)) = (self.shape(key), self.dtype(key)) else { continue };
            let halved = halve && matches!(stored, Dtype::F32 | Dtype::F64 | Dtype::BF16);
            if halved {
                let values = super::checkpoint::decode(stored, &self.bytes(key).unwrap_or_default());
                if let Some(v) = values.iter().find(|v| v.is_finite() && !f16::from_f32(**v).is_finite()) {
                    let fault = format!("tensor `{key}` holds {v}, which is beyond F16's range");
                    return Err(Error::file(self.path(), fault));
                }
            }
            tensors.push((key, Outgoing { checkpoint: self, key, shape, stored, halved }));
        }
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        safetensors::serialize_to_file(tensors, Some(metadata), path).map_err(|e| match e {
            safetensors::SafeTensorError::IoError(e) => Error::io(path, e),
            other => Error::file(path, format!("cannot be written: {other}")),
        })
    }
}
