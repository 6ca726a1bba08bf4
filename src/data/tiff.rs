//! What the `image` crate hides of its TIFF decoder: gray pictures of 32-bit floats, and whether pages follow.
use super::Picture;
use super::limits::{MAX_PIXELS, check_size};
use super::raw::{Raw, Values};
use crate::{Error, Result};
use ::tiff::ColorType;
use ::tiff::decoder::{Decoder, DecodingResult, Limits};
use image::ImageFormat;
use std::io::Cursor;
use std::path::Path;

/// `None` when the file is not a gray float TIFF, which leaves it to the `image` crate.
pub(super) fn decode_gray_float(bytes: &[u8], format: ImageFormat, source: &Path) -> Option<Result<Raw>> {
    if format != ImageFormat::Tiff {
        return None;
    }
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_PIXELS as usize * 4;
    let mut decoder = Decoder::new(Cursor::new(bytes)).ok()?.with_limits(limits);
    if decoder.colortype().ok()? != ColorType::Gray(32) {
        return None;
    }
    let (width, height) = decoder.dimensions().ok()?;
    if let Err(e) = check_size(source, width.into(), height.into()) {
        return Some(Err(e));
    }
    Some(match decoder.read_image() {
        Ok(DecodingResult::F32(data)) => Picture::new(source, width as usize, height as usize, 1, data)
            .map(|picture| Raw { picture, alpha: None, values: Values::Floats }),
        Ok(_) => Err(Error::file(source, "32-bit integer TIFF is not supported; save it with 16 bits or as floats")),
        Err(e) => Err(Error::file(source, format!("damaged or unsupported TIFF: {e}"))),
    })
}

/// Whether the file has a second page.
pub(super) fn has_pages(bytes: &[u8]) -> bool {
    Decoder::new(Cursor::new(bytes)).is_ok_and(|decoder| decoder.more_images())
}

#[cfg(test)]
mod tests {
    use crate::data::{ValueRange, decode_image};
    use std::io::Cursor;
    use std::path::Path;
    use tiff::encoder::{TiffEncoder, colortype};

    fn encode<C: colortype::ColorType>(values: &[C::Inner]) -> Vec<u8>
    where
        [C::Inner]: tiff::encoder::TiffValue,
    {
        let mut bytes = Cursor::new(Vec::new());
        TiffEncoder::new(&mut bytes).unwrap().write_image::<C>(2, 1, values).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn gray_floats_are_read_in_the_models_range() {
        let path = Path::new("g.tif");
        let p = decode_image(&encode::<colortype::Gray32Float>(&[-1.0, 1.0]), path, ValueRange::SIGNED).unwrap();
        assert_eq!((p.channels, &p.data[..]), (1, &[0.0, 1.0][..]));
        assert!(decode_image(&encode::<colortype::Gray32Float>(&[0.0, f32::NAN]), path, ValueRange::UNIT).is_err());
        assert!(p.warnings.is_empty());
        assert!(decode_image(&encode::<colortype::Gray32>(&[0, 1]), path, ValueRange::UNIT).is_err());
    }

    #[test]
    fn further_pages_are_mentioned() {
        let mut bytes = Cursor::new(Vec::new());
        let mut file = TiffEncoder::new(&mut bytes).unwrap();
        file.write_image::<colortype::Gray8>(2, 1, &[0, 255]).unwrap();
        file.write_image::<colortype::Gray8>(2, 1, &[255, 0]).unwrap();
        let p = decode_image(bytes.get_ref(), Path::new("g.tif"), ValueRange::UNIT).unwrap();
        assert_eq!((&p.data[..], p.warnings.len()), (&[0.0, 1.0][..], 1));
    }
}
