//! The codes and bits of a JPEG's entropy-coded data.

/// Why a scan cannot be walked to its end.
pub(super) enum Missing {
    /// A marker, or the end of the file, comes before the last block.
    Data,
    /// The bits are no code of the table.
    Sense,
}

/// Codes of up to 16 bits: for each 16 bits to come, the length of the code that they begin with (0: none) and its symbol.
pub(super) struct Table(Vec<(u8, u8)>);

impl Table {
    /// From how many codes there are of each length 1 to 16, and their symbols; `None` where there are too many codes.
    pub(super) fn new(counts: &[u8], symbols: &[u8]) -> Option<Table> {
        let (mut table, mut symbols) = (Vec::with_capacity(1 << 16), symbols.iter());
        for (length, &count) in (1u8..).zip(counts) {
            for symbol in symbols.by_ref().take(count.into()) {
                table.resize(table.len() + (1 << (16 - length)), (length, *symbol));
            }
        }
        (table.len() <= 1 << 16).then(|| {
            table.resize(1 << 16, (0, 0));
            Table(table)
        })
    }
}

/// Reads bits, the highest of each byte first, up to the next marker.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The next byte that was not read.
    pub(super) at: usize,
    buffer: u64,
    held: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Bits { bytes, at, buffer: 0, held: 0 }
    }

    /// Reads whole bytes while there are any and room for them.
    fn fill(&mut self) {
        while self.held <= 48 {
            let byte = match self.bytes.get(self.at..) {
                Some([0xff, 0, ..]) => 0xff,
                Some([0xff, ..] | []) | None => return,
                Some([byte, ..]) => *byte,
            };
            self.at += if byte == 0xff { 2 } else { 1 };
            self.buffer = self.buffer << 8 | u64::from(byte);
            self.held += 8;
        }
    }

    /// The next code's symbol.
    pub(super) fn symbol(&mut self, table: &Table) -> Result<u8, Missing> {
        self.fill();
        let next = if self.held >= 16 { self.buffer >> (self.held - 16) } else { self.buffer << (16 - self.held) };
        match table.0[(next & 0xffff) as usize] {
            (0, _) if self.held < 16 => Err(Missing::Data),
            (0, _) => Err(Missing::Sense),
            (length, symbol) => {
                self.take(length)?;
                Ok(symbol)
            }
        }
    }

    /// The next `count` bits, at most 16, as a number.
    pub(super) fn take(&mut self, count: u8) -> Result<u32, Missing> {
        self.fill();
        self.held = self.held.checked_sub(count.into()).ok_or(Missing::Data)?;
        Ok((self.buffer >> self.held) as u32 & ((1 << count) - 1))
    }

    /// Goes on behind the restart marker that must come next.
    pub(super) fn restart(&mut self) -> Result<(), Missing> {
        (self.buffer, self.held) = (0, 0);
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let next = rest.windows(2).position(|m| m[0] == 0xff && !matches!(m[1], 0 | 0xff)).ok_or(Missing::Data)?;
        if !matches!(rest[next + 1], 0xd0..=0xd7) {
            return Err(Missing::Data);
        }
        self.at += next + 2;
        Ok(())
    }
}
