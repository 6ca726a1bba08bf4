//! NumPy's `.npy`: pictures in, maps out.
use super::limits::{check_size, read_bytes};
use super::npy_numbers::{NumberType, RECORDS, numbers};
use super::raw::{Raw, Values};
use super::{Map, Picture, write_atomic};
use crate::{Error, Result};
use npyz::{NpyFile, Order, WriterBuilder};
use std::path::Path;

/// Decodes a picture for a model of so many channels from the bytes of a `.npy` file; `source` names it in errors.
///
/// Shapes for models of 1 or 3 channels: (H,W); (H,W,1) or (H,W,3); (1,H,W) or (3,H,W) when the last axis is neither 1
/// nor 3. For models of 2 or 4: (H,W,C) or (C,H,W), which must not be one as well as the other. Booleans count as 0 and
/// 1, u8 is divided by 255, u16 by 65535; wider and signed integers, f16, f32 and f64 stay as they are.
/// # Errors
/// [`Error::File`]: a damaged header, another shape or type, no or more than [`MAX_PIXELS`](super::MAX_PIXELS) pixels,
/// missing values.
pub(super) fn decode(bytes: &[u8], source: &Path, channels: usize) -> Result<Raw> {
    let fault = |text: String| Error::file(source, text);
    check_header(bytes).map_err(|e| fault(e.into()))?;
    let file = NpyFile::new(bytes).map_err(|e| fault(format!("damaged .npy header: {e}")))?;
    let layout = layout(file.shape(), source, channels)?;
    let order = file.order();
    let (values, kind) = values(file, source)?;
    let ArrayLayout { width, height, channels, planar } = layout;
    let dims = if planar { [channels, height, width] } else { [height, width, channels] };
    let strides = match order {
        Order::C => [dims[1] * dims[2], dims[2], 1],
        Order::Fortran => [1, dims[0], dims[0] * dims[1]],
    };
    let mut data = Vec::with_capacity(values.len());
    for y in 0..height {
        for x in 0..width {
            for c in 0..channels {
                let at = if planar { [c, y, x] } else { [y, x, c] };
                data.push(values[at[0] * strides[0] + at[1] * strides[1] + at[2] * strides[2]]);
            }
        }
    }
    Ok(Raw { picture: Picture::new(source, width, height, channels, data)?, alpha: None, values: kind })
}

/// Reads an anomaly map as [`write_npy`] writes it, or any array of shape (H,W) of floats: values of any size, as they are.
/// # Errors
/// [`Error::Io`] when it cannot be read; [`Error::File`]: a damaged header, another shape or type, no or more than
/// [`super::MAX_PIXELS`] pixels, missing values, NaN or infinite values.
pub fn read_map(path: &Path) -> Result<Map> {
    let fault = |text: String| Error::file(path, text);
    let bytes = read_bytes(path)?;
    check_header(&bytes).map_err(|e| fault(e.into()))?;
    let file = NpyFile::new(&bytes[..]).map_err(|e| fault(format!("damaged .npy header: {e}")))?;
    let (&[height, width], Order::C) = (file.shape(), file.order()) else {
        return Err(fault(format!("shape {:?} is not a map's, (H,W) in C order", file.shape())));
    };
    check_size(path, width, height)?;
    let (data, kind) = numbers(file, |v, _| v as f32).map_err(fault)?;
    if !matches!(kind, NumberType::Float(_)) {
        return Err(fault("its values cannot be read: a map holds floats".into()));
    }
    match data.iter().filter(|v| !v.is_finite()).count() {
        0 => Map::new(width as usize, height as usize, data),
        bad => Err(fault(format!("{bad} of {} values are NaN or infinite", data.len()))),
    }
}

/// Refuses headers that the parser must not see: it allocates what the length field says, recurses as deep as the
/// text nests, and multiplies the shape without checking.
pub(super) fn check_header(bytes: &[u8]) -> Result<(), &'static str> {
    const DAMAGED: &str = "damaged .npy header";
    let field = |at: usize| bytes.get(at).copied().map(usize::from).ok_or(DAMAGED);
    if !bytes.starts_with(b"\x93NUMPY") {
        return Err("is not a .npy file");
    }
    let (start, len) = match field(6)? {
        1 => (10, field(8)? | field(9)? << 8),
        _ => (12, field(8)? | field(9)? << 8 | field(10)? << 16 | field(11)? << 24),
    };
    let text = bytes.get(start..).and_then(|rest| rest.get(..len)).ok_or("the .npy header is truncated")?;
    if text.starts_with(b"{'descr': [") {
        return Err(RECORDS);
    }
    if len > 4096 || text.iter().filter(|c| b"([{".contains(c)).count() > 4 {
        return Err(DAMAGED);
    }
    let digits = text.split(|c| !c.is_ascii_digit()).filter(|d| !d.is_empty());
    let product = digits.into_iter().try_fold(1u64, |product, d| {
        let number = std::str::from_utf8(d).ok()?.parse::<u64>().ok()?;
        product.checked_mul(number.max(1))
    });
    product.map(|_| ()).ok_or("the header gives an absurd shape")
}

