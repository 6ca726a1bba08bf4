//! PNG, JPEG, TIFF, BMP and WebP, told apart by content.
use super::limits::{MAX_PIXELS, check_size};
use super::raw::{Raw, Values};
use super::{Picture, tiff};
use crate::{Error, Result};
use ::image::metadata::Orientation;
use ::image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Decodes PNG, JPEG, TIFF, BMP or WebP for a model of so many channels; `source` names it in errors.
///
/// Gray stays gray (1 channel), a palette becomes RGB, 8 bits are divided by 255 and 16 by 65535; floats (32-bit TIFF)
/// stay as they are. A fourth channel belongs to the picture where the model has four; otherwise it is its alpha, as is
/// the second of gray with alpha. Of several pages or frames the first is read. Pixels stay as stored, whatever the EXIF
/// orientation.
/// # Errors
/// [`Error::File`]: an unknown format, a header with no or more than [`MAX_PIXELS`] pixels (refused before anything is
/// decoded), truncated or damaged data.
pub(super) fn decode(bytes: &[u8], source: &Path, channels: usize) -> Result<Raw> {
    let fault = |text: String| Error::file(source, text);
    if bytes.is_empty() {
        return Err(fault("the file is empty".into()));
    }
    let format = ::image::guess_format(bytes)
        .ok()
        .filter(ImageFormat::reading_enabled)
        .ok_or_else(|| fault("is not a PNG, JPEG, TIFF, BMP or WebP image".into()))?;
    // The decoders are other people's code fed with untrusted bytes; a panic there must cost one image, not the run.
    let decoded = catch_unwind(AssertUnwindSafe(|| match tiff::decode_gray_float(bytes, format, source) {
        Some(raw) => raw,
        None => decode_as(bytes, format, source, channels),
    }));
    let mut raw = decoded.map_err(|_| fault(format!("the {} decoder failed on it", name(format))))??;
    if format == ImageFormat::Tiff && tiff::has_pages(bytes) {
        raw.picture.warnings.push("only the first of its pages was read".into());
    }
    Ok(raw)
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
    if format == ImageFormat::Jpeg && !jpeg_is_whole(bytes) {
        return Err(Error::file(source, "the JPEG data is truncated: it has no end marker"));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(describe)?;
    let mut raw = convert(image, source, channels)?;
    if orientation != Orientation::NoTransforms {
        let note =
            format!("its EXIF orientation ({}) is not applied; pixels are taken as stored", orientation.to_exif());
        raw.picture.warnings.push(note);
    }
    Ok(raw)
}

/// What went wrong, in words for the user.
fn describe(e: ImageError, format: ImageFormat) -> String {
    let name = name(format);
    match e {
        ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            format!("the {name} data is truncated")
        }
        ImageError::Limits(_) => format!("the {name} header asks for more memory than is accepted"),
        ImageError::Unsupported(e) if e.to_string().contains("RGBPalette") => {
            format!("a {name} with a palette is not supported; save it as RGB or as PNG")
        }
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

/// Whether the JPEG's image data ends with its end marker. The decoder fills what is missing with gray instead of
/// failing, which an anomaly detector would then report; markers of a thumbnail inside a segment do not count.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        // To the next marker: between segments that is here, in entropy-coded data somewhere ahead.
        let Some(next) = bytes.get(at..).and_then(|rest| rest.windows(2).position(|m| m[0] == 0xff && m[1] > 1)) else {
            return false;
        };
        at += next + 2;
        match bytes[at - 1] {
            0xd9 => return true,
            // Restart markers and fill bytes carry no length; a fill byte may be the start of the marker itself.
            0xd0..=0xd8 => {}
            0xff => at -= 1,
            _ => match bytes.get(at..at + 2) {
                Some(len) => at += usize::from(u16::from_be_bytes([len[0], len[1]])),
                None => return false,
            },
        }
    }
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
