//! The rows that an estimator was fitted to, remembered by their hashes: what is measured on those says nothing of new ones.
use super::Model;
use crate::data::Table;
use crate::model::Checkpoint;
use crate::{Error, Result};
use safetensors::Dtype;

/// The tensor of hashes, of a network's folder; DTE-NP keeps the rows themselves.
pub(super) const SEEN: &str = "trained_on";

/// Hashes of standardised rows, sorted, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenRows(Vec<u64>);

impl SeenRows {
    /// Of rows of `columns` values, 1 at least.
    pub fn of(rows: &[f32], columns: usize) -> Self {
        let mut all: Vec<u64> = rows.chunks_exact(columns).map(hash).collect();
        all.sort_unstable();
        all.dedup();
        SeenRows(all)
    }
    /// Whether a row is among them.
    pub fn has(&self, row: &[f32]) -> bool {
        self.0.binary_search(&hash(row)).is_ok()
    }
    /// How many of these rows are among them.
    pub fn count(&self, rows: &[f32], columns: usize) -> usize {
        rows.chunks_exact(columns).filter(|row| self.has(row)).count()
    }
    /// Little-endian.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|h| h.to_le_bytes()).collect()
    }
    /// Those of a file; none of one that is older than they are.
    /// # Errors
    /// [`Error::File`] when the tensor is something else.
    pub(super) fn read(checkpoint: &Checkpoint) -> Result<Self> {
        let Some(bytes) = checkpoint.bytes(SEEN) else { return Ok(SeenRows::default()) };
        let seen: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|&b| u64::from_le_bytes(b)).collect();
        if checkpoint.dtype(SEEN) != Some(Dtype::U64) || !seen.is_sorted() {
            return Err(Error::file(checkpoint.path(), format!("tensor `{SEEN}` holds no sorted hashes (U64)")));
        }
        checkpoint.ignore(SEEN);
        Ok(SeenRows(seen))
    }
}

/// Of a row's bits, each number mixed in by SplitMix64's last steps (Steele, Lea and Flood 2014); zero has one sign.
fn hash(row: &[f32]) -> u64 {
    row.iter().fold(0x9E37_79B9_7F4A_7C15, |state: u64, v| {
        let bits = if *v == 0.0 { 0 } else { v.to_bits() };
        let z = (state ^ u64::from(bits)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}

/// What is said where `known` of `all` of something (`rows`, `images`) are those that a model was fitted to.
pub(crate) fn fitted_to(known: usize, all: usize, what: &str) -> String {
    format!(
        "{known} of {all} {what} equal some that the model was fitted to: their scores, and what is measured by them, say nothing of \
         new {what}"
    )
}

impl Model {
    /// Says so where rows are scored that it was fitted to; a row that occurs several times in a table is the same row.
    pub(super) fn doubt_seen(&self, table: &Table, rows: &[f32]) {
        match self.seen.count(rows, self.columns) {
            0 => {}
            known => tracing::warn!("{}", fitted_to(known, table.rows(), "rows")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_known_again_by_their_bits() {
        let rows = [1.0, 2.0, 0.0, 3.0, 1.0, 2.0];
        let seen = SeenRows::of(&rows, 2);
        assert_eq!((seen.0.len(), seen.bytes().len()), (2, 16));
        assert!(seen.has(&[-0.0, 3.0]) && seen.has(&[1.0, 2.0]));
        assert!(!seen.has(&[2.0, 1.0]) && !seen.has(&[1.0, 2.0000002]) && !seen.has(&[3.0, 0.0]));
        assert_eq!(seen.count(&[1.0, 2.0, 5.0, 5.0, 0.0, 3.0], 2), 2);
        assert!(!SeenRows::default().has(&[0.0, 0.0]));
    }
}
