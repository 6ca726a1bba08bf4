//! Anomaly maps of a volume, written as NIfTI with the geometry of the input.
use super::nifti_header::HEADER;
use super::{Map, Volume, write_atomic};
use crate::Result;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write};
use std::path::Path;

/// A map of every voxel of a volume, filled slice by slice; zero where no slice was put.
#[derive(Clone, Debug)]
pub struct VolumeMap<'a> {
    volume: &'a Volume,
    values: Vec<f32>,
}

impl<'a> VolumeMap<'a> {
    /// Zeros of the volume's dimensions.
    pub fn new(volume: &'a Volume) -> Self {
        VolumeMap { volume, values: vec![0.0; volume.dims.iter().product()] }
    }

    /// Puts the map of the slice that [`Volume::slice`] gave for the same axis and index.
    /// # Errors
    /// [`crate::Error::Invalid`] when there is no such slice or the map has another size.
    pub fn put(&mut self, axis: usize, index: usize, map: &Map) -> Result<()> {
        self.volume.check_map(axis, index, map)?;
        for (p, &v) in map.data.iter().enumerate() {
            self.values[self.volume.voxel(axis, index, p % map.width, p / map.width)] = v;
        }
        Ok(())
    }

    /// Puts the mask of such a slice: 1 inside, 0 elsewhere.
    /// # Errors
    /// As [`VolumeMap::put`].
    pub fn put_mask(&mut self, axis: usize, index: usize, inside: &[bool]) -> Result<()> {
        let (width, height) = self.volume.slice_size(axis)?;
        let data = inside.iter().map(|&m| f32::from(u8::from(m))).collect();
        self.put(axis, index, &Map::new(width, height, data)?)
    }

    /// Writes the map as float32 NIfTI-1, whole or not at all, compressed if the name ends in `.gz`. Dimensions,
    /// spacings, units, qform, sform and byte order are the input's, so that the map overlays it in any viewer.
    /// # Errors
    /// [`crate::Error::Io`] when it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let gzip = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"));
        write_atomic(path, |file| {
            if gzip {
                let mut encoder = GzEncoder::new(file, Compression::fast());
                self.encode(&mut encoder)?;
                encoder.finish().map(|_| ())
            } else {
                self.encode(file)
            }
        })
    }

    fn encode(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&map_header(self.volume))?;
        // No extension follows the header.
        out.write_all(&[0; 4])?;
        for chunk in self.values.chunks(4096) {
            let bytes =
                chunk.iter().flat_map(|v| if self.volume.big_endian { v.to_be_bytes() } else { v.to_le_bytes() });
            out.write_all(&bytes.collect::<Vec<u8>>())?;
        }
        Ok(())
    }
}

/// The input's header with what the values need changed; offsets are those of `nifti1.h`.
fn map_header(volume: &Volume) -> [u8; HEADER] {
    let (mut header, big_endian) = (volume.header, volume.big_endian);
    let mut put = |at: usize, little: &[u8]| {
        for (i, &byte) in little.iter().enumerate() {
            header[at + if big_endian { little.len() - 1 - i } else { i }] = byte;
        }
    };
    for (at, value) in [(56, 0.0), (60, 0.0), (64, 0.0), (108, 352.0), (112, 1.0), (116, 0.0), (124, 0.0), (128, 0.0)] {
        // Intent parameters, vox_offset, scl_slope, scl_inter, cal_max and cal_min (no display window).
        put(at, &f32::to_le_bytes(value));
    }
    for (at, value) in [(68, 0i16), (70, 16), (72, 32)] {
        // Intent, datatype float32, bitpix.
        put(at, &value.to_le_bytes());
    }
    if volume.channels > 1 {
        // The number of dimensions, and the fourth: a map has one channel.
        put(40, &3i16.to_le_bytes());
        put(48, &1i16.to_le_bytes());
    }
    let text = b"residua anomaly map";
    header[148..228].fill(0);
    header[148..148 + text.len()].copy_from_slice(text);
    // The intent's name.
    header[328..344].fill(0);
    header
}
