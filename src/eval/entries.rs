//! Tallies by falling key as bytes: differences of keys and counts take three to five bytes where keys are dense and without a
//! defect.
use super::sweep::Tally;

/// More than any entry takes.
pub(super) const ENTRY: usize = 64;

/// Keys must fall.
pub(super) fn encode(entries: impl Iterator<Item = (u32, Tally)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut put = |mut value: u128| {
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
    };
    let mut last = u32::MAX;
    for (key, tally) in entries {
        put(u128::from(last - key));
        last = key;
        put(u128::from(tally.negatives) << 1 | u128::from(tally.positives > 0));
        if tally.positives > 0 {
            put(u128::from(tally.positives));
            put(tally.overlap);
        }
    }
    bytes
}

/// The entry at `at`, which then lies behind it; `key` is the last one's, `u32::MAX` at the beginning.
pub(super) fn decode(bytes: &[u8], at: &mut usize, key: u32) -> (u32, Tally) {
    // Differences of keys are below 2^32, and counts are what was put in.
    let key = key.wrapping_sub(number(bytes, at) as u32);
    let negatives = number(bytes, at);
    let mut tally = Tally { negatives: (negatives >> 1) as u64, ..Tally::default() };
    if negatives & 1 == 1 {
        tally.positives = number(bytes, at) as u64;
        tally.overlap = number(bytes, at);
    }
    (key, tally)
}

/// A number in groups of seven bits, the lowest first.
fn number(bytes: &[u8], at: &mut usize) -> u128 {
    let (mut value, mut shift) = (0, 0);
    while let Some(&byte) = bytes.get(*at) {
        *at += 1;
        value |= u128::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            break;
        }
    }
    value
}
