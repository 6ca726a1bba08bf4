//! The NIfTI reader: every size is checked against the header before anything is allocated.
use super::affine::Place;
use super::gzip::Gzip;
use super::nifti_header::{HEADER, Header};
use crate::{Error, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The most voxels that a volume may have: 1 GiB of f32.
const MAX_VOXELS: u64 = 1 << 28;
/// What gzip can at most make of one byte.
const GZIP_RATIO: u64 = 1032;

/// A volume as it lies in its file.
pub(super) struct Stored {
    /// Where it lies, and its voxels along i, j, k.
    pub place: Place,
    /// Volumes in the file.
    pub channels: usize,
    /// Channel after channel, i fastest, slope and intercept applied; finite.
    pub voxels: Vec<f32>,
    /// The header as that of a single NIfTI-1 file, in the byte order of the input.
    pub header: [u8; HEADER],
    /// The byte order of the header and the voxels.
    pub big_endian: bool,
}

/// Reads `.nii`, `.nii.gz`, or `.hdr` with its `.img`; which of them is told by content; see [`stored`].
pub(super) fn read_stored(path: &Path, channels: usize) -> Result<Stored> {
    let header = if ends(path, "img") { beside(path, "hdr")? } else { path.to_owned() };
    let (file, len) = open(&header)?;
    stored(file, len, &header, channels)
}

fn open(path: &Path) -> Result<(BufReader<File>, u64)> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let len = file.metadata().map_err(|e| Error::io(path, e))?.len();
    Ok((BufReader::new(file), len))
}

/// Whether a file's name ends so, or so and in `.gz`.
fn ends(path: &Path, ending: &str) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.strip_suffix(".gz").unwrap_or(&name).ends_with(&format!(".{ending}"))
}

/// The other file of a pair, compressed or not.
fn beside(path: &Path, ending: &str) -> Result<PathBuf> {
    let plain = if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz")) {
        path.with_extension("")
    } else {
        path.to_owned()
    };
    let other = plain.with_extension(ending);
    let upper = plain.with_extension(ending.to_uppercase());
    let found = [other.clone(), other.with_extension(format!("{ending}.gz")), upper].into_iter().find(|p| p.is_file());
    found.ok_or_else(|| {
        let name = other.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Error::file(path, format!("is one file of a pair (.hdr and .img), but there is no {name} beside it"))
    })
}

/// Reads a volume from `len` bytes of `.nii` or `.nii.gz`, NIfTI-1 or NIfTI-2; `source` names it in errors, and is where the
/// voxels of a pair are looked for. It has one channel, or those of the model in its fourth dimension.
/// # Errors
/// [`Error::File`]: not NIfTI, another number of channels, no or more than 2^28 values or more than the file can hold (refused
/// from the header, before anything is allocated), a type that is neither integer nor float, missing data, NaN, a compressed
/// stream that is damaged anywhere.
pub(super) fn stored(bytes: impl BufRead, len: u64, source: &Path, channels: usize) -> Result<Stored> {
    let fault = |text: String| Error::file(source, text);
    let (mut stream, available) = plain(bytes, len, source)?;
    let truncated = |e| fault(format!("the NIfTI header is truncated: {e}"));
    let mut raw = vec![0; 4];
    stream.read_exact(&mut raw).map_err(truncated)?;
    let (length, big_endian) =
        Header::length([raw[0], raw[1], raw[2], raw[3]]).ok_or_else(|| fault("is not a NIfTI volume".into()))?;
    raw.resize(length, 0);
    stream.read_exact(&mut raw[4..]).map_err(truncated)?;
    let header = Header::new(&raw, big_endian).map_err(fault)?;
    if !header.pair {
        let skip = if header.vox_offset == 0.0 {
            4
        } else {
            header.vox_offset as u64 - length.min(header.vox_offset as usize) as u64
        };
        return voxels(&header, stream, available, skip, source, channels);
    }
    rest(&mut *stream, available).map_err(fault)?;
    let data = beside(source, "img")?;
    let (file, len) = open(&data)?;
    let (stream, available) = plain(file, len, &data)?;
    voxels(&header, stream, available, header.vox_offset as u64, &data, channels)
}

/// The stream without gzip, if it is compressed, and the most bytes that it can hold.
fn plain<'a>(mut bytes: impl BufRead + 'a, len: u64, source: &Path) -> Result<(Box<dyn Read + 'a>, u64)> {
    match bytes.fill_buf().map_err(|e| Error::io(source, e))? {
        [] => Err(Error::file(source, "the file is empty")),
        [0x1f, 0x8b, ..] => Ok((Box::new(Gzip::new(bytes)), len.saturating_mul(GZIP_RATIO))),
        _ => Ok((Box::new(bytes), len)),
    }
}

