//! The NIfTI-1 reader: every size is checked against the header before anything is allocated.
use super::Volume;
use super::volume::HEADER;
use crate::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use nifti::{DataElement, InMemNiftiVolume, NiftiHeader, NiftiType};
use std::io::{BufRead, Read};
use std::path::Path;

/// The most voxels that a volume may have: 1 GiB of f32.
const MAX_VOXELS: u64 = 1 << 28;
/// What gzip can at most make of one byte.
const GZIP_RATIO: u64 = 1032;

impl Volume {
    /// Reads a volume from `len` bytes of `.nii` or `.nii.gz`; `source` names it in errors.
    /// # Errors
    /// [`Error::File`]: not single-file NIfTI-1, more than one channel or time, no or more than 2^28 voxels or more
    /// than the file can hold (refused from the header, before anything is allocated), a type that is neither integer
    /// nor float, missing data, NaN, no contrast.
    pub fn from_reader(bytes: impl BufRead, len: u64, source: &Path) -> Result<Volume> {
        let mut volume = stored(bytes, len, source)?;
        volume.window = window(&volume.voxels).map_err(|fault| Error::file(source, fault))?;
        Ok(volume)
    }

    /// Reads a volume of labels, such as a segmentation: no contrast is asked for, and slices of it are clamped to
    /// `[0,1]` and not scaled.
    /// # Errors
    /// As [`Volume::read`], but for the contrast.
    pub fn read_labels(path: &Path) -> Result<Volume> {
        let (file, len) = super::volume::open(path)?;
        stored(file, len, path)
    }
}

/// The volume as it is stored, with the window 0 to 1.
fn stored(mut bytes: impl BufRead, len: u64, source: &Path) -> Result<Volume> {
    let start = bytes.fill_buf().map_err(|e| Error::io(source, e))?;
    match start {
        [] => Err(Error::file(source, "the file is empty")),
        [0x1f, 0x8b, ..] => parse(MultiGzDecoder::new(bytes), len.saturating_mul(GZIP_RATIO), source),
        _ => parse(bytes, len, source),
    }
}

/// `available` is the most bytes that the stream can hold.
fn parse(mut stream: impl Read, available: u64, source: &Path) -> Result<Volume> {
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
    let dims = dims(&header).map_err(fault)?;
    let kind = header.data_type().map_err(|e| fault(format!("damaged NIfTI header: {e}")))?;
    let size = kind.size_of() as u64;
    if i64::from(header.bitpix) != size as i64 * 8 {
        return Err(fault(format!("its header contradicts itself: type {kind:?} with {} bits", header.bitpix)));
    }
    let offset = header.vox_offset;
    if !(offset == 0.0 || (352.0..1e8).contains(&offset)) {
        return Err(fault(format!("its header gives an absurd voxel offset, {offset}")));
    }
    let (skip, need) = ((offset as u64).max(352) - HEADER as u64, dims.iter().product::<usize>() as u64 * size);
    if need + skip > available {
        return Err(fault(format!("is truncated: {dims:?} voxels of type {kind:?} need {need} bytes")));
    }
    std::io::copy(&mut stream.by_ref().take(skip), &mut std::io::sink())
        .map_err(|e| fault(format!("damaged NIfTI data: {e}")))?;
    let memory = InMemNiftiVolume::from_reader(stream, &header)
        .map_err(|e| fault(format!("truncated or damaged NIfTI data: {e}")))?;
    let voxels = voxels(memory, kind, &header).map_err(fault)?;
    let bad = voxels.iter().filter(|v| !v.is_finite()).count();
    if bad > 0 {
        return Err(fault(format!("{bad} of {} voxels are NaN or infinite", voxels.len())));
    }
    let name = super::find::stem(source);
    Ok(Volume { dims, voxels, window: (0.0, 1.0), source: source.to_owned(), name, header: raw, big_endian })
}

