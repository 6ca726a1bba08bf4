//! TIFF: the first full-size page, in its colours.
use super::Picture;
use super::limits::{MAX_PIXELS, check_size};
use super::raw::{Raw, Values};
use super::tiff_chunk::{Layout, chunk};
use super::tiff_file::{Page, TiffFile};
use super::tiff_sample::{Kind, unpack};
use crate::{Error, Result};
use image::metadata::Orientation;
use std::path::Path;

/// Decodes the first page that is neither marked as a reduced picture of another nor as a mask, for a model of so many
/// channels. Unsigned integers of up to 16 bits fill `[0,1]`; wider and signed ones and floats stay as they are.
/// # Errors
/// [`Error::File`]: damaged or truncated data, no or too many pixels, compressions and colours that are not read.
pub(super) fn decode(bytes: &[u8], source: &Path, channels: usize) -> Result<Raw> {
    let fault = |text: String| Error::file(source, text);
    let pages = TiffFile::new(bytes).ok_or_else(|| fault("is not a TIFF".into()))?.pages().map_err(fault)?;
    let (page, said) = choose(&pages);
    let (width, height) = page.size();
    check_size(source, width, height)?;
    let mut raw = picture(&page, source, channels)?;
    raw.picture.warnings.extend(said);
    let orientation = Orientation::from_exif(page.number(274, 1).min(255) as u8).unwrap_or(Orientation::NoTransforms);
    Ok(raw.oriented(orientation))
}

/// Whether the values of a TIFF are floats.
pub(super) fn is_float(bytes: &[u8]) -> bool {
    chosen(bytes).is_some_and(|page| layout(&page).is_ok_and(|(_, kind)| kind == Kind::Float))
}

/// Whether the data of a TIFF are compressed as JPEG.
pub(super) fn is_jpeg(bytes: &[u8]) -> bool {
    chosen(bytes).is_some_and(|page| page.number(259, 1) == 7)
}

fn chosen(bytes: &[u8]) -> Option<Page<'_>> {
    Some(choose(&TiffFile::new(bytes)?.pages().ok()?).0)
}

/// The page to read, and what the user should know of the others.
fn choose<'a>(pages: &[Page<'a>]) -> (Page<'a>, Option<String>) {
    let shown = |p: &Page| format!("{}x{}", p.size().0, p.size().1);
    let full: Vec<&Page> = pages.iter().filter(|p| !p.is_secondary()).collect();
    let Some(&first) = full.first() else {
        // A camera's file: a small picture in front, the large one in a directory below.
        let file = pages[0].file;
        let below = pages[0].numbers(330).into_iter().filter_map(|at| file.page(at)).map(|(page, _)| page);
        return (below.into_iter().find(|p| !p.is_secondary()).unwrap_or_else(|| pages[0].clone()), None);
    };
    let larger =
        full.iter().position(|p| p.size().0.saturating_mul(p.size().1) > first.size().0.saturating_mul(first.size().1));
    let said = match (full.len(), larger) {
        (1, _) if !std::ptr::eq(first, &pages[0]) => {
            format!("its first page, a reduced picture or a mask ({}), was passed over", shown(&pages[0]))
        }
        (1, _) => return (first.clone(), None),
        (n, None) => format!("only the first of its {n} pages was read"),
        (n, Some(at)) => {
            let (own, other) = (shown(first), shown(full[at]));
            format!("only the first of its {n} pages was read, {own}; page {} is larger, {other}", at + 1)
        }
    };
    (first.clone(), Some(said))
}

/// What the samples of a pixel stand for.
#[derive(Clone, Copy, PartialEq)]
enum Colour {
    Gray { white_is_zero: bool },
    Rgb,
    Palette,
    Cmyk,
}

