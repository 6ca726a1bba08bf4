//! A Parquet file's schema, looked at before anything is built from it: the reader behind it recurses as deep, and
//! allocates as much, as a nested schema says. The footer is Thrift's compact protocol, of which this is the least part.

/// How deep values that are skipped may nest.
const MAX_DEPTH: usize = 32;

// Types of the compact protocol.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;

/// Accepts a file whose schema is a flat list of columns.
/// # Errors
/// In words: no whole footer, an encrypted one, or the column that is nested.
pub(super) fn check_flat(file: &[u8]) -> Result<(), String> {
    let (rest, magic) = file.split_last_chunk::<4>().ok_or("the file is cut off")?;
    match magic {
        b"PAR1" => (),
        b"PARE" => return Err("the file is encrypted".into()),
        _ => return Err("the file does not end as a Parquet file does; it is cut off or damaged".into()),
    }
    let (rest, len) = rest.split_last_chunk::<4>().ok_or("the file is cut off")?;
    let start =
        rest.len().checked_sub(u32::from_le_bytes(*len) as usize).ok_or("the footer is longer than the file")?;
    let mut footer = Compact(&rest[start..]);
    let mut schemas = 0;
    footer.structure(|footer, id, kind| match (id, kind) {
        (2, LIST) => {
            schemas += 1;
            schema(footer)
        }
        _ => footer.skip(kind, 0),
    })?;
    if schemas == 1 { Ok(()) } else { Err(format!("the footer holds {schemas} schemas")) }
}

/// A root with so many children, and columns without any.
fn schema(footer: &mut Compact) -> Result<(), String> {
    let (count, kind) = footer.list()?;
    if kind != STRUCT {
        return Err(DAMAGED.into());
    }
    let mut root = 0;
    for i in 0..count {
        let (mut children, mut name) = (0, &[][..]);
        footer.structure(|footer, id, kind| match (id, kind) {
            (4, BINARY) => footer.binary().map(|bytes| name = bytes),
            // Zigzag.
            (5, 5) => footer.varint().map(|n| children = (n >> 1) as i64 ^ -((n & 1) as i64)),
            _ => footer.skip(kind, 0),
        })?;
        if i == 0 {
            root = children;
        } else if children != 0 {
            let name = String::from_utf8_lossy(name);
            return Err(format!("column `{name}` is nested; plain columns of numbers are read"));
        }
    }
    if u64::try_from(root).is_ok_and(|n| n + 1 == count) { Ok(()) } else { Err(DAMAGED.into()) }
}

const DAMAGED: &str = "the footer is damaged";

/// What is left of a text in the compact protocol.
struct Compact<'a>(&'a [u8]);

impl<'a> Compact<'a> {
    fn take(&mut self, n: u64) -> Result<&'a [u8], String> {
        let n = usize::try_from(n).ok().filter(|&n| n <= self.0.len()).ok_or(DAMAGED)?;
        let (head, rest) = self.0.split_at(n);
        self.0 = rest;
        Ok(head)
    }
    fn byte(&mut self) -> Result<u8, String> {
        self.take(1).map(|b| b[0])
    }
    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DAMAGED.into())
    }
    fn binary(&mut self) -> Result<&'a [u8], String> {
        let n = self.varint()?;
        self.take(n)
    }
    /// How many elements follow, and of which type.
    fn list(&mut self) -> Result<(u64, u8), String> {
        let head = self.byte()?;
        let count = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        Ok((count, head & 15))
    }
    /// Calls `field` with the number and type of each field, whose value it must take.
    fn structure(&mut self, mut field: impl FnMut(&mut Self, i64, u8) -> Result<(), String>) -> Result<(), String> {
        let mut id = 0i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            id = match head >> 4 {
                0 => {
                    let n = self.varint()?;
                    (n >> 1) as i64 ^ -((n & 1) as i64)
                }
                delta => id.wrapping_add(delta.into()),
            };
            field(self, id, head & 15)?;
        }
    }
    fn skip(&mut self, kind: u8, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(DAMAGED.into());
        }
        // Booleans are in a field's head, but elements of a list take a byte.
        let element = |c: &mut Self, kind: u8| match kind {
            TRUE | FALSE => c.take(1).map(drop),
            _ => c.skip(kind, depth + 1),
        };
        match kind {
            TRUE | FALSE => Ok(()),
            3 => self.take(1).map(drop),
            4..=6 => self.varint().map(drop),
            7 => self.take(8).map(drop),
            BINARY => self.binary().map(drop),
            LIST | SET => {
                let (count, kind) = self.list()?;
                (0..count).try_for_each(|_| element(self, kind))
            }
            MAP => {
                let count = self.varint()?;
                let kinds = if count > 0 { self.byte()? } else { 0 };
                (0..count).try_for_each(|_| element(self, kinds >> 4).and_then(|()| element(self, kinds & 15)))
            }
            STRUCT => self.structure(|c, _, kind| c.skip(kind, depth + 1)),
            _ => Err(DAMAGED.into()),
        }
    }
}