/// Reads what is behind the voxels, which is not ours, as gzip's checksum and its length stand at the very end.
fn rest(stream: &mut dyn Read, available: u64) -> Result<(), String> {
    let read = std::io::copy(&mut stream.take(available), &mut std::io::sink());
    read.map(|_| ()).map_err(damaged)
}

/// What a failure in the middle of a stream means.
fn damaged(e: std::io::Error) -> String {
    match e.kind() {
        ErrorKind::UnexpectedEof => {
            "the data is truncated: it ends before the last voxel or before the end of its gzip data".into()
        }
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            format!("damaged gzip data, or other data behind them: {e}")
        }
        _ => format!("its data cannot be read: {e}"),
    }
}

/// Reads the voxels, `skip` bytes ahead.
fn voxels(
    header: &Header,
    mut stream: Box<dyn Read + '_>,
    available: u64,
    skip: u64,
    source: &Path,
    wanted: usize,
) -> Result<Stored> {
    let fault = |text: String| Error::file(source, text);
    let offset = header.vox_offset;
    let least = if header.pair { 0.0 } else { header.length as f64 };
    if !(offset == 0.0 || (least..1e8).contains(&offset)) {
        return Err(fault(format!("its header gives an absurd voxel offset, {offset}")));
    }
    let (dims, channels) = dims(&header.dims, wanted).map_err(fault)?;
    let (size, value) = kind(header.datatype).map_err(fault)?;
    if header.bitpix != size as i64 * 8 {
        let fault_of = format!("its header contradicts itself: type {} with {} bits", header.datatype, header.bitpix);
        return Err(fault(fault_of));
    }
    let count = dims.iter().product::<usize>() * channels;
    let need = count as u64 * size as u64;
    if need.saturating_add(skip) > available {
        return Err(fault(format!("is truncated: {dims:?} voxels of {size} bytes need {need} bytes")));
    }
    std::io::copy(&mut stream.by_ref().take(skip), &mut std::io::sink()).map_err(|e| fault(damaged(e)))?;
    let (slope, inter) = scale(header).map_err(fault)?;
    let mut voxels = Vec::with_capacity(count);
    let mut buffer = vec![0; size * 8192];
    while voxels.len() < count {
        let part = &mut buffer[..size * (count - voxels.len()).min(8192)];
        stream.read_exact(part).map_err(|e| fault(damaged(e)))?;
        for bytes in part.chunks_exact_mut(size) {
            if header.big_endian {
                bytes.reverse();
            }
            voxels.push((value(bytes) * slope + inter) as f32);
        }
    }
    rest(&mut *stream, available).map_err(fault)?;
    let bad = voxels.iter().filter(|v| !v.is_finite()).count();
    if bad > 0 {
        return Err(fault(format!("{bad} of {} voxels are NaN or infinite", voxels.len())));
    }
    let (place, big_endian) = (Place::new(header, dims), header.big_endian);
    Ok(Stored { place, channels, voxels, header: header.raw, big_endian })
}

/// Slope and intercept. By the standard a slope of zero means that values are as stored, and NaN for both, or beside an intercept of
/// zero, is how nibabel writes that; whatever else is not finite tells nothing.
fn scale(header: &Header) -> Result<(f64, f64), String> {
    let (slope, inter) = (header.slope, header.inter);
    let absent = (slope == 0.0 && !inter.is_infinite()) || (slope.is_nan() && (inter.is_nan() || inter == 0.0));
    match slope.is_finite() && inter.is_finite() {
        _ if absent => Ok((1.0, 0.0)),
        true => Ok((slope, inter)),
        false => Err(format!(
            "damaged NIfTI header: its slope (scl_slope) is {slope} and its intercept (scl_inter) {inter}, by which its values cannot \
             be scaled"
        )),
    }
}

/// The sizes of the three axes, and the channels in the fourth.
fn dims(all: &[u64], wanted: usize) -> Result<([usize; 3], usize), String> {
    let mut sizes = [1; 4];
    for (i, &d) in all.iter().enumerate() {
        match sizes.get_mut(i) {
            Some(size) => *size = d,
            None if d == 1 => {}
            None => return Err(format!("has dimensions {all:?}, more than four; take it apart")),
        }
    }
    let [i, j, k, channels] = sizes;
    if channels != 1 && channels != wanted as u64 {
        let takes = if wanted == 1 { "1 channel".into() } else { format!("{wanted} channels") };
        let fault = format!("has dimensions {all:?}, {channels} channels, but the model takes {takes}; take it apart");
        return Err(fault);
    }
    match sizes.iter().try_fold(1u64, |product, d| product.checked_mul(*d)) {
        Some(1..=MAX_VOXELS) => Ok(([i as usize, j as usize, k as usize], channels as usize)),
        _ => Err(format!("the header says {all:?} voxels, more than the {MAX_VOXELS} that are accepted")),
    }
}