fn first4(raw: &[u8; HEADER]) -> [u8; 4] {
    [raw[0], raw[1], raw[2], raw[3]]
}

fn dims(header: &NiftiHeader) -> std::result::Result<[usize; 3], String> {
    let all = header.dim().map_err(|e| format!("damaged NIfTI header: {e}"))?;
    let mut dims = [1; 3];
    for (i, &d) in all.iter().enumerate() {
        match dims.get_mut(i) {
            Some(dim) => *dim = usize::from(d),
            None if d == 1 => {}
            None => return Err(format!("has dimensions {all:?}; one volume of one channel is needed, take it apart")),
        }
    }
    match dims.iter().map(|&d| d as u64).product() {
        1..=MAX_VOXELS => Ok(dims),
        _ => Err(format!("the header says {dims:?} voxels, more than the {MAX_VOXELS} that are accepted")),
    }
}

/// The values with slope and intercept applied.
fn voxels(memory: InMemNiftiVolume, kind: NiftiType, header: &NiftiHeader) -> std::result::Result<Vec<f32>, String> {
    /// All elements of the file's own type `T`.
    fn all<T: DataElement + Copy>(memory: InMemNiftiVolume, value: impl Fn(T) -> f64) -> nifti::Result<Vec<f64>> {
        Ok(memory.into_nifti_typed_data::<T>()?.into_iter().map(value).collect())
    }
    let values = match kind {
        NiftiType::Uint8 => all(memory, |v: u8| v.into()),
        NiftiType::Int8 => all(memory, |v: i8| v.into()),
        NiftiType::Uint16 => all(memory, |v: u16| v.into()),
        NiftiType::Int16 => all(memory, |v: i16| v.into()),
        NiftiType::Uint32 => all(memory, |v: u32| v.into()),
        NiftiType::Int32 => all(memory, |v: i32| v.into()),
        NiftiType::Uint64 => all(memory, |v: u64| v as f64),
        NiftiType::Int64 => all(memory, |v: i64| v as f64),
        NiftiType::Float32 => all(memory, |v: f32| v.into()),
        NiftiType::Float64 => all(memory, |v: f64| v),
        other => return Err(format!("voxels of type {other:?} are not supported")),
    };
    let values = values.map_err(|e| format!("damaged NIfTI data: {e}"))?;
    // By the standard a slope of zero (or, as nibabel has it, none that is finite) means that values are as stored.
    let scaled = header.scl_slope != 0.0 && header.scl_slope.is_finite() && header.scl_inter.is_finite();
    let (slope, inter) = if scaled { (header.scl_slope, header.scl_inter) } else { (1.0, 0.0) };
    Ok(values.into_iter().map(|v| (v * f64::from(slope) + f64::from(inter)) as f32).collect())
}

fn window(voxels: &[f32]) -> std::result::Result<(f32, f32), String> {
    let mut inside: Vec<f32> = voxels.iter().copied().filter(|&v| v != 0.0).collect();
    if inside.is_empty() {
        return Err("every voxel is zero".into());
    }
    let (low, high) = (percentile(&mut inside, 0.005), percentile(&mut inside, 0.995));
    // Also refuses a difference so small that its inverse is infinite.
    if (1.0 / (high - low)).is_finite() && high > low && (high - low).is_finite() {
        Ok((low, high))
    } else {
        Err(format!("has no contrast: the 0.5th and 99.5th percentile of its non-zero voxels are {low} and {high}"))
    }
}

/// NumPy's linear percentile of finite values, at least one; reorders them.
fn percentile(values: &mut [f32], fraction: f64) -> f32 {
    let at = fraction * (values.len() - 1) as f64;
    let (_, &mut low, above) = values.select_nth_unstable_by(at as usize, f32::total_cmp);
    let high = above.iter().copied().min_by(f32::total_cmp).unwrap_or(low);
    (f64::from(low) + (f64::from(high) - f64::from(low)) * at.fract()) as f32
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
