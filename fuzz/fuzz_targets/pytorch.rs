//! PyTorch's files: whatever the bytes, an error or a checkpoint whose every tensor can be read, never a panic, and never more
//! memory than the bytes account for.
#![no_main]
use libfuzzer_sys::fuzz_target;
use residua::model::Checkpoint;

fuzz_target!(|bytes: &[u8]| {
    // The name makes every file that is no safetensors one of PyTorch's, pickles of the first protocols included.
    let Ok(checkpoint) = Checkpoint::from_bytes("fuzz.pt", bytes.to_vec()) else { return };
    for key in checkpoint.keys() {
        let shape = checkpoint.shape(key).unwrap_or_default();
        let _ = checkpoint.take(key, shape);
    }
    let _ = checkpoint.about();
});
