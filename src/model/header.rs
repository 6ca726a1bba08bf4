//! Checks of a safetensors header, with messages that name the tensor and the bytes at fault. The
//! `safetensors` crate has the last word, but it says less, and it adds offsets before it bounds them.
use crate::{Error, Result};
use safetensors::{Dtype, SafeTensors, tensor::Metadata};
use serde_json::{Map, Value};
use std::{ops::Range, path::Path};

/// As the format's own reader.
const MAX_HEADER: u64 = 100_000_000;

/// Reads and checks the header: where the data begin, and what lies in them.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<(usize, Metadata)> {
    let data = check(bytes).map_err(|fault| Error::file(path, fault))?;
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| Error::file(path, e.to_string()))?;
    Ok((data, metadata))
}

fn check(bytes: &[u8]) -> Result<usize, String> {
    let len = bytes.len();
    let head = bytes.first_chunk::<8>().ok_or_else(|| {
        format!("truncated: {len} bytes are too few for a safetensors file, which begins with a length of 8 bytes")
    })?;
    let header = u64::from_le_bytes(*head);
    if header > MAX_HEADER {
        return Err(format!(
            "the first 8 bytes announce a header of {header} bytes, over the limit of {MAX_HEADER}; is this a safetensors file?"
        ));
    }
    let start = 8 + header as usize;
    let text = bytes.get(8..start).ok_or_else(|| {
        format!("truncated: the header should have {header} bytes, but the file has only {} after its length", len - 8)
    })?;
    let map: Map<String, Value> =
        serde_json::from_slice(text).map_err(|e| format!("the header is not a JSON object: {e}"))?;
    let mut spans = Vec::with_capacity(map.len());
    for (name, value) in map.iter().filter(|(name, _)| *name != "__metadata__") {
        let range = check_tensor(value, len - start).map_err(|fault| format!("tensor `{name}`: {fault}"))?;
        spans.push((range, name.as_str()));
    }
    check_cover(&mut spans, len - start)?;
    Ok(start)
}

/// One header entry against the `available` bytes of data.
fn check_tensor(value: &Value, available: usize) -> Result<Range<usize>, String> {
    let dtype_value = value.get("dtype").ok_or("no dtype")?;
    let dtype: Dtype =
        serde_json::from_value(dtype_value.clone()).map_err(|_| format!("unknown dtype {dtype_value}"))?;
    let shape = numbers(value.get("shape")).ok_or("its shape is not a list of sizes")?;
    let offsets = numbers(value.get("data_offsets")).ok_or("its data_offsets are not two numbers")?;
    let &[begin, end] = offsets.as_slice() else { return Err("its data_offsets are not two numbers".into()) };
    if begin > end || end > available {
        return Err(format!(
            "its data lie at bytes {begin}..{end}, out of range: the file holds {available} bytes of data (truncated?)"
        ));
    }
    let bits = shape.iter().try_fold(dtype.bitsize(), |n, &d| n.checked_mul(d));
    match bits {
        Some(bits) if bits.is_multiple_of(8) && bits / 8 == end - begin => Ok(begin..end),
        _ => Err(format!("shape {shape:?} of {dtype} does not fill bytes {begin}..{end}")),
    }
}

fn numbers(value: Option<&Value>) -> Option<Vec<usize>> {
    value?.as_array()?.iter().map(|v| usize::try_from(v.as_u64()?).ok()).collect()
}

/// The tensors must tile the data: no overlap, no hole, nothing after the last.
fn check_cover(spans: &mut [(Range<usize>, &str)], available: usize) -> Result<(), String> {
    spans.sort_by_key(|(r, _)| (r.start, r.end));
    let mut before: (usize, &str) = (0, "");
    for (range, name) in spans.iter() {
        if range.start < before.0 {
            return Err(format!("tensors `{}` and `{name}` overlap at byte {}", before.1, range.start));
        }
        if range.start > before.0 {
            return Err(format!("bytes {}..{} of the data belong to no tensor", before.0, range.start));
        }
        before = (range.end, name);
    }
    if before.0 != available {
        return Err(format!("{} bytes after the last tensor belong to none", available - before.0));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        bytes
    }
    fn fault(bytes: &[u8]) -> String {
        read(Path::new("w.safetensors"), bytes).unwrap_err().to_string()
    }

    #[test]
    fn faults_are_named() {
        assert!(fault(&[1, 2, 3]).contains("truncated: 3 bytes"));
        assert!(fault(&[0xff; 16]).contains("over the limit"));
        assert!(fault(&[9, 0, 0, 0, 0, 0, 0, 0, b'{']).contains("has only 1"));
        assert!(fault(&file("[]", 0)).contains("not a JSON object"));
        let unknown = r#"{"a":{"dtype":"F7","shape":[1],"data_offsets":[0,4]}}"#;
        assert!(fault(&file(unknown, 4)).contains("w.safetensors: tensor `a`: unknown dtype \"F7\""));
        let short = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        assert!(fault(&file(short, 4)).contains("out of range"));
        assert!(fault(&file(short, 12)).contains("4 bytes after the last"));
        let wrong = r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#;
        assert!(fault(&file(wrong, 8)).contains("shape [3] of F32"));
        let overlap = r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#;
        assert!(fault(&file(overlap, 6)).contains("`a` and `b` overlap at byte 2"));
        let hole = r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#;
        assert!(fault(&file(hole, 6)).contains("bytes 0..2"));
    }

    #[test]
    fn sizes_that_overflow_are_refused() {
        let header = r#"{"a":{"dtype":"U8","shape":[4611686018427387904,8],"data_offsets":[0,8]}}"#;
        assert!(fault(&file(header, 8)).contains("does not fill"));
        let header = r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[18446744073709551614,18446744073709551615]}}"#;
        assert!(fault(&file(header, 8)).contains("out of range"));
    }
}
