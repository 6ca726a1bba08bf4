//! PNG, JPEG, TIFF, BMP and WebP, told apart by content.
use super::decode::guarded;
use super::limits::{MAX_PIXELS, check_size};
use super::raw::{Raw, Values};
use super::{Picture, jpeg, tiff};
use crate::{Error, Result};
use ::image::metadata::Orientation;
use ::image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use std::io::Cursor;
use std::path::Path;

pub(super) use super::tiff::is_float as is_float_tiff;
pub(super) use super::tiff_file::is_tiff;

/// Decodes PNG, JPEG, TIFF, BMP or WebP for a model of so many channels; `source` names it in errors.
///
/// Gray stays gray (1 channel), a palette becomes RGB, 8 bits are divided by 255 and 16 by 65535; floats and wider or signed
/// integers (TIFF) stay as they are. A fourth channel belongs to the picture where the model has four; otherwise it is its
/// alpha, as is the second of gray with alpha. Of several pages or frames the first is read; of a TIFF's pages the first that is
/// no reduced picture of another. The picture is turned as its EXIF data or its orientation tag ask for.
/// # Errors
/// [`Error::File`]: an unknown format, a header with no or more than [`MAX_PIXELS`] pixels (refused before anything is
/// decoded), truncated or damaged data.
pub(super) fn decode(bytes: &[u8], source: &Path, channels: usize) -> Result<Raw> {
    let fault = |text: String| Error::file(source, text);
    if bytes.is_empty() {
        return Err(fault("the file is empty".into()));
    }
    let format = format(bytes).map_err(fault)?;
    let decoded = guarded(|| match format {
        ImageFormat::Tiff => tiff::decode(bytes, source, channels),
        ImageFormat::Jpeg => of_jpeg(bytes, source),
        _ => decode_as(bytes, format, source, channels),
    });
    decoded.unwrap_or_else(|| Err(fault(format!("damaged or unsupported {}: it cannot be decoded", name(format)))))
}

/// Whether the values of a picture file are those of a compression that alters them.
pub(super) fn is_lossy(bytes: &[u8]) -> bool {
    match format(bytes) {
        Ok(ImageFormat::Jpeg) => true,
        Ok(ImageFormat::WebP) => is_lossy_webp(bytes),
        Ok(ImageFormat::Tiff) => tiff::is_jpeg(bytes),
        _ => false,
    }
}

/// Whether the first picture among a WebP's chunks is of the lossy kind.
fn is_lossy_webp(bytes: &[u8]) -> bool {
    let mut at = 12;
    while let Some(head) = bytes.get(at..at + 8) {
        match &head[..4] {
            b"VP8 " => return true,
            b"VP8L" => return false,
            // A frame holds chunks behind its own numbers.
            b"ANMF" => at += 24,
            _ => {
                let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
                at += 8 + length.next_multiple_of(2);
            }
        }
    }
    false
}

/// What the bytes are, or what they are instead of a picture that is read.
fn format(bytes: &[u8]) -> Result<ImageFormat, String> {
    if is_tiff(bytes) {
        return Ok(ImageFormat::Tiff);
    }
    let known = ::image::guess_format(bytes).ok();
    if let Some(format) = known.filter(|f| name(*f) != "image") {
        return Ok(format);
    }
    let brand = bytes.get(4..12).unwrap_or_default();
    let other = match bytes {
        [b'G', b'I', b'F', b'8', ..] => "a GIF",
        [0x1f, 0x8b, ..] => "gzip data, such as a NIfTI volume whose name should end in .nii.gz",
        [b'8', b'B', b'P', b'S', ..] => "a Photoshop document",
        [b'%', b'P', b'D', b'F', ..] => "a PDF",
        [0, 0, 0, 12, b'j', b'P', ..] | [0xff, 0x4f, 0xff, 0x51, ..] => "a JPEG 2000",
        [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', ..] => "a JPEG XL",
        [0x76, 0x2f, 0x31, 1, ..] => "an OpenEXR picture",
        [0x89, b'H', b'D', b'F', ..] => "an HDF5 file",
        _ if matches!(brand, b"ftypavif" | b"ftypavis") => "an AVIF picture",
        _ if brand.starts_with(b"ftyp") => "a HEIC picture or a film",
        _ if bytes.get(128..132) == Some(b"DICM") => "a DICOM file",
        _ => return Err("is not a PNG, JPEG, TIFF, BMP or WebP image".into()),
    };
    Err(format!("is not a PNG, JPEG, TIFF, BMP or WebP image but {other}; convert it to one of these"))
}

fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Tiff => "TIFF",
        ImageFormat::Bmp => "BMP",
        ImageFormat::WebP => "WebP",
        _ => "image",
    }
}

