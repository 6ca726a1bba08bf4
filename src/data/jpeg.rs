//! JPEG: checked to be whole, then decoded by `zune-jpeg`.
use super::jpeg_walk::{Colours, check};
use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// A decoded JPEG.
pub(super) struct Jpeg {
    pub width: usize,
    pub height: usize,
    /// 1 (gray) or 3 (RGB).
    pub channels: usize,
    /// Row by row, the channels of a pixel together.
    pub data: Vec<u8>,
    /// By its EXIF data, how it is to be turned.
    pub orientation: Orientation,
}

/// Decodes a JPEG of one, three or four components. Three are YCbCr or RGB as `ycbcr` says, otherwise as libjpeg tells them
/// apart: by Adobe's marker, or by components called R, G and B.
/// # Errors
/// What is wrong, in words.
pub(super) fn decode(mut bytes: Vec<u8>, ycbcr: Option<bool>) -> Result<Jpeg, String> {
    let Colours { ids, adobe } = check(&bytes)?;
    let rgb = match (ycbcr, adobe) {
        (Some(ycbcr), _) => !ycbcr,
        (None, Some(at)) => bytes[at] == 0,
        (None, None) => ids == b"RGB",
    };
    if let (Some(at), 3) = (adobe, ids.len()) {
        // To the decoder 0 means CMYK whatever the number of components.
        bytes[at] = 1;
    }
    let options = DecoderOptions::default().set_strict_mode(false).set_max_width(usize::MAX).set_max_height(usize::MAX);
    let fault = |e: DecodeErrors| match e {
        DecodeErrors::ExhaustedData => "the JPEG data is truncated".into(),
        e => format!("damaged or unsupported JPEG: {e}"),
    };
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&bytes[..]), options);
    decoder.decode_headers().map_err(fault)?;
    let colour = match (ids.len(), decoder.input_colorspace()) {
        (1, _) => ColorSpace::Luma,
        // What is asked for as it is stored is not converted.
        (3, Some(stored @ (ColorSpace::YCbCr | ColorSpace::RGB))) if rgb => stored,
        (3, Some(ColorSpace::YCbCr)) | (4, _) => ColorSpace::RGB,
        (n, _) => {
            return Err(format!("is a JPEG of {n} components of unusual colours, which is not read; save it as PNG"));
        }
    };
    decoder.set_options(options.jpeg_set_out_colorspace(colour));
    let data = decoder.decode().map_err(fault)?;
    let (width, height) = decoder.dimensions().ok_or("damaged JPEG: it has no size")?;
    let orientation = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
    let orientation = orientation.unwrap_or(Orientation::NoTransforms);
    Ok(Jpeg { width, height, channels: if ids.len() == 1 { 1 } else { 3 }, data, orientation })
}
