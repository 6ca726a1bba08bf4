//! The directories of a TIFF file: what its pages are and where their data lie. Classic TIFF (6.0, 1992) and BigTIFF.
use std::collections::BTreeMap;

/// The most pages that are looked at.
const MAX_PAGES: usize = 1 << 16;

/// A file's bytes with the order of its numbers.
#[derive(Clone, Copy)]
pub(super) struct TiffFile<'a> {
    pub bytes: &'a [u8],
    pub big_endian: bool,
    /// BigTIFF, whose offsets have 64 bits.
    wide: bool,
}

/// A page: the raw values of its tags by number, each with its type.
#[derive(Clone)]
pub(super) struct Page<'a> {
    pub file: TiffFile<'a>,
    tags: BTreeMap<u16, (u16, &'a [u8])>,
}

/// Whether these are the first bytes of a TIFF.
pub(super) fn is_tiff(bytes: &[u8]) -> bool {
    TiffFile::new(bytes).is_some()
}

impl<'a> TiffFile<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let (big_endian, wide) = match bytes.get(..4)? {
            b"II*\0" => (false, false),
            b"MM\0*" => (true, false),
            b"II+\0" => (false, true),
            b"MM\0+" => (true, true),
            _ => return None,
        };
        Some(TiffFile { bytes, big_endian, wide })
    }

    /// The pages in order. A chain that breaks off behind the first page ends there.
    /// # Errors
    /// When there is no whole page, in words.
    pub(super) fn pages(self) -> Result<Vec<Page<'a>>, String> {
        let damaged = || "the TIFF data is truncated or damaged: its first page is not whole".to_owned();
        let start = if self.wide { self.number(8, 8) } else { self.number(4, 4) };
        let (mut next, mut pages, mut seen) =
            (start.ok_or_else(damaged)?, Vec::new(), std::collections::HashSet::new());
        while next != 0 && pages.len() < MAX_PAGES && seen.insert(next) {
            let Some((page, after)) = self.page(next) else { break };
            pages.push(page);
            next = after;
        }
        if pages.is_empty() { Err(damaged()) } else { Ok(pages) }
    }

    /// The page at an offset, and the offset of the one behind it.
    pub(super) fn page(self, at: u64) -> Option<(Page<'a>, u64)> {
        let at = usize::try_from(at).ok()?;
        let (head, size, field) = if self.wide { (8, 20, 8) } else { (2, 12, 4) };
        let count = usize::try_from(self.number(at, head)?).ok().filter(|c| *c <= 1 << 16)?;
        let mut tags = BTreeMap::new();
        for i in 0..count {
            let entry = at + head + i * size;
            let (tag, kind) = (self.number(entry, 2)? as u16, self.number(entry + 2, 2)? as u16);
            let values = self.number(entry + 4, field)?;
            let Some(length) = width(kind).and_then(|w| usize::try_from(values).ok()?.checked_mul(w)) else { continue };
            let place = entry + 4 + field;
            let place = if length <= field { place } else { usize::try_from(self.number(place, field)?).ok()? };
            // A tag whose values lie outside the file may be one that nobody asks for.
            let Some(bytes) = place.checked_add(length).and_then(|end| self.bytes.get(place..end)) else { continue };
            tags.entry(tag).or_insert((kind, bytes));
        }
        let next = self.number(at + head + count * size, field).unwrap_or(0);
        Some((Page { file: self, tags }, next))
    }

    /// An unsigned number of 1, 2, 4 or 8 bytes.
    fn number(self, at: usize, size: usize) -> Option<u64> {
        Some(self.of_bytes(self.bytes.get(at..at.checked_add(size)?)?))
    }

    fn of_bytes(self, bytes: &[u8]) -> u64 {
        let add = |n: u64, b: &u8| n << 8 | u64::from(*b);
        if self.big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) }
    }
}

/// The bytes of one value of a type.
fn width(kind: u16) -> Option<usize> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16 | 17 | 18 => Some(8),
        _ => None,
    }
}

impl<'a> Page<'a> {
    /// A tag's values as unsigned integers; none where the tag is absent or of another type.
    pub(super) fn numbers(&self, tag: u16) -> Vec<u64> {
        match self.tags.get(&tag) {
            Some(&(kind @ (1 | 3 | 4 | 7 | 13 | 16 | 18), bytes)) => {
                bytes.chunks_exact(width(kind).unwrap_or(1)).map(|b| self.file.of_bytes(b)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// One of a tag's values.
    pub(super) fn values_at(&self, tag: u16, index: usize) -> Option<u64> {
        let &(kind @ (3 | 4 | 13 | 16 | 18), bytes) = self.tags.get(&tag)? else { return None };
        let size = width(kind)?;
        let start = index.checked_mul(size)?;
        Some(self.file.of_bytes(bytes.get(start..start + size)?))
    }

    /// A tag's first value, or what holds without the tag.
    pub(super) fn number(&self, tag: u16, otherwise: u64) -> u64 {
        self.numbers(tag).first().copied().unwrap_or(otherwise)
    }

    /// A tag's bytes as they lie in the file.
    pub(super) fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        self.tags.get(&tag).map(|t| t.1)
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (u64, u64) {
        (self.number(256, 0), self.number(257, 0))
    }

    /// Whether it is a reduced picture or a transparency mask that belongs to another page.
    pub(super) fn is_secondary(&self) -> bool {
        self.number(254, 0) & 5 != 0 || self.number(255, 1) == 2 || self.number(262, 1) == 4
    }
}
