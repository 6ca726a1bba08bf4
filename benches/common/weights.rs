//! A checkpoint with random weights, in memory.
use super::values;
use residua::Result;
use residua::model::Checkpoint;
use safetensors::{Dtype, tensor::TensorView};

/// Keys, shapes and values.
#[derive(Default)]
pub struct Weights(Vec<(String, Vec<usize>, Vec<u8>)>);

impl Weights {
    /// A tensor of `shift` and random values up to `scale` beside it.
    pub fn add(&mut self, key: String, shape: &[usize], scale: f32, shift: f32) {
        let seed = self.0.len() as u64 + 1;
        let data =
            values(shape.iter().product(), seed).iter().flat_map(|v| (v * scale + shift).to_le_bytes()).collect();
        self.0.push((key, shape.to_vec(), data));
    }
    /// A weight that keeps its input's size, and a bias.
    pub fn product(&mut self, key: &str, shape: &[usize]) {
        let inputs: usize = shape[1..].iter().product();
        self.add(format!("{key}.weight"), shape, (3.0 / inputs as f32).sqrt(), 0.0);
        self.add(format!("{key}.bias"), &shape[..1], 0.1, 0.0);
    }
    /// A GroupNorm's scale and shift.
    pub fn norm(&mut self, key: &str, channels: usize) {
        self.add(format!("{key}.weight"), &[channels], 0.2, 1.0);
        self.add(format!("{key}.bias"), &[channels], 0.1, 0.0);
    }
    /// The checkpoint.
    pub fn open(self) -> Result<Checkpoint> {
        let view = |(k, s, b): &'_ (String, Vec<usize>, Vec<u8>)| {
            (k.clone(), TensorView::new(Dtype::F32, s.clone(), b.clone().leak()).expect("bytes fit the shape"))
        };
        let bytes = safetensors::serialize(self.0.iter().map(view), None).expect("memory is there");
        Checkpoint::from_bytes("random.safetensors", bytes)
    }
}