fn of_jpeg(bytes: &[u8], source: &Path) -> Result<Raw> {
    let found = jpeg::decode(bytes.to_vec(), None).map_err(|e| Error::file(source, e))?;
    let data = found.data.into_iter().map(|x| f32::from(x) / 255.0).collect();
    let picture = Picture::new(source, found.width, found.height, found.channels, data)?;
    Ok(Raw { picture, alpha: None, values: Values::Unit }.oriented(found.orientation))
}

fn decode_as(bytes: &[u8], format: ImageFormat, source: &Path, channels: usize) -> Result<Raw> {
    let describe = |e: ImageError| Error::file(source, describe(e, format));
    let mut limits = Limits::default();
    // Room for the widest pixel (RGBA of f32) at the most pixels, and as much again for the decoder.
    limits.max_alloc = Some(MAX_PIXELS * 32);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(describe)?;
    let (width, height) = decoder.dimensions();
    check_size(source, width.into(), height.into())?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(describe)?;
    let mut raw = convert(image, source, channels)?.oriented(orientation);
    if is_animated(bytes, format) {
        raw.picture.warnings.push("only the first of its frames was read".into());
    }
    Ok(raw)
}

/// Whether a PNG or a WebP holds further frames.
fn is_animated(bytes: &[u8], format: ImageFormat) -> bool {
    let chunk: &[u8] = match format {
        ImageFormat::Png => b"acTL",
        ImageFormat::WebP => b"ANIM",
        _ => return false,
    };
    // Both stand in front of the pixels.
    bytes.windows(4).take(4096).any(|w| w == chunk)
}

/// What went wrong, in words for the user.
fn describe(e: ImageError, format: ImageFormat) -> String {
    let name = name(format);
    match e {
        ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            format!("the {name} data is truncated")
        }
        ImageError::Limits(_) => format!("the {name} header asks for more memory than is accepted"),
        e => format!("damaged or unsupported {name}: {e}"),
    }
}

