//! A safetensors file of recorded tensors: what a network was given and what the original made of it.
use crate::{Error, Result, Shape, Tensor};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::path::{Path, PathBuf};

/// The file, read whole.
pub struct Tensors {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// One tensor as numbers, row-major.
pub struct Values {
    /// Sizes of its axes.
    pub dims: Vec<usize>,
    /// They are f64 in the file.
    pub double: bool,
    /// The values.
    pub data: Vec<f64>,
}

impl Tensors {
    /// Reads it and checks its header.
    pub fn read(path: PathBuf) -> Result<Self> {
        let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
        SafeTensors::deserialize(&bytes).map_err(|e| Error::file(&path, format!("not a safetensors file: {e}")))?;
        Ok(Tensors { path, bytes })
    }
    /// Where it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// The names of all tensors, sorted.
    pub fn names(&self) -> Vec<String> {
        let file = SafeTensors::deserialize(&self.bytes).ok();
        let mut names: Vec<_> = file.iter().flat_map(|f| f.names()).map(str::to_owned).collect();
        names.sort();
        names
    }
    /// A text of the file's metadata that must be there.
    pub fn metadata(&self, key: &str) -> Result<String> {
        let header = SafeTensors::read_metadata(&self.bytes).ok();
        let found = header.and_then(|(_, m)| m.metadata().as_ref().and_then(|texts| texts.get(key).cloned()));
        found.ok_or_else(|| Error::file(&self.path, format!("its metadata has no `{key}`")))
    }
    /// A tensor that may be absent.
    pub fn find(&self, name: &str) -> Result<Option<Values>> {
        let Ok(file) = SafeTensors::deserialize(&self.bytes) else { return Ok(None) };
        let Ok(view) = file.tensor(name) else { return Ok(None) };
        let data = decode(&view).ok_or_else(|| self.fault(name, format!("has dtype {}", view.dtype())))?;
        Ok(Some(Values { dims: view.shape().to_vec(), double: view.dtype() == Dtype::F64, data }))
    }
    /// A tensor that must be there.
    pub fn get(&self, name: &str) -> Result<Values> {
        let missing = || Error::MissingTensor { path: self.path.clone(), key: name.to_owned() };
        self.find(name)?.ok_or_else(missing)
    }
    /// An image batch (N,C,H,W).
    pub fn image(&self, name: &str) -> Result<Tensor> {
        let v = self.get(name)?;
        let &[n, c, h, w] = &v.dims[..] else {
            return Err(self.fault(name, format!("is {:?}, not (N,C,H,W)", v.dims)));
        };
        self.tensor(name, Shape::new(n, h, w, c), &v.data)
    }
    /// One number a sample, as (N,1,1,1); a single one belongs to every sample.
    pub fn numbers(&self, name: &str, n: usize) -> Result<Option<Tensor>> {
        let Some(v) = self.find(name)? else { return Ok(None) };
        let data = match v.data.len() {
            1 => vec![v.data[0]; n],
            len if len == n => v.data,
            _ => return Err(self.fault(name, format!("is {:?}, not one number for each of {n} samples", v.dims))),
        };
        self.tensor(name, Shape::new(n, 1, 1, 1), &data).map(Some)
    }
    /// A vector for each of `n` samples (N,C), as (N,1,1,C).
    pub fn vectors(&self, name: &str, n: usize) -> Result<Tensor> {
        let v = self.get(name)?;
        match v.dims[..] {
            [rows, c] if rows == n => self.tensor(name, Shape::new(n, 1, 1, c), &v.data),
            _ => Err(self.fault(name, format!("is {:?}, not a vector for each of {n} samples", v.dims))),
        }
    }
    /// Draws of noise (D,N,C,H,W) for images of this shape, as (D·N,C,H,W), and D; at least `draws`, of which
    /// those that are missing are zeros when no more than `idle` are.
    pub fn draws(&self, name: &str, image: Shape, draws: usize, idle: usize) -> Result<Tensor> {
        let mut v = self.get(name)?;
        let each = [image.n, image.c, image.h, image.w];
        let fits = v.dims.len() == 5 && v.dims[1..] == each && v.dims[0] + idle >= draws;
        if !fits {
            let fault = format!("is {:?}, but {draws} draws of (N,C,H,W) = {each:?} are needed", v.dims);
            return Err(self.fault(name, fault));
        }
        v.data.resize(draws * image.len(), 0.0);
        self.tensor(name, Shape { n: draws * image.n, ..image }, &v.data)
    }
    /// One noise (1,C,H,W), which all images of this shape share, or one for each (N,C,H,W), as (N,C,H,W).
    /// # Errors
    /// [`Error::File`] for another shape.
    pub fn shared_noise(&self, name: &str, image: Shape) -> Result<Tensor> {
        let noise = self.image(name)?;
        let Shape { n, c, h, w } = noise.shape;
        if (c, h, w) != (image.c, image.h, image.w) || !(n == 1 || n == image.n) {
            return Err(self.fault(name, format!("has shape {}, which does not fit images of {image}", noise.shape)));
        }
        Tensor::new(image, if n == 1 { noise.data.repeat(image.n) } else { noise.data })
    }
    fn tensor(&self, name: &str, shape: Shape, data: &[f64]) -> Result<Tensor> {
        Tensor::new(shape, data.iter().map(|&v| v as f32).collect()).map_err(|e| self.fault(name, e.to_string()))
    }
    /// An error about a tensor of this file.
    pub fn fault(&self, name: &str, fault: String) -> Error {
        Error::file(&self.path, format!("tensor `{name}` {fault}"))
    }
}

/// Little-endian numbers; none for a dtype that no golden has.
fn decode(view: &TensorView) -> Option<Vec<f64>> {
    let b = view.data();
    Some(match view.dtype() {
        Dtype::F64 => b.as_chunks().0.iter().map(|&v| f64::from_le_bytes(v)).collect(),
        Dtype::F32 => b.as_chunks().0.iter().map(|&v| f32::from_le_bytes(v).into()).collect(),
        Dtype::F16 => b.as_chunks().0.iter().map(|&v| f16::from_le_bytes(v).into()).collect(),
        Dtype::BF16 => b.as_chunks().0.iter().map(|&v| bf16::from_le_bytes(v).into()).collect(),
        Dtype::I64 => b.as_chunks().0.iter().map(|&v| i64::from_le_bytes(v) as f64).collect(),
        Dtype::I32 => b.as_chunks().0.iter().map(|&v| i32::from_le_bytes(v).into()).collect(),
        Dtype::U8 => b.iter().map(|&v| v.into()).collect(),
        _ => return None,
    })
}
