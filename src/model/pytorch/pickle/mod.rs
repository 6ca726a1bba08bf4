//! Python's pickles, read without executing anything: what a pickle would call is either known here, and then computed here, or
//! kept as a name, or refused by that name.
//!
//! Sources: CPython's `pickletools` for the opcodes, PyTorch's `torch/_utils.py` and `torch/serialization.py` for the calls.
mod call;
mod globals;
mod json;
mod machine;
mod stream;
mod value;

pub(super) use json::to_json;
pub(super) use machine::run;
pub(super) use stream::Stream;
pub(super) use value::{Heap, Node, Tensor, Value};

/// What is wrong, without the file's name.
pub(super) type Result<T> = std::result::Result<T, String>;
