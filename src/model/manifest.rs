//! A manifest of a checkpoint: keys and shapes without weights, from which a network is recognised, counted and planned. One line a
//! tensor, the key, a tab, and its sizes with `x` between them (nothing for a single number); lines that begin with `#` say nothing.
use super::stored::{Contents, Stored};
use safetensors::Dtype;
use serde_json::Map;
use std::collections::BTreeSet;
use std::path::Path;

/// Numbers of all tensors at most: 16 GiB.
const MAX_NUMBERS: usize = 1 << 32;

/// Whether a file is called as manifests are.
pub(super) fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("tsv"))
}

/// Reads it.
/// # Errors
/// The first line that is none of a manifest, by its number.
pub(super) fn read(bytes: &[u8]) -> Result<Contents, String> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| "is no manifest of keys and shapes: it is not text".to_owned())?;
    let (mut tensors, mut seen, mut numbers) = (Vec::new(), BTreeSet::new(), 0usize);
    for (i, line) in text.lines().enumerate() {
        let fault = |what: &str| format!("line {}: {what}", i + 1);
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, sizes) = line.split_once('\t').ok_or_else(|| fault("a key, a tab and a shape are needed"))?;
        let sizes = sizes.trim();
        let shape: Option<Vec<usize>> = match sizes {
            "" => Some(Vec::new()),
            sizes => sizes.split('x').map(|s| s.parse().ok()).collect(),
        };
        let shape = shape.ok_or_else(|| fault(&format!("`{sizes}` is no shape such as 64x3x3x3")))?;
        let count = shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s));
        numbers = count
            .and_then(|n| numbers.checked_add(n))
            .filter(|&n| n <= MAX_NUMBERS)
            .ok_or_else(|| fault(&format!("more than {MAX_NUMBERS} numbers in all")))?;
        if key.is_empty() || !seen.insert(key) {
            return Err(fault(&format!("the key `{key}` is empty or there already")));
        }
        let stored = Stored { dtype: Dtype::F32, shape, part: 0, start: 0, strides: None };
        tensors.push((Vec::new(), key.to_owned(), stored));
    }
    if tensors.is_empty() {
        return Err("is no manifest of keys and shapes: it has no line with a key".into());
    }
    Ok(Contents { tensors, about: Map::new(), nameless: None, others: Vec::new() })
}

/// The bytes that stand for a tensor's weights: numbers between −1 and 1 over the root of what one output takes, of a vector between 0
/// and 1, so that it may be a variance. The same for the same key.
pub(super) fn weights(key: &str, shape: &[usize]) -> Vec<u8> {
    let count: usize = shape.iter().product();
    let fan_in: usize = shape.iter().skip(1).product();
    let scale = 1.0 / (fan_in.max(1) as f32).sqrt();
    let vector = shape.len() < 2;
    let mut state =
        key.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let mut bytes = Vec::with_capacity(4 * count);
    for _ in 0..count {
        // Marsaglia's xorshift, whose state is never zero.
        state = state.max(1);
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let unit = (state >> 40) as f32 / (1u64 << 24) as f32;
        let value = if vector { unit } else { (2.0 * unit - 1.0) * scale };
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_keys_and_shapes() {
        let found = read(b"# a network\na.weight\t2x3x1x1\n\na.bias\t2\nsteps\t\n").unwrap().tensors;
        let shapes: Vec<_> = found.iter().map(|(_, key, stored)| (key.as_str(), stored.shape.as_slice())).collect();
        assert_eq!(shapes, [("a.weight", &[2, 3, 1, 1][..]), ("a.bias", &[2]), ("steps", &[])]);
        for (text, says) in [
            ("a.weight 2", "line 1: a key, a tab"),
            ("a\t2\nb\t2xx3", "line 2: `2xx3` is no shape"),
            ("a\t-1", "`-1` is no shape"),
            ("a\t2\na\t2", "line 2: the key `a` is empty or there already"),
            ("a\t99999999999x99999999999", "more than"),
            ("a\t65536x65537", "more than"),
            ("# nothing", "no line with a key"),
        ] {
            let fault = read(text.as_bytes()).err().unwrap();
            assert!(fault.contains(says), "{text}: {fault}");
        }
        assert!(read(&[0xff, 9]).is_err());
    }

    #[test]
    fn weights_are_finite_and_a_vector_is_a_variance() {
        let read =
            |bytes: Vec<u8>| -> Vec<f32> { bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect() };
        let (matrix, vector) = (read(weights("a.weight", &[8, 4, 2, 2])), read(weights("a.bias", &[100])));
        assert!(matrix.len() == 128 && matrix.iter().all(|v| v.abs() <= 0.25) && matrix.iter().any(|v| *v < 0.0));
        assert!(vector.iter().all(|v| (0.0..1.0).contains(v)) && vector[0] != vector[1]);
        assert_eq!(weights("b", &[3]), weights("b", &[3]));
        assert_ne!(weights("a", &[3]), weights("b", &[3]));
    }
}
