//! Shapes and host tensors. Everywhere inside, images are channels-last (N,H,W,C) with C padded to a
//! multiple of four by zeros; files and goldens are NCHW, and [`Tensor`] is that edge.
use crate::{Error, Result};

/// A logical shape (N,H,W,C). A vector per sample is (N,1,1,C), tokens are (N,1,L,C).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Samples.
    pub n: usize,
    /// Rows.
    pub h: usize,
    /// Columns.
    pub w: usize,
    /// Channels, without padding.
    pub c: usize,
}

impl Shape {
    /// (n,h,w,c).
    pub const fn new(n: usize, h: usize, w: usize, c: usize) -> Self {
        Shape { n, h, w, c }
    }
    /// Channels as stored: `c` rounded up to a multiple of four.
    pub const fn c_pad(&self) -> usize {
        self.c.next_multiple_of(4)
    }
    /// Pixels of all samples: n·h·w.
    pub const fn pixels(&self) -> usize {
        self.n * self.h * self.w
    }
    /// Elements as stored, padding included.
    pub const fn padded_len(&self) -> usize {
        self.pixels() * self.c_pad()
    }
    /// Elements without padding.
    pub const fn len(&self) -> usize {
        self.pixels() * self.c
    }
    /// No element at all.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The same with another number of channels.
    pub const fn with_c(self, c: usize) -> Self {
        Shape { c, ..self }
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({},{},{},{})", self.n, self.h, self.w, self.c)
    }
}

/// A host tensor as files hold it: f32, NCHW without padding.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// The shape; `data` is ordered N, C, H, W.
    pub shape: Shape,
    /// `shape.len()` values.
    pub data: Vec<f32>,
}

impl Tensor {
    /// Wraps NCHW data.
    /// # Errors
    /// When `data` has another length than the shape.
    pub fn new(shape: Shape, data: Vec<f32>) -> Result<Self> {
        if data.len() != shape.len() {
            return Err(Error::Invalid(format!(
                "a tensor of shape {shape} needs {} values, not {}",
                shape.len(),
                data.len()
            )));
        }
        Ok(Tensor { shape, data })
    }
    /// Zeros.
    pub fn zeros(shape: Shape) -> Self {
        Tensor { shape, data: vec![0.0; shape.len()] }
    }
    /// NCHW to the padded NHWC that devices use: `shape.padded_len()` values, zero in the padding.
    pub fn to_device_layout(&self) -> Vec<f32> {
        let Shape { n, h, w, c } = self.shape;
        let (cp, hw) = (self.shape.c_pad(), h * w);
        let mut out = vec![0.0; self.shape.padded_len()];
        for i in 0..n {
            for k in 0..c {
                let plane = &self.data[(i * c + k) * hw..][..hw];
                for (p, &v) in plane.iter().enumerate() {
                    out[(i * hw + p) * cp + k] = v;
                }
            }
        }
        out
    }
    /// Padded NHWC, as a device returns it, to NCHW.
    pub fn from_device_layout(shape: Shape, padded: &[f32]) -> Result<Self> {
        if padded.len() != shape.padded_len() {
            return Err(Error::Invalid(format!(
                "a device tensor of shape {shape} has {} values, not {}",
                shape.padded_len(),
                padded.len()
            )));
        }
        let Shape { n, h, w, c } = shape;
        let (cp, hw) = (shape.c_pad(), h * w);
        let mut data = vec![0.0; shape.len()];
        for i in 0..n {
            for k in 0..c {
                for p in 0..hw {
                    data[(i * c + k) * hw + p] = padded[(i * hw + p) * cp + k];
                }
            }
        }
        Ok(Tensor { shape, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_round_trip_keeps_values_and_zero_padding() {
        let shape = Shape::new(2, 3, 5, 3);
        let t = Tensor::new(shape, (0..shape.len()).map(|i| i as f32 + 1.0).collect()).unwrap();
        let d = t.to_device_layout();
        assert_eq!(d.len(), shape.padded_len());
        assert!(d.iter().skip(3).step_by(4).all(|&v| v == 0.0));
        assert_eq!(d[1], t.data[15], "channel 1 of pixel 0");
        assert_eq!(Tensor::from_device_layout(shape, &d).unwrap(), t);
        assert!(Tensor::new(shape, vec![0.0; 3]).is_err());
    }
}