/// Where the pixels of an array lie.
struct ArrayLayout {
    width: usize,
    height: usize,
    channels: usize,
    /// Channels come first.
    planar: bool,
}

fn layout(shape: &[u64], source: &Path, model: usize) -> Result<ArrayLayout> {
    let fault = |text: String| Err(Error::file(source, text));
    let several = matches!(model, 2 | 4);
    let c = model as u64;
    let (height, width, channels, planar) = match *shape {
        [first, _, last] if several && first == c && last == c => {
            let read = "can be read as (H,W,C) as well as (C,H,W); transpose or crop it so that one of the two has another length";
            return fault(format!("shape {shape:?} {read}"));
        }
        [h, w, last] if several && last == c => (h, w, c, false),
        [first, h, w] if several && first == c => (h, w, c, true),
        _ if several => {
            return fault(format!("shape {shape:?} is neither (H,W,{c}) nor ({c},H,W), as the model needs"));
        }
        [h, w] => (h, w, 1, false),
        [h, w, c @ (1 | 3)] => (h, w, c, false),
        [c @ (1 | 3), h, w] => (h, w, c, true),
        _ => return fault(format!("shape {shape:?} is not (H,W), (H,W,C) or (C,H,W) with C 1 or 3")),
    };
    check_size(source, width, height)?;
    Ok(ArrayLayout { width: width as usize, height: height as usize, channels: channels as usize, planar })
}

/// The values in file order, and what they are.
fn values(file: NpyFile<&[u8]>, source: &Path) -> Result<(Vec<f32>, Values)> {
    let scale = |kind| match kind {
        NumberType::Unsigned(1) => 255.0,
        NumberType::Unsigned(2) => 65535.0,
        _ => 1.0,
    };
    let (values, kind) = numbers(file, |v, kind| v as f32 / scale(kind)).map_err(|fault| Error::file(source, fault))?;
    let what = match kind {
        NumberType::Bool | NumberType::Unsigned(1 | 2) => Values::Unit,
        NumberType::Unsigned(_) | NumberType::Signed(_) => Values::Wide,
        NumberType::Float(_) => Values::Floats,
    };
    Ok((values, what))
}

/// Writes a map as a float32 array of shape (H,W), whole or not at all.
/// # Errors
/// [`Error::Io`] when it cannot be written.
pub fn write_npy(path: &Path, map: &Map) -> Result<()> {
    write_array(path, &[map.height, map.width], &map.data)
}

/// Writes rows of `columns` values each as a float32 array of shape (rows, columns), whole or not at all.
/// # Errors
/// [`Error::Io`] when it cannot be written; [`Error::File`] when the values do not make whole rows.
pub fn write_npy_rows(path: &Path, columns: usize, values: &[f32]) -> Result<()> {
    if columns == 0 || !values.len().is_multiple_of(columns) {
        return Err(Error::file(path, format!("{} values do not make rows of {columns} columns", values.len())));
    }
    write_array(path, &[values.len() / columns, columns], values)
}

