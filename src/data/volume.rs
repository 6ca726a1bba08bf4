//! NIfTI volumes, read as slices along an axis.
use super::affine::Place;
use super::foreground::Foreground;
use super::nifti_header::HEADER;
use super::scaling::Window;
use super::volume_mask::masked;
use super::{Map, Mask, Picture, Scaling};
use crate::{Error, Result};
use std::path::PathBuf;
use std::sync::OnceLock;

/// A NIfTI volume of 1 to 4 channels.
///
/// Intensities keep the file's units until a slice is taken, which is scaled to `[0,1]`, each channel by itself.
#[derive(Clone, Debug)]
pub struct Volume {
    /// Voxels along the file's three axes i, j, k.
    pub dims: [usize; 3],
    /// Channels of a voxel.
    pub channels: usize,
    /// The intensities, channel after channel, in each i fastest, in the file's units (slope and intercept applied).
    pub voxels: Vec<f32>,
    /// The file; of a set, the first channel's.
    pub source: PathBuf,
    /// What to call it: its stem, and of a set what the stems have in common.
    pub name: String,
    /// What its user should know, such as where the foreground comes from.
    pub warnings: Vec<String>,
    /// From voxel indices (i, j, k, 1) to millimetres, three rows of four: by the sform, else the qform, else the voxels'
    /// sizes alone.
    pub affine: [[f64; 4]; 3],
    /// Where it lies, and whether its header says so.
    pub(super) place: Place,
    pub(super) scaled: Scaled,
    /// Found when it is first asked for.
    pub(super) foreground: OnceLock<Foreground>,
    /// The header as it lies in the file, from which maps take their geometry.
    pub(super) header: [u8; HEADER],
    pub(super) big_endian: bool,
}

/// How the slices of a volume become `[0,1]`.
#[derive(Clone, Debug)]
pub(super) enum Scaled {
    /// Every slice alike, by one window for each channel.
    Windows(Vec<Window>),
    /// Each slice by its own values.
    EachSlice(Scaling),
}

/// The window of values which are in `[0,1]` already.
pub(super) const UNIT: Window = Window { low: 0.0, high: 1.0 };

/// The columns and rows of a slice as axes of the volume.
fn plane(axis: usize) -> Option<(usize, usize)> {
    [(1, 2), (0, 2), (0, 1)].get(axis).copied()
}

impl Volume {
    /// How many slices there are along an axis (0, 1 or 2).
    /// # Errors
    /// [`Error::Invalid`] for another axis.
    pub fn slices(&self, axis: usize) -> Result<usize> {
        self.dims.get(axis).copied().ok_or_else(|| Error::Invalid(format!("a volume has axes 0, 1 and 2, not {axis}")))
    }

    /// One slice as a picture in `[0,1]`.
    ///
    /// Columns run along the first of the other two axes, rows down the second: row 0 is its last position, so that
    /// a volume in RAS order shows with its top up. Nothing is resampled or reoriented.
    /// # Errors
    /// [`Error::Invalid`] for an axis above 2 or a slice outside the volume; [`Error::File`], naming the slice, where each is
    /// scaled by its own values and these have no contrast.
    pub fn slice(&self, axis: usize, index: usize) -> Result<Picture> {
        let (width, height) = self.slice_size(axis)?;
        let name = self.slice_name(axis, index)?;
        let (size, pixels, channels) = (self.dims.iter().product::<usize>(), width * height, self.channels);
        let places: Vec<usize> = (0..pixels).map(|p| self.voxel(axis, index, p % width, p / width)).collect();
        let mut data = vec![0.0; pixels * channels];
        for (c, voxels) in self.voxels.chunks_exact(size).enumerate() {
            let window = match &self.scaled {
                Scaled::Windows(windows) => windows[c],
                Scaled::EachSlice(scaling) => match scaling.window(places.iter().map(|&at| voxels[at])) {
                    None => UNIT,
                    Some(window) => {
                        window.map_err(|fault| Error::file(&self.source, format!("slice {name} {fault}")))?
                    }
                },
            };
            let scale = window.scaler();
            places.iter().zip(data.iter_mut().skip(c).step_by(channels)).for_each(|(&at, v)| *v = scale(voxels[at]));
        }
        let mut picture = Picture::new(&self.source, width, height, channels, data)?;
        picture.name = name;
        picture.warnings.clone_from(&self.warnings);
        Ok(picture)
    }

