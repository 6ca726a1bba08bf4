//! One flag a pixel: ground truth, a foreground.
use crate::{Error, Result};
use std::path::Path;

/// Marked pixels of an image: the defective ones, or the foreground.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width` values, row by row.
    pub data: Vec<bool>,
}

impl Mask {
    /// Of an image in which nothing is marked.
    pub fn empty(width: usize, height: usize) -> Self {
        Mask { width, height, data: vec![false; width * height] }
    }

    /// Whether any pixel is marked.
    pub fn any(&self) -> bool {
        self.data.contains(&true)
    }

    /// Refuses a mask of another size than the image.
    /// # Errors
    /// [`Error::File`] with `path`, the mask's file, and both sizes.
    pub fn check_size(&self, path: &Path, width: usize, height: usize) -> Result<()> {
        if (self.width, self.height) == (width, height) {
            return Ok(());
        }
        Err(Error::file(path, format!("the mask is {}x{}, but the image is {width}x{height}", self.width, self.height)))
    }

    /// At another size, each pixel being that of the nearest centre, as PIL's `NEAREST` and PyTorch's `nearest-exact`.
    /// # Errors
    /// [`Error::Invalid`] when a side is zero or the result is larger than [`super::MAX_PIXELS`].
    pub fn resize(&self, width: usize, height: usize) -> Result<Mask> {
        if !matches!((width as u64).checked_mul(height as u64), Some(1..=super::MAX_PIXELS)) || self.data.is_empty() {
            return Err(Error::Invalid(format!("cannot resize a mask to {width}x{height}")));
        }
        let nearest = |at: usize, from: usize, to: usize| (2 * at + 1) * from / (2 * to);
        let row = |y: usize| nearest(y, self.height, height) * self.width;
        let pixel = |i: usize| self.data[row(i / width) + nearest(i % width, self.width, width)];
        Ok(Mask { width, height, data: (0..width * height).map(pixel).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_resized_to_the_nearest_pixel() {
        let mask = |width: usize, bits: &str| {
            let data: Vec<bool> = bits.bytes().map(|b| b == b'1').collect();
            Mask { width, height: data.len() / width, data }
        };
        // Made with Pillow's NEAREST.
        let m = mask(5, "101100111010001");
        assert_eq!(m.resize(3, 2).unwrap(), mask(3, "110101"));
        assert_eq!(m.resize(7, 4).unwrap(), mask(7, "1001110011111001111101000001"));
        assert_eq!(m.resize(5, 3).unwrap(), m);
        assert!(m.resize(0, 3).is_err() && m.resize(1 << 20, 1 << 20).is_err());
    }
}
