//! The strips and tiles of a TIFF page: decompressed, with the differences of a predictor summed up.
use super::jpeg;
use super::tiff_file::Page;
use std::io::Read;

/// How the samples of a page are stored.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Columns and rows of the picture.
    pub size: (usize, usize),
    /// Of a strip or a tile.
    pub chunk: (usize, usize),
    pub tiled: bool,
    /// Samples of a pixel.
    pub samples: usize,
    /// One channel after the other.
    pub planar: bool,
    /// Of a sample.
    pub bits: usize,
    pub compression: u64,
    pub predictor: u64,
    /// Whether JPEG data hold YCbCr.
    pub ycbcr: bool,
}

impl Layout {
    /// Samples of a pixel in one chunk.
    pub(super) fn in_chunk(&self) -> usize {
        if self.planar { 1 } else { self.samples }
    }

    fn row_bytes(&self) -> usize {
        (self.chunk.0 * self.in_chunk() * self.bits).div_ceil(8)
    }
}

/// The decompressed bytes of one chunk, of which the first `rows` rows count; samples wider than a byte are in native order.
/// # Errors
/// What is wrong, in words.
pub(super) fn chunk(page: &Page, layout: &Layout, index: usize, rows: usize) -> Result<Vec<u8>, String> {
    let (offsets, counts) = if layout.tiled { (324, 325) } else { (273, 279) };
    let value = |tag: u16| page.values_at(tag, index).and_then(|v| usize::try_from(v).ok());
    let need = rows * layout.row_bytes();
    let start = value(offsets).ok_or("damaged TIFF: it does not say where all of its data lie")?;
    let length = value(counts).filter(|n| *n > 0);
    let rest = page.file.bytes.get(start..).unwrap_or_default();
    let length = length.unwrap_or(if layout.compression == 1 { need } else { rest.len() });
    let truncated = || "the TIFF data is truncated".to_owned();
    let raw = rest.get(..length).or((layout.compression == 1).then_some(rest)).ok_or_else(truncated)?;
    if layout.compression == 7 {
        return of_jpeg(page, layout, raw, rows);
    }
    let reversed: Vec<u8>;
    let raw = match page.number(266, 1) {
        2 => {
            reversed = raw.iter().map(|b| b.reverse_bits()).collect();
            &reversed[..]
        }
        _ => raw,
    };
    let mut data = Vec::new();
    let read = match layout.compression {
        1 => raw.take(need as u64).read_to_end(&mut data).map(|_| ()).map_err(|e| e.to_string()),
        5 => lzw(raw, need, &mut data),
        8 | 32946 => {
            let zlib = flate2::bufread::ZlibDecoder::new(raw);
            zlib.take(need as u64).read_to_end(&mut data).map(|_| ()).map_err(|e| e.to_string())
        }
        32773 => pack_bits(raw, need, &mut data),
        4 => fax(raw, layout.chunk.0, rows, &mut data),
        other => return Err(unread(other)),
    };
    if let Err(fault) = read {
        return Err(format!("damaged TIFF data: {fault}"));
    }
    if data.len() < need {
        return Err(truncated());
    }
    data.truncate(need);
    for row in data.chunks_exact_mut(layout.row_bytes().max(1)) {
        predicted(row, layout, page.file.big_endian)?;
    }
    Ok(data)
}

/// That a compression is not read, by its name.
fn unread(code: u64) -> String {
    let name = match code {
        2 | 3 => "CCITT group 3 (fax)",
        6 => "JPEG of the old kind",
        34712 | 33003..=33005 => "JPEG 2000",
        34887 => "LERC",
        34925 => "LZMA",
        50000 | 34926 => "Zstandard",
        50001 | 34927 => "WebP",
        50002 | 52546 => "JPEG XL",
        _ => {
            return format!("its compression (number {code}) is not read; save it uncompressed or with LZW or Deflate");
        }
    };
    format!("its compression, {name}, is not read; save it uncompressed or with LZW or Deflate")
}

fn lzw(raw: &[u8], need: usize, data: &mut Vec<u8>) -> Result<(), String> {
    let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
    let (mut rest, mut buffer) = (raw, vec![0; 1 << 16]);
    while data.len() < need {
        let step = decoder.decode_bytes(rest, &mut buffer);
        rest = &rest[step.consumed_in..];
        data.extend_from_slice(&buffer[..step.consumed_out]);
        match step.status {
            Ok(weezl::LzwStatus::Ok) => {}
            Ok(weezl::LzwStatus::NoProgress | weezl::LzwStatus::Done) => break,
            Err(e) => return Err(e.to_string()),
        }
    }
    Ok(())
}

