//! The NIfTI-1 reader: every size is checked against the header before anything is allocated.
use super::affine::affine;
use crate::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use nifti::{DataElement, InMemNiftiVolume, NiftiHeader, NiftiType};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// The bytes of a NIfTI-1 header.
pub(super) const HEADER: usize = 348;

/// The most voxels that a volume may have: 1 GiB of f32.
const MAX_VOXELS: u64 = 1 << 28;
/// What gzip can at most make of one byte.
const GZIP_RATIO: u64 = 1032;

/// A volume as it lies in its file.
pub(super) struct Stored {
    /// Voxels along i, j, k.
    pub dims: [usize; 3],
    /// Volumes in the file.
    pub channels: usize,
    /// Channel after channel, i fastest, slope and intercept applied; finite.
    pub voxels: Vec<f32>,
    /// The header as it lies in the file.
    pub header: [u8; HEADER],
    /// The byte order of the header and the voxels.
    pub big_endian: bool,
    /// From voxel indices to millimetres: three rows of four.
    pub affine: [[f64; 4]; 3],
}

/// Reads `.nii` or `.nii.gz`, told apart by content; see [`stored`].
pub(super) fn read_stored(path: &Path, channels: usize) -> Result<Stored> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let len = file.metadata().map_err(|e| Error::io(path, e))?.len();
    stored(BufReader::new(file), len, path, channels)
}

/// Reads a volume from `len` bytes of `.nii` or `.nii.gz`; `source` names it in errors. It has one channel, or those of
/// the model in its fourth dimension.
/// # Errors
/// [`Error::File`]: not single-file NIfTI-1, another number of channels, no or more than 2^28 values or more than the file
/// can hold (refused from the header, before anything is allocated), a type that is neither integer nor float, missing
/// data, NaN.
pub(super) fn stored(mut bytes: impl BufRead, len: u64, source: &Path, channels: usize) -> Result<Stored> {
    let start = bytes.fill_buf().map_err(|e| Error::io(source, e))?;
    match start {
        [] => Err(Error::file(source, "the file is empty")),
        [0x1f, 0x8b, ..] => parse(MultiGzDecoder::new(bytes), len.saturating_mul(GZIP_RATIO), source, channels),
        _ => parse(bytes, len, source, channels),
    }
}

/// `available` is the most bytes that the stream can hold.
fn parse(mut stream: impl Read, available: u64, source: &Path, wanted: usize) -> Result<Stored> {
    let fault = |text: String| Error::file(source, text);
    let mut raw = [0; HEADER];
    stream.read_exact(&mut raw).map_err(|e| fault(format!("the NIfTI header is truncated: {e}")))?;
    let big_endian = match (i32::from_le_bytes(first4(&raw)), i32::from_be_bytes(first4(&raw))) {
        (348, _) => false,
        (_, 348) => true,
        (540, _) | (_, 540) => return Err(fault("is NIfTI-2; convert it to NIfTI-1".into())),
        _ => return Err(fault("is not a NIfTI volume".into())),
    };
    let header = NiftiHeader::from_reader(&raw[..]).map_err(|e| fault(format!("damaged NIfTI header: {e}")))?;
    if &header.magic != nifti::header::MAGIC_CODE_NIP1 {
        return Err(fault("its voxels are in another file (.hdr and .img); convert it to a single .nii".into()));
    }
    let (dims, channels) = dims(&header, wanted).map_err(fault)?;
    let kind = header.data_type().map_err(|e| fault(format!("damaged NIfTI header: {e}")))?;
    let size = kind.size_of() as u64;
    if i64::from(header.bitpix) != size as i64 * 8 {
        return Err(fault(format!("its header contradicts itself: type {kind:?} with {} bits", header.bitpix)));
    }
    let offset = header.vox_offset;
    if !(offset == 0.0 || (352.0..1e8).contains(&offset)) {
        return Err(fault(format!("its header gives an absurd voxel offset, {offset}")));
    }
    let count = dims.iter().product::<usize>() * channels;
    let (skip, need) = ((offset as u64).max(352) - HEADER as u64, count as u64 * size);
    if need + skip > available {
        return Err(fault(format!("is truncated: {dims:?} voxels of type {kind:?} need {need} bytes")));
    }
    std::io::copy(&mut stream.by_ref().take(skip), &mut std::io::sink())
        .map_err(|e| fault(format!("damaged NIfTI data: {e}")))?;
    let memory = InMemNiftiVolume::from_reader(stream.by_ref(), &header)
        .map_err(|e| fault(format!("truncated or damaged NIfTI data: {e}")))?;
    // Behind the last byte lies gzip's checksum; what else may follow is not ours.
    let rest = std::io::copy(&mut stream.take(available), &mut std::io::sink());
    if let Some(e) = rest.err().filter(|e| e.to_string().contains("checksum")) {
        return Err(fault(format!("damaged NIfTI data: {e}")));
    }
    let voxels = voxels(memory, kind, &header).map_err(fault)?;
    let bad = voxels.iter().filter(|v| !v.is_finite()).count();
    if bad > 0 {
        return Err(fault(format!("{bad} of {} voxels are NaN or infinite", voxels.len())));
    }
    Ok(Stored { dims, channels, voxels, header: raw, big_endian, affine: affine(&header) })
}