fn picture(page: &Page, source: &Path, wanted: usize) -> Result<Raw> {
    let fault = |text: String| Error::file(source, text);
    let (layout, kind) = layout(page).map_err(fault)?;
    let colour = colour(page, &layout).map_err(fault)?;
    let own = match colour {
        Colour::Gray { .. } | Colour::Palette => 1,
        Colour::Rgb => 3,
        Colour::Cmyk => 4,
    };
    let (samples, many) = (layout.samples, matches!(wanted, 2 | 4) && colour != Colour::Cmyk);
    // A model of two or four channels takes what there is; else what follows the colours is alpha, or nothing of theirs.
    let own = if many && samples == wanted { samples } else { own };
    // Without the tag, a channel behind the colours is alpha.
    let said = page.number(338, 2);
    if samples < own || samples > own + 1 || (samples > own && colour == Colour::Palette) {
        return Err(fault(format!(
            "has {samples} channels, which are not {own} colours and alpha; save it as gray or RGB"
        )));
    }
    let (width, height) = layout.size;
    if (width * height) as u64 * samples as u64 > MAX_PIXELS * 4 {
        return Err(fault(format!("has {width}x{height} pixels of {samples} channels, more than are accepted")));
    }
    let mut values = samples_of(page, &layout, kind).map_err(fault)?;
    let extra: Option<Vec<f32>> = (samples > own).then(|| values.iter().skip(own).step_by(samples).copied().collect());
    if extra.is_some() {
        values = values.chunks_exact(samples).flat_map(|p| &p[..own]).copied().collect();
    }
    let full = kind.full(layout.bits);
    let whole = |what: &str| fault(format!("its {what} are no whole numbers of up to 16 bits; save it as gray or RGB"));
    let mut channels = own;
    match colour {
        Colour::Gray { white_is_zero: true } => {
            let full = full.ok_or_else(|| whole("inverted shades"))?;
            values.iter_mut().for_each(|v| *v = full - *v);
        }
        Colour::Cmyk => {
            let full = full.ok_or_else(|| whole("inks"))?;
            let ink = |p: &[f32], c: usize| (full - p[c]) * (full - p[3]) / full;
            values = values.chunks_exact(4).flat_map(|p| [0, 1, 2].map(|c| ink(p, c))).collect();
            channels = 3;
        }
        Colour::Palette => {
            (values, channels) = (coloured(page, &values, layout.bits).map_err(fault)?, 3);
        }
        _ => {}
    }
    let scale = if colour == Colour::Palette { Some(255.0) } else { full };
    if let Some(scale) = scale {
        values.iter_mut().for_each(|v| *v /= scale);
    }
    let mut picture = Picture::new(source, width, height, channels, values)?;
    let alpha = match (extra, said, full) {
        (None, ..) => None,
        (Some(alpha), 1 | 2, Some(full)) => Some(alpha.into_iter().map(|a| a / full).collect::<Vec<f32>>()),
        (Some(alpha), 1 | 2, None) if kind == Kind::Float => Some(alpha),
        _ => {
            picture.warnings.push(format!("its channel {samples}, which it does not call alpha, was left out"));
            None
        }
    };
    if let (Some(alpha), 1) = (&alpha, said) {
        // Colours that are multiplied with alpha already.
        for (pixel, a) in picture.data.chunks_exact_mut(channels).zip(alpha).filter(|(_, a)| **a > 0.0) {
            pixel.iter_mut().for_each(|v| *v = (*v / a).min(1.0));
        }
    }
    let values = match (scale, kind) {
        (Some(_), _) => Values::Unit,
        (None, Kind::Float) => Values::Floats,
        (None, _) => Values::Wide,
    };
    Ok(Raw { picture, alpha, values })
}