fn pack_bits(raw: &[u8], need: usize, data: &mut Vec<u8>) -> Result<(), String> {
    let mut rest = raw;
    while data.len() < need {
        let Some((&head, tail)) = rest.split_first() else { break };
        let (bytes, after) = match head {
            0..=127 => tail.split_at(tail.len().min(usize::from(head) + 1)),
            128 => tail.split_at(0),
            _ => tail.split_at(tail.len().min(1)),
        };
        match head {
            129.. => bytes.iter().for_each(|b| data.resize(data.len() + 257 - usize::from(head), *b)),
            _ => data.extend_from_slice(bytes),
        }
        rest = after;
    }
    Ok(())
}

/// CCITT group 4; black is 1.
fn fax(raw: &[u8], width: usize, rows: usize, data: &mut Vec<u8>) -> Result<(), String> {
    use fax::decoder::{DecodeStatus, Group4Decoder, pels};
    let width = u16::try_from(width).map_err(|_| "a fax is at most 65535 pixels wide")?;
    let bytes = raw.iter().map(|b| Ok::<u8, std::convert::Infallible>(*b));
    let mut decoder = Group4Decoder::new(bytes, width).map_err(|_| "its fax data cannot be read")?;
    for _ in 0..rows {
        match decoder.advance() {
            Ok(DecodeStatus::Incomplete) => {}
            _ => break,
        }
        let row: Vec<bool> = pels(decoder.transition(), width).map(|c| matches!(c, fax::Color::Black)).collect();
        data.extend(row.chunks(8).map(|bits| bits.iter().zip(0..).fold(0, |b, (on, i)| b | u8::from(*on) << (7 - i))));
    }
    Ok(())
}

/// A chunk that is a JPEG, its tables perhaps in a tag of the page.
fn of_jpeg(page: &Page, layout: &Layout, raw: &[u8], rows: usize) -> Result<Vec<u8>, String> {
    let samples = layout.in_chunk();
    if layout.bits != 8 || !matches!(samples, 1 | 3) {
        return Err(format!(
            "JPEG data of {} bits and {samples} channels are not read; save it uncompressed or with LZW",
            layout.bits
        ));
    }
    let tables = page.bytes(347).and_then(|t| t.strip_prefix(&[0xff, 0xd8])).unwrap_or_default();
    let tables = tables.strip_suffix(&[0xff, 0xd9]).unwrap_or(tables);
    let body = raw.strip_prefix(&[0xff, 0xd8]).ok_or("damaged TIFF: its JPEG data do not begin as a JPEG")?;
    // Whether three channels are YCbCr is said by the page, not by each stream.
    let found = jpeg::decode([&[0xff, 0xd8], tables, body].concat(), Some(layout.ycbcr))?;
    if found.width != layout.chunk.0 || found.height < rows || found.channels != samples {
        let (width, height, channels) = (found.width, found.height, found.channels);
        return Err(format!(
            "damaged TIFF: its JPEG data are {width}x{height} with {channels} channels, its tiles are not"
        ));
    }
    found.data.get(..rows * layout.row_bytes()).map(<[u8]>::to_vec).ok_or_else(|| "the TIFF data is truncated".into())
}

/// A row in native order, the differences between neighbours summed up.
fn predicted(row: &mut [u8], layout: &Layout, big_endian: bool) -> Result<(), String> {
    let (size, apart) = (layout.bits / 8, layout.in_chunk());
    let whole = matches!(layout.bits, 8 | 16 | 32 | 64);
    if layout.predictor == 3 && whole && size > 1 {
        for i in apart..row.len() {
            row[i] = row[i].wrapping_add(row[i - apart]);
        }
        // The first bytes of all values come first, the highest of each.
        let (planes, count) = (row.to_vec(), row.len() / size);
        for (i, value) in row.chunks_exact_mut(size).enumerate() {
            value.iter_mut().enumerate().for_each(|(b, v)| *v = planes[b * count + i]);
            native(value, true);
        }
        return Ok(());
    }
    if whole {
        row.chunks_exact_mut(size).for_each(|value| native(value, big_endian));
    }
    match layout.predictor {
        1 => Ok(()),
        2 if whole => {
            let step = apart * size;
            for at in (step..row.len()).step_by(size) {
                let sum = of_native(&row[at - step..at - step + size]).wrapping_add(of_native(&row[at..at + size]));
                let sum = sum.to_ne_bytes();
                let low = if cfg!(target_endian = "big") { 8 - size } else { 0 };
                row[at..at + size].copy_from_slice(&sum[low..low + size]);
            }
            Ok(())
        }
        other => Err(format!("its predictor ({other}) for {} bits is not read; save it without one", layout.bits)),
    }
}

fn native(value: &mut [u8], big_endian: bool) {
    if big_endian != cfg!(target_endian = "big") {
        value.reverse();
    }
}

fn of_native(bytes: &[u8]) -> u64 {
    let add = |n: u64, b: &u8| n << 8 | u64::from(*b);
    if cfg!(target_endian = "big") { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) }
}