fn convert(image: DynamicImage, source: &Path, channels: usize) -> Result<Raw> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let stored = usize::from(image.color().channel_count());
    let eight = |v: Vec<u8>| v.into_iter().map(|x| f32::from(x) / 255.0).collect::<Vec<f32>>();
    let sixteen = |v: Vec<u16>| v.into_iter().map(|x| f32::from(x) / 65535.0).collect::<Vec<f32>>();
    let (data, values) = match image {
        DynamicImage::ImageLuma8(i) => (eight(i.into_raw()), Values::Unit),
        DynamicImage::ImageLumaA8(i) => (eight(i.into_raw()), Values::Unit),
        DynamicImage::ImageRgb8(i) => (eight(i.into_raw()), Values::Unit),
        DynamicImage::ImageRgba8(i) => (eight(i.into_raw()), Values::Unit),
        DynamicImage::ImageLuma16(i) => (sixteen(i.into_raw()), Values::Unit),
        DynamicImage::ImageLumaA16(i) => (sixteen(i.into_raw()), Values::Unit),
        DynamicImage::ImageRgb16(i) => (sixteen(i.into_raw()), Values::Unit),
        DynamicImage::ImageRgba16(i) => (sixteen(i.into_raw()), Values::Unit),
        DynamicImage::ImageRgb32F(i) => (i.into_raw(), Values::Floats),
        DynamicImage::ImageRgba32F(i) => (i.into_raw(), Values::Floats),
        other => return Err(Error::file(source, format!("pixels of type {:?} are not supported", other.color()))),
    };
    let own = if stored == 4 && channels != 4 {
        3
    } else if stored == 2 {
        1
    } else {
        stored
    };
    let (data, alpha) = if own < stored {
        let alpha = data.iter().skip(own).step_by(stored).copied().collect();
        (data.chunks_exact(stored).flat_map(|p| &p[..own]).copied().collect(), Some(alpha))
    } else {
        (data, None)
    };
    Ok(Raw { picture: Picture::new(source, width, height, own, data)?, alpha, values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ValueRange, decode_image};
    use ::image::{GrayImage, ImageBuffer, Luma, LumaA, Rgb, Rgba};

    fn encode(image: DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }
    fn gray() -> DynamicImage {
        GrayImage::from_fn(23, 17, |x, y| Luma([(x * 7 + y * 11) as u8])).into()
    }
    fn read(bytes: &[u8]) -> Result<Picture> {
        decode_image(bytes, Path::new("dir/p.img"), ValueRange::UNIT)
    }
    fn fault(bytes: &[u8]) -> String {
        let text = read(bytes).unwrap_err().to_string();
        assert!(text.starts_with("dir/p.img: "), "{text}");
        text
    }

    #[test]
    fn every_format_is_read_by_content_and_a_cut_one_refused() {
        for format in [ImageFormat::Png, ImageFormat::Tiff, ImageFormat::Bmp, ImageFormat::Jpeg, ImageFormat::WebP] {
            let bytes = encode(gray(), format);
            let p = read(&bytes).unwrap_or_else(|e| panic!("{format:?}: {e}")).to_channels(1).unwrap();
            assert_eq!((p.width, p.height), (23, 17), "{format:?}");
            assert!((p.data[23 + 2] - 25.0 / 255.0).abs() < 0.02, "{format:?}");
            for keep in [bytes.len() * 2 / 3, bytes.len() / 3, 20, 3] {
                assert!(read(&bytes[..keep]).is_err(), "{format:?} cut to {keep} of {}", bytes.len());
            }
        }
        assert!(fault(b"").contains("empty"));
        assert!(fault(b"GIF89a not really").contains("is not a PNG"));
    }

    #[test]
    fn depths_and_channels() {
        let deep: ImageBuffer<Luma<u16>, _> = ImageBuffer::from_raw(2, 1, vec![65535u16, 13107]).unwrap();
        for format in [ImageFormat::Png, ImageFormat::Tiff] {
            assert_eq!(read(&encode(deep.clone().into(), format)).unwrap().data, [1.0, 0.2]);
        }
        let rgb: ImageBuffer<Rgb<u8>, _> = ImageBuffer::from_raw(1, 1, vec![255u8, 0, 51]).unwrap();
        assert_eq!(read(&encode(rgb.into(), ImageFormat::Png)).unwrap().data, [1.0, 0.0, 0.2]);
    }

    #[test]
    fn alpha_is_dropped_when_opaque_and_blended_over_black_otherwise() {
        let opaque: ImageBuffer<LumaA<u8>, _> = ImageBuffer::from_raw(1, 1, vec![51u8, 255]).unwrap();
        let p = read(&encode(opaque.into(), ImageFormat::Png)).unwrap();
        assert_eq!((p.channels, &p.data[..], p.warnings.len()), (1, &[0.2][..], 0));
        let glass: ImageBuffer<Rgba<u8>, _> = ImageBuffer::from_raw(1, 1, vec![255u8, 255, 0, 51]).unwrap();
        let p = read(&encode(glass.into(), ImageFormat::Png)).unwrap();
        assert_eq!((p.channels, &p.data[..], p.warnings.len()), (3, &[0.2, 0.2, 0.0][..], 1));
    }

    #[test]
    fn absurd_sizes_are_refused_from_the_header() {
        let mut bmp = encode(gray(), ImageFormat::Bmp);
        bmp[18..22].copy_from_slice(&30_000u32.to_le_bytes());
        bmp[22..26].copy_from_slice(&30_000u32.to_le_bytes());
        assert!(fault(&bmp).contains("30000x30000"), "{}", fault(&bmp));
    }

    #[test]
    fn float_tiff_is_checked() {
        let tiff =
            |v: Vec<f32>| encode(DynamicImage::ImageRgb32F(ImageBuffer::from_raw(1, 1, v).unwrap()), ImageFormat::Tiff);
        assert_eq!(read(&tiff(vec![0.0, 0.5, 1.0])).unwrap().data, [0.0, 0.5, 1.0]);
        assert!(fault(&tiff(vec![0.0, f32::NAN, 1.0])).contains("NaN"));
        assert!(fault(&tiff(vec![0.0, 0.5, 255.0])).contains("[0, 255]"));
    }
}
