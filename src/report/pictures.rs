//! Maps, masks and reconstructions as 8-bit pictures.
use crate::data::{Map, Picture, heat, resize_triangle};
use crate::{Error, Result};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

/// An 8-bit picture, gray or RGB, ready to be encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raster {
    width: usize,
    height: usize,
    channels: usize,
    bytes: Vec<u8>,
}

impl Raster {
    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }
    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }
    /// `height * width * channels` values; one channel or three.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// As a PNG file.
    /// # Errors
    /// [`Error::Invalid`] when the encoder refuses the size.
    pub fn png(&self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let encoder = PngEncoder::new_with_quality(&mut out, CompressionType::Default, FilterType::Adaptive);
        self.encode(encoder)?;
        Ok(out)
    }

    /// As a JPEG file of a quality (1 to 100); for previews, as it is lossy.
    /// # Errors
    /// [`Error::Invalid`] when a side exceeds JPEG's 65535.
    pub fn jpeg(&self, quality: u8) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        self.encode(JpegEncoder::new_with_quality(&mut out, quality.clamp(1, 100)))?;
        Ok(out)
    }

    fn encode(&self, encoder: impl ImageEncoder) -> Result<()> {
        let color = if self.channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
        let refused = |why: String| Error::Invalid(format!("a {}x{} picture: {why}", self.width, self.height));
        let (Ok(width), Ok(height)) = (u32::try_from(self.width), u32::try_from(self.height)) else {
            return Err(refused("too large".into()));
        };
        encoder.write_image(&self.bytes, width, height, color).map_err(|e| refused(e.to_string()))
    }

    /// The same picture with its longer side at most `side` pixels; never enlarged.
    /// # Errors
    /// [`Error::Invalid`] when `side` is zero.
    pub fn thumbnail(&self, side: usize) -> Result<Raster> {
        let longer = self.width.max(self.height);
        if side >= longer {
            return Ok(self.clone());
        }
        let fit = |v: usize| (v * side).div_ceil(longer).max(1);
        let (width, height) = (fit(self.width), if side == 0 { 0 } else { fit(self.height) });
        let values: Vec<f32> = self.bytes.iter().map(|&b| f32::from(b)).collect();
        let values = resize_triangle(&values, (self.width, self.height), self.channels, (width, height))?;
        Ok(Raster { width, height, channels: self.channels, bytes: values.iter().map(|v| v.round() as u8).collect() })
    }

    /// Pictures in one row, RGB, each in a place of the largest width and height among them; `None` without one.
    pub(super) fn side_by_side(pictures: &[Raster]) -> Option<Raster> {
        let width = pictures.iter().map(|p| p.width).max()?;
        let height = pictures.iter().map(|p| p.height).max()?;
        let row = width * pictures.len() * 3;
        let mut bytes = vec![0; row * height];
        for (place, picture) in pictures.iter().enumerate() {
            for (y, line) in picture.bytes.chunks_exact(picture.width * picture.channels).enumerate() {
                let to = &mut bytes[y * row + place * width * 3..][..picture.width * 3];
                let pixels = line.chunks_exact(picture.channels);
                pixels.zip(to.chunks_exact_mut(3)).for_each(|(p, to)| (0..3).for_each(|c| to[c] = p[c % p.len()]));
            }
        }
        Some(Raster { width: width * pictures.len(), height, channels: 3, bytes })
    }
}

/// A picture, rounded to 8 bits: the input or the reconstruction. Of two or four channels the first is shown.
pub fn picture(picture: &Picture) -> Raster {
    let picture = picture.for_display();
    let Picture { width, height, channels, .. } = picture;
    let bytes = picture.data.iter().map(|v| (v * 255.0).round() as u8).collect();
    Raster { width, height, channels, bytes }
}

/// The map in the colours of [`heat`], `scale` being the value of the brightest. A `scale` that is not positive
/// leaves everything black.
pub fn heatmap(map: &Map, scale: f32) -> Raster {
    let bytes = map.data.iter().flat_map(|&v| heat(relative(v, scale))).collect();
    Raster { width: map.width, height: map.height, channels: 3, bytes }
}