/// How the page is stored, or why that is not read.
fn layout(page: &Page) -> Result<(Layout, Kind), String> {
    let list = page.numbers(258);
    let bits = list.first().copied().unwrap_or(1);
    let samples = page.number(277, 1);
    let (formats, (width, height)) = (page.numbers(339), page.size());
    if list.iter().any(|b| *b != bits) || formats.iter().any(|f| *f != formats[0]) {
        return Err("its channels are of different types, which is not read".into());
    }
    if !(1..=16).contains(&bits) && bits != 32 && bits != 64 {
        return Err(format!("its values have {bits} bits, which is not read; save it with 8 or 16"));
    }
    let kind = match formats.first().copied().unwrap_or(1) {
        1 | 4 => Kind::Unsigned,
        2 => Kind::Signed,
        3 if matches!(bits, 16 | 32 | 64) => Kind::Float,
        3 => return Err(format!("its values are floats of {bits} bits, which is not read")),
        _ => return Err("its values are complex numbers, which is not read".into()),
    };
    if !(1..=16).contains(&samples) {
        return Err(format!("has {samples} channels, more than any model takes"));
    }
    let tiled = !page.numbers(324).is_empty();
    let (across, down) = match tiled {
        true => (page.number(322, 0), page.number(323, 0)),
        false => (width, page.number(278, height).min(height)),
    };
    super::limits::pixels(across, down).map_err(|_| format!("its strips or tiles have {across}x{down} pixels"))?;
    let planar = page.number(284, 1) == 2 && samples > 1;
    Ok((
        Layout {
            size: (width as usize, height as usize),
            chunk: (across as usize, down as usize),
            tiled,
            samples: samples as usize,
            planar,
            bits: bits as usize,
            compression: page.number(259, 1),
            predictor: page.number(317, 1),
            ycbcr: page.number(262, 0) == 6,
        },
        kind,
    ))
}

fn colour(page: &Page, layout: &Layout) -> Result<Colour, String> {
    let name = match page.number(262, if layout.samples >= 3 { 2 } else { 1 }) {
        white @ (0 | 1) => return Ok(Colour::Gray { white_is_zero: white == 0 }),
        2 => return Ok(Colour::Rgb),
        3 => return Ok(Colour::Palette),
        5 if layout.compression != 7 && page.number(332, 1) == 1 => return Ok(Colour::Cmyk),
        6 if layout.compression == 7 => return Ok(Colour::Rgb),
        5 => "inks",
        6 => "YCbCr without JPEG",
        8..=10 => "CIELab",
        32803 | 34892 => "those of a camera's raw picture",
        32844 | 32845 => "LogLuv",
        other => {
            return Err(format!(
                "its colours (photometric interpretation {other}) are not read; save it as gray or RGB"
            ));
        }
    };
    Err(format!("its colours are {name}, which is not read; save it as gray or RGB"))
}

/// All samples of the page, those of a pixel together.
fn samples_of(page: &Page, layout: &Layout, kind: Kind) -> Result<Vec<f32>, String> {
    let ((width, height), (across, down)) = (layout.size, layout.chunk);
    let (columns, rows) = (width.div_ceil(across), height.div_ceil(down));
    let in_chunk = layout.in_chunk();
    let mut values = vec![0.0; width * height * layout.samples];
    for plane in 0..layout.samples / in_chunk {
        for index in 0..columns * rows {
            let (left, top) = (index % columns * across, index / columns * down);
            // The last strip ends with the picture; tiles are whole.
            let stored = if layout.tiled { down } else { down.min(height - top) };
            let data = chunk(page, layout, plane * columns * rows + index, stored)?;
            let row_bytes = (across * in_chunk * layout.bits).div_ceil(8);
            let wide = across.min(width - left);
            for (y, row) in data.chunks_exact(row_bytes).take(height - top).enumerate() {
                let place = ((top + y) * width + left) * layout.samples;
                let out = &mut values[place..place + wide * layout.samples];
                let read = unpack(row, layout.bits, kind);
                if in_chunk == layout.samples {
                    out.iter_mut().zip(read).for_each(|(o, v)| *o = v);
                } else {
                    out.iter_mut().skip(plane).step_by(layout.samples).zip(read).for_each(|(o, v)| *o = v);
                }
            }
        }
    }
    Ok(values)
}

/// RGB in 0..=255 for indices into the page's palette.
fn coloured(page: &Page, indices: &[f32], bits: usize) -> Result<Vec<f32>, String> {
    let map = page.numbers(320);
    let count = 1usize << bits.min(16);
    if map.len() < 3 * count || bits > 16 {
        return Err("damaged TIFF: its palette is not whole".into());
    }
    // Some writers give eight bits where sixteen are due.
    let shift = if map.iter().all(|v| *v < 256) { 0 } else { 8 };
    let colour = |i: &f32| [0, 1, 2].map(|c| (map[c * count + *i as usize] >> shift) as f32);
    Ok(indices.iter().flat_map(colour).collect())
}
