//! NIfTI volumes, read as slices along an axis.
use super::{Map, Picture};
use crate::{Error, Result};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// The bytes of a NIfTI-1 header.
pub(super) const HEADER: usize = 348;

/// A NIfTI-1 volume of one channel.
///
/// Intensities keep the file's units until a slice is taken. Slices are then scaled to `[0,1]` so that the 0.5th and
/// the 99.5th percentile of the volume's non-zero voxels become 0 and 1, clamped: the ends of the histogram of an MR
/// image are artefacts, and zero is the background. Percentiles interpolate linearly, as NumPy's do.
#[derive(Clone, Debug)]
pub struct Volume {
    /// Voxels along the file's three axes i, j, k.
    pub dims: [usize; 3],
    /// The intensities, i fastest, in the file's units (slope and intercept applied).
    pub voxels: Vec<f32>,
    /// The intensities that become 0 and 1.
    pub window: (f32, f32),
    /// The file.
    pub source: PathBuf,
    /// Its stem.
    pub name: String,
    /// The header as it lies in the file, from which maps take their geometry.
    pub(super) header: [u8; HEADER],
    pub(super) big_endian: bool,
}

/// The columns and rows of a slice as axes of the volume.
fn plane(axis: usize) -> Option<(usize, usize)> {
    [(1, 2), (0, 2), (0, 1)].get(axis).copied()
}

/// A file and its length.
pub(super) fn open(path: &Path) -> Result<(BufReader<File>, u64)> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let len = file.metadata().map_err(|e| Error::io(path, e))?.len();
    Ok((BufReader::new(file), len))
}

impl Volume {
    /// Reads `.nii` or `.nii.gz`, told apart by content.
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, otherwise as [`Volume::from_reader`].
    pub fn read(path: &Path) -> Result<Volume> {
        let (file, len) = open(path)?;
        Volume::from_reader(file, len, path)
    }

    /// How many slices there are along an axis (0, 1 or 2).
    /// # Errors
    /// [`Error::Invalid`] for another axis.
    pub fn slices(&self, axis: usize) -> Result<usize> {
        self.dims.get(axis).copied().ok_or_else(|| Error::Invalid(format!("a volume has axes 0, 1 and 2, not {axis}")))
    }

    /// One slice as a gray picture in `[0,1]`.
    ///
    /// Columns run along the first of the other two axes, rows down the second: row 0 is its last position, so that
    /// a volume in RAS order shows with its top up. Nothing is resampled or reoriented.
    /// # Errors
    /// [`Error::Invalid`] for an axis above 2 or a slice outside the volume.
    pub fn slice(&self, axis: usize, index: usize) -> Result<Picture> {
        let count = self.slices(axis)?;
        if index >= count {
            return Err(Error::Invalid(format!("{}: no slice {index} of {count}", self.source.display())));
        }
        let ((low, high), scale) = (self.window, 1.0 / (self.window.1 - self.window.0));
        let (width, height) = self.slice_size(axis)?;
        let data = (0..width * height)
            .map(|p| (self.voxels[self.voxel(axis, index, p % width, p / width)].clamp(low, high) - low) * scale)
            .map(|v| v.clamp(0.0, 1.0))
            .collect();
        let mut picture = Picture::new(&self.source, width, height, 1, data)?;
        let digits = count.saturating_sub(1).to_string().len();
        picture.name = format!("{}_{}{index:0digits$}", self.name, ["i", "j", "k"][axis]);
        Ok(picture)
    }

    /// The (width, height) of the slices along an axis.
    /// # Errors
    /// [`Error::Invalid`] for an axis above 2.
    pub fn slice_size(&self, axis: usize) -> Result<(usize, usize)> {
        self.slices(axis)?;
        Ok(plane(axis).map_or((0, 0), |(x, y)| (self.dims[x], self.dims[y])))
    }

    /// Where a pixel of a slice lies in `voxels`; all within bounds, the axis checked.
    pub(super) fn voxel(&self, axis: usize, index: usize, x: usize, y: usize) -> usize {
        let mut at = [index; 3];
        if let Some((columns, rows)) = plane(axis) {
            (at[columns], at[rows]) = (x, self.dims[rows] - 1 - y);
        }
        at[0] + self.dims[0] * (at[1] + self.dims[1] * at[2])
    }

