//! PyTorch's own files: the zip archives of `torch.save` since 1.6 and the stream of pickles before. Tensors stay where they lie;
//! nothing is executed (see [`pickle`]).
//!
//! The crates that read such files were not taken: they keep what a pickle would call as an anonymous object, so that a program
//! hidden in a checkpoint cannot be named, read whole pickled modules as if they were weights, and drop the attributes of
//! objects, in which hyper-parameters lie.
mod archive;
mod legacy;
mod pickle;
mod state_dicts;

use super::stored::{Contents, Stored};
use pickle::{Heap, Node, Stream, Value};

type Result<T> = std::result::Result<T, String>;

/// The longest pickle that is read. Those of large networks with their optimizers have a few million bytes.
const MAX_PICKLE: usize = 32 << 20;

/// Where the bytes of storages lie in the file.
trait Storages {
    /// The first byte of a storage that must have so many.
    fn locate(&self, key: &str, bytes: usize) -> Result<usize>;
}

/// Reads a file.
/// # Errors
/// What it holds instead of weights, what it would have executed, or what is damaged.
pub(super) fn read(bytes: &[u8]) -> Result<Contents> {
    let mut heap = Heap::default();
    if archive::is_archive(bytes) {
        let archive = archive::Archive::open(bytes)?;
        let root = unpickle(archive.pickle(bytes)?, &mut heap)?;
        return contents(&heap, root, &archive);
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Err(
            "was written by a version of PyTorch before 0.1.10 (a tar archive); load it with PyTorch and save it \
                    again with torch.save"
                .into(),
        );
    }
    let (root, storages) = legacy::read(bytes, &mut heap)?;
    contents(&heap, root, &storages)
}

fn unpickle(bytes: &[u8], heap: &mut Heap) -> Result<Value> {
    if bytes.len() > MAX_PICKLE {
        return Err(format!("its pickle has {} bytes, over the limit of {MAX_PICKLE}", bytes.len()));
    }
    pickle::run(&mut Stream::new(bytes), heap)
}

fn contents(heap: &Heap, root: Value, storages: &impl Storages) -> Result<Contents> {
    let found = state_dicts::find(heap, root)?;
    let mut tensors = Vec::new();
    for (path, key, value) in found.tensors {
        let Some(Node::Tensor(tensor)) = heap.get(value) else { continue };
        let stored = stored(tensor, storages).map_err(|fault| format!("tensor `{key}`: {fault}"))?;
        tensors.push((path, key, stored));
    }
    Ok(Contents { tensors, about: found.about, nameless: found.nameless, others: found.others })
}

/// A view of a storage as a place in the file, inside of which it must lie whole.
fn stored(tensor: &pickle::Tensor, storages: &impl Storages) -> Result<Stored> {
    let pickle::Tensor { storage, dtype, offset, shape, strides } = tensor;
    let size = dtype.bitsize() / 8;
    // An untyped storage counts its bytes.
    let bytes = storage.len.checked_mul(storage.dtype.map_or(1, |d| d.bitsize() / 8));
    let bytes = bytes.ok_or("its storage is larger than any file")?;
    if storage.dtype.is_some_and(|d| d != *dtype) {
        return Err(format!("it is {dtype}, but its storage is {}", storage.class));
    }
    let start = storages.locate(&storage.key, bytes)?;
    Stored::view((*dtype, size), shape, strides, (*offset, bytes / size.max(1)), start)
}
