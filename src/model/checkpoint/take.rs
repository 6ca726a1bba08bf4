//! Weights taken out of a checkpoint by key and shape, and what is left.
use super::*;

impl Checkpoint {
    /// Checks that a tensor is there with this shape and a dtype that can be weights, without reading it.
    /// Trailing sizes of one do not count: (C,C), (C,C,1) and (C,C,1,1) are one matrix.
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::TensorShape`], or [`Error::File`] for a dtype.
    pub fn check(&self, key: &str, shape: &[usize]) -> Result<()> {
        self.entry(key, shape).map(|_| ())
    }

    /// Reads a tensor as f32, row-major in the stored order, and marks it as used.
    /// # Errors
    /// As [`Checkpoint::check`], and [`Error::File`] when a value is NaN or infinite.
    pub fn take(&self, key: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let entry = self.entry(key, shape)?;
        // Opening put every range inside the file.
        let values = decode(entry.stored.dtype, &self.bytes(key).unwrap_or_default());
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            let fault = format!("tensor `{key}` holds {} at element {at}", values[at]);
            return Err(Error::file(&self.path, fault));
        }
        entry.used.store(true, Ordering::Relaxed);
        Ok(values)
    }

    /// Marks a tensor that is known to play no part, so that it is not called surplus.
    pub fn ignore(&self, key: &str) {
        if let Some(entry) = self.tensors.get(key) {
            entry.used.store(true, Ordering::Relaxed);
        }
    }

    /// Keys that nothing has taken or ignored so far.
    pub fn surplus(&self) -> Vec<&str> {
        let unused = self.tensors.iter().filter(|(_, e)| !e.used.load(Ordering::Relaxed));
        unused.map(|(k, _)| k.as_str()).collect()
    }

    /// Names surplus keys: in a warning, or in an error when `strict`. To be called when a network is built.
    /// # Errors
    /// [`Error::File`] when `strict` and there are any.
    pub fn settle(&self, strict: bool) -> Result<()> {
        let surplus = self.surplus();
        if surplus.is_empty() {
            return Ok(());
        }
        let shown = surplus.iter().take(8).map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
        let more = if surplus.len() > 8 { ", ..." } else { "" };
        let fault = format!("{} tensors that the network does not use: {shown}{more}", surplus.len());
        if strict {
            return Err(Error::file(&self.path, fault));
        }
        tracing::warn!("{}: {fault}", self.path.display());
        Ok(())
    }

    fn entry(&self, key: &str, shape: &[usize]) -> Result<&Entry> {
        let missing = || Error::MissingTensor { path: self.path.clone(), key: key.to_owned() };
        let entry = self.tensors.get(key).ok_or_else(missing)?;
        if squeezed(&entry.stored.shape) != squeezed(shape) {
            let (path, key, found) = (self.path.clone(), key.to_owned(), entry.stored.shape.clone());
            return Err(Error::TensorShape { path, key, found, expected: shape.to_vec() });
        }
        if !matches!(entry.stored.dtype, Dtype::F32 | Dtype::F16 | Dtype::BF16 | Dtype::F64) {
            let fault = format!("tensor `{key}` is {}, but weights are F32, F16, BF16 or F64", entry.stored.dtype);
            return Err(Error::file(&self.path, fault));
        }
        Ok(entry)
    }
}

/// A shape without its trailing ones.
fn squeezed(shape: &[usize]) -> &[usize] {
    let len = shape.iter().rposition(|&d| d != 1).map_or(0, |i| i + 1);
    &shape[..len]
}

/// Little-endian numbers to f32. Other dtypes never come here.
pub(in crate::model) fn decode(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    match dtype {
        Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
        Dtype::F16 => bytes.as_chunks::<2>().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
        Dtype::BF16 => bytes.as_chunks::<2>().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
        Dtype::F64 => bytes.as_chunks::<8>().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
        _ => Vec::new(),
    }
}