/// A value from little-endian bytes.
type Value = fn(&[u8]) -> f64;

/// The bytes of a voxel, and its value.
fn kind(datatype: i64) -> Result<(usize, Value), String> {
    fn of<const N: usize>(bytes: &[u8]) -> [u8; N] {
        let mut own = [0; N];
        own.copy_from_slice(bytes);
        own
    }
    let name = match datatype {
        2 => return Ok((1, |b| b[0].into())),
        256 => return Ok((1, |b| b[0].cast_signed().into())),
        512 => return Ok((2, |b| u16::from_le_bytes(of(b)).into())),
        4 => return Ok((2, |b| i16::from_le_bytes(of(b)).into())),
        768 => return Ok((4, |b| u32::from_le_bytes(of(b)).into())),
        8 => return Ok((4, |b| i32::from_le_bytes(of(b)).into())),
        1280 => return Ok((8, |b| u64::from_le_bytes(of(b)) as f64)),
        1024 => return Ok((8, |b| i64::from_le_bytes(of(b)) as f64)),
        16 => return Ok((4, |b| f32::from_le_bytes(of(b)).into())),
        64 => return Ok((8, |b| f64::from_le_bytes(of(b)))),
        128 | 2304 => "colours (RGB)",
        32 | 1792 | 2048 => "complex numbers",
        1536 => "floats of 128 bits",
        1 => "single bits",
        other => return Err(format!("damaged NIfTI header: its voxels are of type {other}, which there is not")),
    };
    Err(format!("its voxels are {name}, which are not read; convert it to integers or floats"))
}

#[cfg(test)]
mod tests {
    use crate::data::volume::tests::{gzip, nifti_u8, read, voxels};

    #[test]
    fn values_without_a_slope_are_as_stored() {
        for (slope, inter) in [(0.0f32, 5.0f32), (0.0, f32::NAN), (f32::NAN, f32::NAN), (f32::NAN, 0.0)] {
            let mut bytes = nifti_u8(false, [4, 3, 2], &voxels());
            bytes[112..116].copy_from_slice(&slope.to_le_bytes());
            bytes[116..120].copy_from_slice(&inter.to_le_bytes());
            assert_eq!(read(&bytes).unwrap().voxels[1], 40.0, "{slope} {inter}");
        }
    }

    #[test]
    fn bad_volumes_are_refused_by_name() {
        let good = nifti_u8(false, [4, 3, 2], &voxels());
        let fault = |edit: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            edit(&mut bytes);
            let text = read(&bytes).unwrap_err().to_string();
            assert!(text.starts_with("d/v.nii.gz: "), "{text}");
            assert!(read(&gzip(&bytes)).is_err());
            text
        };
        assert!(fault(&|b| b.truncate(370)).contains("truncated"));
        assert!(fault(&|b| b.truncate(100)).contains("truncated"));
        assert!(fault(&|b| b.clear()).contains("empty"));
        assert!(fault(&|b| b[42..48].fill(0x7f)).contains("more than the"));
        assert!(fault(&|b| b[42..44].fill(0)).contains("damaged"));
        assert!(fault(&|b| (b[40], b[48]) = (4, 3)).contains("take it apart"));
        assert!(fault(&|b| b[70] = 16).contains("contradicts itself"));
        assert!(
            fault(&|b| {
                (b[70], b[71], b[72]) = (128, 0, 24);
                b.resize(352 + 72, 1);
            })
            .contains("are colours")
        );
        assert!(fault(&|b| b[352..].fill(0)).contains("every voxel is zero"));
        assert!(fault(&|b| b[352..].fill(9)).contains("no contrast"));
        assert!(fault(&|b| b[344..348].copy_from_slice(b"ni1\0")).contains(".hdr"));
        assert!(fault(&|b| b[0] = 0).contains("not a NIfTI"));
        for (slope, inter) in [(2.0, f32::NAN), (2.0, f32::INFINITY), (f32::NEG_INFINITY, 0.0), (f32::NAN, 1.0)] {
            let said = fault(&|b| {
                b[112..116].copy_from_slice(&slope.to_le_bytes());
                b[116..120].copy_from_slice(&inter.to_le_bytes());
            });
            assert!(said.contains("(scl_slope)") && said.contains("(scl_inter)"), "{said}");
        }
        assert!(fault(&|b| b[108..112].copy_from_slice(&f32::NAN.to_le_bytes())).contains("offset"));
    }
}