    /// What a slice is called: the volume's name, the axis (i, j, k) and the position along it.
    /// # Errors
    /// [`Error::Invalid`] for an axis above 2 or a slice outside the volume.
    pub fn slice_name(&self, axis: usize, index: usize) -> Result<String> {
        let count = self.slices(axis)?;
        if index >= count {
            return Err(Error::Invalid(format!("{}: no slice {index} of {count}", self.source.display())));
        }
        let digits = count.saturating_sub(1).to_string().len();
        Ok(format!("{}_{}{index:0digits$}", self.name, ["i", "j", "k"][axis]))
    }

    /// Axis and index of the slice that [`Volume::slice_name`] calls so.
    pub fn slice_of_name(name: &str) -> Option<(usize, usize)> {
        let last = name.rsplit('_').next()?;
        let axis = ["i", "j", "k"].iter().position(|letter| last.starts_with(letter))?;
        Some((axis, last[1..].parse().ok()?))
    }

    /// The foreground, one flag for each voxel in the order of a channel's: that of the mask beside the volume
    /// (NAME_mask.nii or .nii.gz), or what lies above the lowest value in any channel. It is found at the first call.
    /// # Errors
    /// [`Error::File`]: a mask that cannot be read, has other dimensions or marks nothing; a volume of one value.
    pub fn foreground(&self) -> Result<&Foreground> {
        if let Some(known) = self.foreground.get() {
            return Ok(known);
        }
        let found = match masked(self)? {
            Some(found) => found,
            None => Foreground::of_values(&self.source, &self.name, &self.voxels, self.channels)?,
        };
        Ok(self.foreground.get_or_init(|| found))
    }

    /// A slice of the [`Volume::foreground`], oriented as [`Volume::slice`] has it. It may be empty.
    /// # Errors
    /// As [`Volume::foreground`], and [`Error::Invalid`] for an axis above 2 or a slice outside the volume.
    pub fn foreground_slice(&self, axis: usize, index: usize) -> Result<Mask> {
        self.slice_name(axis, index)?;
        let (width, height) = self.slice_size(axis)?;
        let inside = &self.foreground()?.inside;
        let data = (0..width * height).map(|p| inside[self.voxel(axis, index, p % width, p / width)]).collect();
        Ok(Mask { width, height, data })
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
    fn window(v: &Volume) -> Window {
        match &v.scaled {
            Scaled::Windows(windows) => windows[0],
            Scaled::EachSlice(_) => panic!("no window"),
        }
    }
    pub(crate) fn voxels() -> Vec<u8> {
        (0..24u32).map(|i| if i.is_multiple_of(5) { 0 } else { (37 * i % 101 + 3) as u8 }).collect()
    }
    pub(crate) fn read(bytes: &[u8]) -> Result<Volume> {
        Volume::from_reader(bytes, bytes.len() as u64, std::path::Path::new("d/v.nii.gz"))
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
        assert!(
            (window(&v).low - 2.0 * 6.27).abs() < 1e-3 && (window(&v).high - 2.0 * 99.73).abs() < 1e-3,
            "{:?}",
            window(&v)
        );
        let s = v.slice(2, 1).unwrap();
        assert_eq!((s.width, s.height, s.name.as_str()), (4, 3, "v_k1"));
        // Row 0 is the last j: voxel (1, 2, 1) is number 1 + 4 * (2 + 3) = 21.
        let want = (v.voxels[21] - window(&v).low) / (window(&v).high - window(&v).low);
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
                    let want = 1.0
                        + (x.clamp(window(&v).low, window(&v).high) - window(&v).low)
                            / (window(&v).high - window(&v).low);
                    assert!((got - want).abs() < 1e-6, "axis {axis}, voxel {i}");
                }
            }
        }
    }
}