    /// Refuses a map that is not of the size of the slices along `axis`.
    pub(super) fn check_map(&self, axis: usize, index: usize, map: &Map) -> Result<()> {
        let (count, size) = (self.slices(axis)?, self.slice_size(axis)?);
        if index >= count || (map.width, map.height) != size {
            return Err(Error::Invalid(format!(
                "{}: a {}x{} map does not fit slice {index} of {count}, which is {}x{}",
                self.source.display(),
                map.width,
                map.height,
                size.0,
                size.1
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::data::VolumeMap;

    /// A u8 volume with a slope of 2, an intercept of 0 and an unusual affine.
    pub(crate) fn nifti_u8(big_endian: bool, dims: [u16; 3], voxels: &[u8]) -> Vec<u8> {
        let mut header = vec![0; 352];
        let mut put = |at: usize, mut little: Vec<u8>| {
            if big_endian {
                little.reverse();
            }
            header[at..at + little.len()].copy_from_slice(&little);
        };
        put(0, 348i32.to_le_bytes().into());
        for (i, d) in [3, dims[0], dims[1], dims[2], 1, 1, 1, 1].into_iter().enumerate() {
            put(40 + 2 * i, d.to_le_bytes().into());
        }
        put(70, 2i16.to_le_bytes().into());
        put(72, 8i16.to_le_bytes().into());
        put(108, 352f32.to_le_bytes().into());
        put(112, 2f32.to_le_bytes().into());
        put(254, 1i16.to_le_bytes().into());
        for i in 0..12 {
            put(280 + 4 * i, (i as f32 * 1.5 - 4.0).to_le_bytes().into());
        }
        header[344..348].copy_from_slice(b"n+1\0");
        header.extend(voxels);
        header
    }
    pub(crate) fn voxels() -> Vec<u8> {
        (0..24u32).map(|i| if i.is_multiple_of(5) { 0 } else { (37 * i % 101 + 3) as u8 }).collect()
    }
    pub(crate) fn read(bytes: &[u8]) -> Result<Volume> {
        Volume::from_reader(bytes, bytes.len() as u64, Path::new("d/v.nii.gz"))
    }
    pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn slices_are_oriented_scaled_and_named() {
        let v = read(&gzip(&nifti_u8(false, [4, 3, 2], &voxels()))).unwrap();
        assert_eq!((v.dims, v.name.as_str()), ([4, 3, 2], "v"));
        assert_eq!(v.voxels[1], 80.0, "slope applied");
        // numpy.percentile of the non-zero values, times the slope.
        assert!((v.window.0 - 2.0 * 6.27).abs() < 1e-3 && (v.window.1 - 2.0 * 99.73).abs() < 1e-3, "{:?}", v.window);
        let s = v.slice(2, 1).unwrap();
        assert_eq!((s.width, s.height, s.name.as_str()), (4, 3, "v_k1"));
        // Row 0 is the last j: voxel (1, 2, 1) is number 1 + 4 * (2 + 3) = 21.
        let want = (v.voxels[21] - v.window.0) / (v.window.1 - v.window.0);
        assert!((s.data[1] - want.clamp(0.0, 1.0)).abs() < 1e-6);
        assert_eq!((v.slice_size(0).unwrap(), v.slice_size(1).unwrap()), ((3, 2), (4, 2)));
        assert!(v.slice(3, 0).is_err() && v.slice(2, 2).is_err() && v.slices(3).is_err());
    }

    #[test]
    fn maps_keep_the_geometry_and_land_where_their_slice_was() {
        for (big_endian, name) in [(false, "m.nii"), (true, "m.nii"), (true, "m.nii.gz")] {
            let bytes = nifti_u8(big_endian, [4, 3, 2], &voxels());
            let v = read(&bytes).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            for axis in 0..3 {
                let mut out = VolumeMap::new(&v);
                for index in 0..v.slices(axis).unwrap() {
                    let s = v.slice(axis, index).unwrap();
                    // A map that is one more than the slice everywhere, so that no voxel is zero.
                    let data = s.data.iter().map(|v| v + 1.0).collect();
                    out.put(axis, index, &Map::new(s.width, s.height, data).unwrap()).unwrap();
                }
                assert!(out.put(axis, 99, &Map::new(1, 1, vec![0.0]).unwrap()).is_err());
                out.write(&path).unwrap();
                let m = Volume::read(&path).unwrap();
                let affine = 252..328;
                assert_eq!((m.dims, m.big_endian), (v.dims, big_endian));
                assert_eq!(m.header[affine.clone()], v.header[affine], "qform and sform");
                for (i, (&got, &x)) in m.voxels.iter().zip(&v.voxels).enumerate() {
                    let want = 1.0 + (x.clamp(v.window.0, v.window.1) - v.window.0) / (v.window.1 - v.window.0);
                    assert!((got - want).abs() < 1e-6, "axis {axis}, voxel {i}");
                }
            }
        }
    }
}
