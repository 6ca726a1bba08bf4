//! What `torch.save` wrote before PyTorch 1.6, and writes without its zip serialization: pickles one after the other (a magic
//! number, the protocol, the system, the object, the keys of its storages), then the storages.
use super::pickle::{self, Heap, Node, Stream, Value};
use super::{MAX_PICKLE, Result, Storages};
use std::collections::HashMap;

/// 0x1950a86a20f9469cfc6c, little-endian, as a pickle's long number.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const PROTOCOL: i64 = 1001;

/// Where storages begin, and how many bytes each has.
pub struct Sequence(HashMap<String, (usize, usize)>);

/// The object, and the storages behind it.
pub fn read(bytes: &[u8], heap: &mut Heap) -> Result<(Value, Sequence)> {
    // Storages follow the pickles, which alone are held to the limit.
    let mut stream = Stream::new(bytes);
    let mut next = |heap: &mut Heap| {
        let before = stream.at;
        let end = bytes.len().min(before.saturating_add(MAX_PICKLE));
        let mut part = Stream::new(bytes.get(before..end).unwrap_or_default());
        let value = pickle::run(&mut part, heap)?;
        stream.take(part.at)?;
        Ok::<_, String>((value, stream.at))
    };
    let (magic, _) = next(heap).map_err(|fault| match fault.contains("would call") {
        true => fault,
        false => format!("is no PyTorch file: {fault}"),
    })?;
    if !matches!(heap.get(magic), Some(Node::Bytes(b)) if b.starts_with(&MAGIC)) {
        return Err(format!("is a pickle, but not a file of torch.save: it holds {}", heap.describe(magic)));
    }
    let (protocol, _) = next(heap)?;
    if protocol != Value::Int(PROTOCOL) {
        return Err(format!("its protocol is not {PROTOCOL}, the only one that PyTorch's old format has"));
    }
    let (system, _) = next(heap)?;
    if heap.entry(system, "little_endian") == Some(Value::Bool(false)) {
        return Err("its byte order is big-endian; only little-endian files are read".into());
    }
    let (root, _) = next(heap)?;
    let (keys, mut at) = next(heap)?;
    let mut sizes: HashMap<String, usize> = HashMap::new();
    for node in heap.nodes() {
        if let Node::Storage(s) = node {
            sizes.insert(s.key.clone(), s.dtype.map_or(1, |d| d.bitsize() / 8));
        }
    }
    let mut places = HashMap::new();
    for &key in heap.elements(keys) {
        let name = match (key, heap.text(key)) {
            (_, Some(text)) => text.to_owned(),
            (Value::Int(n), _) => n.to_string(),
            _ => return Err("its pickle is damaged: the key of a storage is no text".into()),
        };
        let short = || format!("truncated: its storage `{name}` reaches past the end of the file");
        let count = bytes.get(at..).and_then(|b| b.first_chunk::<8>()).ok_or_else(short)?;
        let size = sizes.get(&name).ok_or_else(|| format!("its storage `{name}` belongs to no tensor"))?;
        let length = usize::try_from(i64::from_le_bytes(*count)).ok().and_then(|n| n.checked_mul(*size));
        let start = at + 8;
        let end = length.and_then(|l| start.checked_add(l)).filter(|&e| e <= bytes.len()).ok_or_else(short)?;
        places.insert(name, (start, end - start));
        at = end;
    }
    Ok((root, Sequence(places)))
}

impl Storages for Sequence {
    fn locate(&self, key: &str, bytes: usize) -> Result<usize> {
        match self.0.get(key) {
            Some(&(start, length)) if bytes <= length => Ok(start),
            Some(&(_, length)) => {
                Err(format!("its storage `{key}` should have {bytes} bytes, but the file has {length}"))
            }
            None => Err(format!("its storage `{key}` is missing from the file")),
        }
    }
}
