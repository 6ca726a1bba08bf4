//! From the bytes of a TIFF's row to numbers.

/// What the bits of a sample are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Unsigned,
    Signed,
    Float,
}

impl Kind {
    /// The greatest value of unsigned integers of up to 16 bits, which fill their range; `None` for others.
    pub(super) fn full(self, bits: usize) -> Option<f32> {
        (self == Kind::Unsigned && bits <= 16).then(|| ((1u32 << bits) - 1) as f32)
    }
}

/// The samples of a row: of 8, 16, 32 or 64 bits in native order, of other counts one behind the other from the highest bit
/// of each byte. What f32 cannot hold is rounded.
pub(super) fn unpack(row: &[u8], bits: usize, kind: Kind) -> Box<dyn Iterator<Item = f32> + '_> {
    fn each<const N: usize>(row: &[u8], value: impl Fn([u8; N]) -> f32) -> impl Iterator<Item = f32> {
        row.as_chunks::<N>().0.iter().map(move |b| value(*b))
    }
    use Kind::{Float, Signed, Unsigned};
    match (bits, kind) {
        (8, Unsigned) => Box::new(row.iter().map(|b| f32::from(*b))),
        (8, Signed) => Box::new(row.iter().map(|b| f32::from(b.cast_signed()))),
        (16, Unsigned) => Box::new(each(row, |b| f32::from(u16::from_ne_bytes(b)))),
        (16, Signed) => Box::new(each(row, |b| f32::from(i16::from_ne_bytes(b)))),
        (16, Float) => Box::new(each(row, |b| half::f16::from_ne_bytes(b).to_f32())),
        (32, Unsigned) => Box::new(each(row, |b| u32::from_ne_bytes(b) as f32)),
        (32, Signed) => Box::new(each(row, |b| i32::from_ne_bytes(b) as f32)),
        (32, Float) => Box::new(each(row, f32::from_ne_bytes)),
        (64, Unsigned) => Box::new(each(row, |b| u64::from_ne_bytes(b) as f32)),
        (64, Signed) => Box::new(each(row, |b| i64::from_ne_bytes(b) as f32)),
        (64, Float) => Box::new(each(row, |b| f64::from_ne_bytes(b) as f32)),
        _ => Box::new((0..row.len() * 8 / bits).map(move |i| {
            let bit = |at: usize| u32::from(row[at / 8] >> (7 - at % 8) & 1);
            let value = (i * bits..(i + 1) * bits).fold(0, |n, at| n << 1 | bit(at));
            match kind {
                // The highest bit is the sign.
                Signed => ((value << (32 - bits)) as i32 >> (32 - bits)) as f32,
                _ => value as f32,
            }
        })),
    }
}
