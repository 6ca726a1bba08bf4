//! An array of three axes.
use crate::{Error, Result};

/// The voxels of a volume: a map (`f32`), a mask (`bool`) or labels (`u32`), as a stack of axial slices.
#[derive(Clone, Debug, PartialEq)]
pub struct Voxels<T> {
    dims: [usize; 3],
    data: Vec<T>,
}

impl<T> Voxels<T> {
    /// Takes `[depth, height, width]` and the values in that order, width fastest; depth counts the slices. A single
    /// image is a volume of depth 1.
    /// # Errors
    /// [`Error::Invalid`] when an axis is empty, when there are 2³² voxels or more, or when the values do not fill the
    /// axes.
    pub fn new(dims: [usize; 3], data: Vec<T>) -> Result<Self> {
        let [depth, height, width] = dims;
        let count = depth.checked_mul(height).and_then(|n| n.checked_mul(width));
        match count.filter(|&n| n > 0 && u32::try_from(n).is_ok()) {
            Some(n) if n == data.len() => Ok(Voxels { dims, data }),
            Some(n) => Err(Error::Invalid(format!(
                "a volume of {depth}x{height}x{width} has {n} voxels, but {} values are given",
                data.len()
            ))),
            None => Err(Error::Invalid(format!(
                "a volume of {depth}x{height}x{width} is not accepted: from 1 to {} voxels are",
                u32::MAX
            ))),
        }
    }

    /// `[depth, height, width]`.
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// The values, slice by slice, row by row.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// The values alone.
    pub fn into_data(self) -> Vec<T> {
        self.data
    }

    /// Other values on the same axes; the caller makes as many as there are.
    pub(super) fn with<U>(&self, data: Vec<U>) -> Voxels<U> {
        debug_assert_eq!(data.len(), self.data.len());
        Voxels { dims: self.dims, data }
    }

    /// Refuses a mask of other axes.
    pub(super) fn check_same(&self, mask: &Voxels<bool>) -> Result<()> {
        if self.dims == mask.dims {
            return Ok(());
        }
        let text = |[d, h, w]: [usize; 3]| format!("{d}x{h}x{w}");
        Err(Error::Invalid(format!("a map of {} and a mask of {} do not fit", text(self.dims), text(mask.dims))))
    }
}