/// Writes a float32 array in C order, whole or not at all. The shape is that of the values.
pub(super) fn write_array(path: &Path, shape: &[usize], values: &[f32]) -> Result<()> {
    write_atomic(path, |file| {
        let shape: Vec<u64> = shape.iter().map(|n| *n as u64).collect();
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
        writer.extend(values.iter().copied())?;
        writer.finish()
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::data::{ValueRange, decode_npy};

    pub(in crate::data) fn npy<T: npyz::Serialize + npyz::AutoSerialize>(
        shape: &[u64],
        order: Order,
        values: Vec<T>,
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut w =
            npyz::WriteOptions::new().default_dtype().shape(shape).order(order).writer(&mut bytes).begin_nd().unwrap();
        w.extend(values).unwrap();
        w.finish().unwrap();
        bytes
    }
    fn read(bytes: &[u8]) -> Result<Picture> {
        decode_npy(bytes, Path::new("a.npy"), ValueRange::SIGNED)
    }

    #[test]
    fn types_are_scaled() {
        let one = |bytes: Vec<u8>| read(&bytes).unwrap().data[0];
        assert_eq!(one(npy(&[1, 2], Order::C, vec![51u8, 0])), 0.2);
        assert_eq!(one(npy(&[1, 2], Order::C, vec![13107u16, 0])), 0.2);
        assert_eq!(one(npy(&[1, 2], Order::C, vec![51i64, 0])), 0.2);
        assert_eq!(one(npy(&[1, 2], Order::C, vec![0.25f64, 0.0])), 0.25);
        assert_eq!(one(npy(&[1, 2], Order::C, vec![-0.5f32, 1.0])), 0.25);
        // A guess is said, whatever the width and the sign.
        let guessed = [
            npy(&[1, 2], Order::C, vec![51i8, 0]),
            npy(&[1, 2], Order::C, vec![51i16, 0]),
            npy(&[1, 2], Order::C, vec![51i32, 0]),
            npy(&[1, 2], Order::C, vec![51i64, 0]),
            npy(&[1, 2], Order::C, vec![51u32, 0]),
            npy(&[1, 2], Order::C, vec![51u64, 0]),
        ];
        for bytes in guessed {
            let found = read(&bytes).unwrap();
            assert!(
                found.data == [0.2, 0.0] && found.warnings[0].contains("taken as 0 to 255"),
                "{:?}",
                found.warnings
            );
        }
        for certain in [npy(&[1, 2], Order::C, vec![51u8, 200]), npy(&[1, 2], Order::C, vec![13107u16, 60000])] {
            assert!(read(&certain).unwrap().warnings.is_empty());
        }
        for bad in [npy(&[1, 1], Order::C, vec![256i32]), npy(&[1, 1], Order::C, vec![-1i8])] {
            assert!(read(&bad).unwrap_err().to_string().contains("0..=255"));
        }
        assert!(read(&npy(&[1, 1], Order::C, vec![f64::NAN])).unwrap_err().to_string().contains("NaN"));
        assert!(read(&npy(&[1, 1], Order::C, vec![3.5f32])).unwrap_err().to_string().contains("[3.5, 3.5]"));
    }

    #[test]
    fn layouts_and_orders_agree() {
        let hwc: Vec<u8> = (0..24).collect();
        let want = read(&npy(&[2, 4, 3], Order::C, hwc.clone())).unwrap();
        assert_eq!((want.height, want.width, want.channels), (2, 4, 3));
        let chw: Vec<u8> = (0..3).flat_map(|c| (0..8).map(move |p| p * 3 + c)).collect();
        assert_eq!(read(&npy(&[3, 2, 4], Order::C, chw)).unwrap(), want);
        let fortran: Vec<u8> =
            (0..3).flat_map(|c| (0..4).flat_map(move |x| (0..2).map(move |y| (y * 4 + x) * 3 + c))).collect();
        assert_eq!(read(&npy(&[2, 4, 3], Order::Fortran, fortran)).unwrap(), want);
        assert!(read(&npy(&[2, 4, 4], Order::C, vec![0u8; 32])).unwrap_err().to_string().contains("[2, 4, 4]"));
        assert!(read(&npy(&[8], Order::C, vec![0u8; 8])).is_err());
        assert!(read(&npy(&[0, 8], Order::C, Vec::<u8>::new())).is_err());
    }

    #[test]
    fn hostile_headers_are_refused() {
        let header = |text: &str| {
            let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
            bytes.extend((text.len() as u16).to_le_bytes());
            bytes.extend(text.as_bytes());
            bytes
        };
        let shaped = |shape: &str| header(&format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n"));
        for bad in ["(99999999999, 99999999999)", "(70000, 70000)", "((((((((2))))))))", "(2, 2)", "(-1, 5)"] {
            assert!(read(&shaped(bad)).is_err(), "{bad}");
        }
        assert!(read(b"\x93NUMPY\x02\x00\xff\xff\xff\xffxx").is_err());
        assert!(read(b"\x93NUMPY").is_err());
    }

    #[test]
    fn maps_are_written_as_float32() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.npy");
        write_npy(&path, &Map::new(3, 2, vec![0.0, 0.1, 0.2, 0.3, 0.4, 0.5]).unwrap()).unwrap();
        assert_eq!(read_map(&path).unwrap(), Map::new(3, 2, vec![0.0, 0.1, 0.2, 0.3, 0.4, 0.5]).unwrap());
        for bad in [npy(&[2], Order::C, vec![0f32; 2]), npy(&[1, 2], Order::C, vec![1u8, 2])] {
            std::fs::write(folder.path().join("bad.npy"), bad).unwrap();
            assert!(read_map(&folder.path().join("bad.npy")).unwrap_err().to_string().contains("bad.npy"));
        }
        std::fs::write(folder.path().join("bad.npy"), npy(&[1, 2], Order::C, vec![3.5f64, f64::NAN])).unwrap();
        assert!(read_map(&folder.path().join("bad.npy")).unwrap_err().to_string().contains("1 of 2 values are NaN"));
        let file = NpyFile::new(std::io::BufReader::new(std::fs::File::open(path).unwrap())).unwrap();
        assert_eq!(file.shape(), [2, 3]);
        assert_eq!(file.into_vec::<f32>().unwrap(), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]);
    }
}