fn first4(raw: &[u8; HEADER]) -> [u8; 4] {
    [raw[0], raw[1], raw[2], raw[3]]
}

/// The sizes of the three axes, and the channels in the fourth.
fn dims(header: &NiftiHeader, wanted: usize) -> std::result::Result<([usize; 3], usize), String> {
    let all = header.dim().map_err(|e| format!("damaged NIfTI header: {e}"))?;
    let mut sizes = [1; 4];
    for (i, &d) in all.iter().enumerate() {
        match sizes.get_mut(i) {
            Some(size) => *size = usize::from(d),
            None if d == 1 => {}
            None => return Err(format!("has dimensions {all:?}, more than four; take it apart")),
        }
    }
    let [i, j, k, channels] = sizes;
    if channels != 1 && channels != wanted {
        let takes = if wanted == 1 { "1 channel".into() } else { format!("{wanted} channels") };
        let fault = format!("has dimensions {all:?}, {channels} channels, but the model takes {takes}; take it apart");
        return Err(fault);
    }
    match sizes.iter().map(|&d| d as u64).product() {
        1..=MAX_VOXELS => Ok(([i, j, k], channels)),
        _ => Err(format!("the header says {all:?} voxels, more than the {MAX_VOXELS} that are accepted")),
    }
}

/// The values with slope and intercept applied.
fn voxels(memory: InMemNiftiVolume, kind: NiftiType, header: &NiftiHeader) -> std::result::Result<Vec<f32>, String> {
    // By the standard a slope of zero (or, as nibabel has it, none that is finite) means that values are as stored.
    let scaled = header.scl_slope != 0.0 && header.scl_slope.is_finite() && header.scl_inter.is_finite();
    let (slope, inter) = if scaled { (header.scl_slope, header.scl_inter) } else { (1.0, 0.0) };
    /// All elements of the file's own type `T`.
    fn all<T: DataElement + Copy>(
        memory: InMemNiftiVolume,
        [slope, inter]: [f64; 2],
        value: impl Fn(T) -> f64,
    ) -> nifti::Result<Vec<f32>> {
        let scale = |v: T| (value(v) * slope + inter) as f32;
        Ok(memory.into_nifti_typed_data::<T>()?.into_iter().map(scale).collect())
    }
    let by = [slope, inter].map(f64::from);
    let values = match kind {
        NiftiType::Uint8 => all(memory, by, |v: u8| v.into()),
        NiftiType::Int8 => all(memory, by, |v: i8| v.into()),
        NiftiType::Uint16 => all(memory, by, |v: u16| v.into()),
        NiftiType::Int16 => all(memory, by, |v: i16| v.into()),
        NiftiType::Uint32 => all(memory, by, |v: u32| v.into()),
        NiftiType::Int32 => all(memory, by, |v: i32| v.into()),
        NiftiType::Uint64 => all(memory, by, |v: u64| v as f64),
        NiftiType::Int64 => all(memory, by, |v: i64| v as f64),
        NiftiType::Float32 => all(memory, by, |v: f32| v.into()),
        NiftiType::Float64 => all(memory, by, |v: f64| v),
        other => return Err(format!("voxels of type {other:?} are not supported")),
    };
    values.map_err(|e| format!("damaged NIfTI data: {e}"))
}

#[cfg(test)]
mod tests {
    use crate::data::volume::tests::{gzip, nifti_u8, read, voxels};

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
            .contains("Rgb24")
        );
        assert!(fault(&|b| b[352..].fill(0)).contains("every voxel is zero"));
        assert!(fault(&|b| b[352..].fill(9)).contains("no contrast"));
        assert!(fault(&|b| b[344..348].copy_from_slice(b"ni1\0")).contains(".hdr"));
        assert!(fault(&|b| b[0] = 0).contains("not a NIfTI"));
        assert!(fault(&|b| b[108..112].copy_from_slice(&f32::NAN.to_le_bytes())).contains("offset"));
    }
}
