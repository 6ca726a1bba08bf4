//! The bytes of a pickle, taken from the front.
use super::Result;

/// A position in bytes.
pub struct Stream<'a> {
    bytes: &'a [u8],
    /// Bytes taken so far.
    pub at: usize,
}

impl<'a> Stream<'a> {
    /// From the first byte on.
    pub fn new(bytes: &'a [u8]) -> Self {
        Stream { bytes, at: 0 }
    }
    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let taken = self.at.checked_add(n).and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| format!("truncated: its pickle breaks off at byte {}", self.bytes.len()))?;
        self.at += n;
        Ok(taken)
    }
    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }
    pub fn byte(&mut self) -> Result<u8> {
        self.array::<1>().map(|[b]| b)
    }
    /// A little-endian length of four bytes, or of eight where `wide`.
    pub fn length(&mut self, wide: bool) -> Result<usize> {
        let length = if wide { u64::from_le_bytes(self.array()?) } else { u32::from_le_bytes(self.array()?).into() };
        usize::try_from(length).map_err(|_| format!("its pickle announces a value of {length} bytes"))
    }
    /// Text up to the end of the line, which is taken as well.
    pub fn line(&mut self) -> Result<String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        let line = text(self.take(end)?);
        self.take(1)?;
        Ok(line.trim_end_matches('\r').to_owned())
    }
}

/// UTF-8, or else every byte as the character of that number, as Python 2 wrote its texts.
pub fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&b| char::from(b)).collect(),
    }
}