/// The heat over the gray input, the more opaque the hotter, and the outline of the mask in white edged by black. The
/// input and the mask must have the map's size; [`Picture::resize`] and [`Map::resize`] bring them there.
/// # Errors
/// [`Error::Invalid`] when the sizes differ.
pub fn overlay(input: &Picture, map: &Map, scale: f32, mask: Option<&[bool]>) -> Result<Raster> {
    let gray = input.for_display().to_channels(1)?;
    let (width, height) = (map.width, map.height);
    if (gray.width, gray.height) != (width, height) || mask.is_some_and(|m| m.len() != map.data.len()) {
        return Err(Error::Invalid(format!(
            "the overlay of a {width}x{height} map on a {}x{} picture with a mask of {} pixels",
            gray.width,
            gray.height,
            mask.map_or(0, <[bool]>::len)
        )));
    }
    let blend = |(&gray, &value): (&f32, &f32)| {
        let heat_of = relative(value, scale);
        // The root lets faint heat show; a quarter of the input stays visible under the strongest.
        let alpha = 0.75 * heat_of.sqrt();
        heat(heat_of).map(|c| ((1.0 - alpha) * gray * 255.0 + alpha * f32::from(c)).round() as u8)
    };
    let mut bytes: Vec<u8> = gray.data.iter().zip(&map.data).flat_map(blend).collect();
    if let Some(mask) = mask {
        for (p, color) in outline(mask, width, height) {
            bytes[p * 3..p * 3 + 3].fill(color);
        }
    }
    Ok(Raster { width, height, channels: 3, bytes })
}

/// Pixels of the outline and their gray: the mask's border white, its outer neighbours black, so that it shows on
/// any ground.
fn outline(mask: &[bool], width: usize, height: usize) -> Vec<(usize, u8)> {
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let p = y * width + x;
            // The picture's own edge is no border, or a mask that covers all would be framed.
            let neighbours = [
                (x > 0).then(|| p - 1),
                (x + 1 < width).then(|| p + 1),
                (y > 0).then(|| p - width),
                (y + 1 < height).then(|| p + width),
            ];
            if neighbours.into_iter().flatten().any(|q| mask[q] != mask[p]) {
                pixels.push((p, if mask[p] { 255 } else { 0 }));
            }
        }
    }
    pixels
}

/// The mask as 0 and 255.
/// # Errors
/// [`Error::Invalid`] when it has another length than `width * height`.
pub fn mask_picture(width: usize, height: usize, mask: &[bool]) -> Result<Raster> {
    if width.checked_mul(height) != Some(mask.len()) || mask.is_empty() {
        return Err(Error::Invalid(format!("{} values do not make a {width}x{height} mask", mask.len())));
    }
    Ok(Raster { width, height, channels: 1, bytes: mask.iter().map(|&m| if m { 255 } else { 0 }).collect() })
}

/// In `[0,1]`; NaN and whatever a senseless scale makes is 0.
fn relative(value: f32, scale: f32) -> f32 {
    let v = value / scale;
    if scale > 0.0 && v > 0.0 { v.min(1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ValueRange, decode_image};
    use std::path::Path;

    fn gray(width: usize, height: usize) -> Picture {
        Picture::new(Path::new("g"), width, height, 1, vec![0.2; width * height]).unwrap()
    }

    #[test]
    fn heat_spans_the_scale_and_survives_nonsense() {
        let map = Map::new(5, 1, vec![0.0, 2.0, 9.0, -1.0, f32::NAN]).unwrap();
        let r = heatmap(&map, 2.0);
        assert_eq!(&r.bytes[..9], [heat(0.0), heat(1.0), heat(1.0)].concat());
        assert!(r.bytes[9..].iter().all(|&b| b == 0));
        assert!(heatmap(&map, f32::NAN).bytes.iter().all(|&b| b == 0));
    }

    #[test]
    fn cold_pixels_show_the_input_and_the_mask_is_outlined() {
        let mut mask = vec![false; 25];
        for p in [6, 7, 8, 11, 12, 13, 16, 17, 18] {
            mask[p] = true;
        }
        let cold = Map::new(5, 5, vec![0.0; 25]).unwrap();
        let plain = overlay(&gray(5, 5), &cold, 1.0, None).unwrap();
        assert!(plain.bytes.iter().all(|&b| b == 51));
        let lined = overlay(&gray(5, 5), &cold, 1.0, Some(&mask)).unwrap();
        let at = |p: usize| lined.bytes[3 * p];
        assert_eq!((at(0), at(1), at(6), at(12)), (51, 0, 255, 51));
        assert!(overlay(&gray(4, 5), &cold, 1.0, None).is_err());
        assert!(overlay(&gray(5, 5), &cold, 1.0, Some(&[true])).is_err());
    }

    #[test]
    fn rasters_survive_png_and_shrink_in_proportion() {
        let mask: Vec<bool> = (0..600).map(|i| i % 7 == 0).collect();
        let r = mask_picture(30, 20, &mask).unwrap();
        let back = decode_image(&r.png().unwrap(), Path::new("m"), ValueRange::UNIT).unwrap();
        assert_eq!((picture(&back), back.channels), (r.clone(), 1));
        let small = r.thumbnail(10).unwrap();
        assert_eq!((small.width, small.height, r.thumbnail(64).unwrap() == r), (10, 7, true));
        assert!(decode_image(&small.jpeg(85).unwrap(), Path::new("t"), ValueRange::UNIT).is_ok());
        assert!(r.thumbnail(0).is_err() && mask_picture(7, 7, &mask).is_err());
    }
}
