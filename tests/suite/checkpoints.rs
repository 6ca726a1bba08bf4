//! PyTorch's own files: what PyTorch itself reads from them, and what must be refused, by tests/corpus/checkpoints/expected.json,
//! which tests/reference/checkpoints.py wrote.
use residua::model::{Checkpoint, WeightCopy};
use safetensors::Dtype;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/checkpoints")
}

fn expected() -> BTreeMap<String, Value> {
    serde_json::from_slice(&std::fs::read(corpus().join("expected.json")).unwrap()).unwrap()
}

/// A tensor's numbers, from its bytes.
fn numbers(ck: &Checkpoint, key: &str) -> Vec<f64> {
    let bytes = ck.bytes(key).unwrap();
    let of = |n: usize, read: fn(&[u8]) -> f64| bytes.chunks_exact(n).map(read).collect();
    match ck.dtype(key).unwrap() {
        Dtype::F64 => of(8, |b| f64::from_le_bytes(b.try_into().unwrap())),
        Dtype::F32 => of(4, |b| f32::from_le_bytes(b.try_into().unwrap()).into()),
        Dtype::F16 => of(2, |b| half::f16::from_le_bytes(b.try_into().unwrap()).into()),
        Dtype::BF16 => of(2, |b| half::bf16::from_le_bytes(b.try_into().unwrap()).into()),
        Dtype::I64 => of(8, |b| i64::from_le_bytes(b.try_into().unwrap()) as f64),
        Dtype::I32 => of(4, |b| i32::from_le_bytes(b.try_into().unwrap()).into()),
        Dtype::I16 => of(2, |b| i16::from_le_bytes(b.try_into().unwrap()).into()),
        Dtype::I8 => of(1, |b| i8::from_le_bytes(b.try_into().unwrap()).into()),
        Dtype::U8 | Dtype::BOOL => of(1, |b| b[0].into()),
        other => panic!("{key} is {other}"),
    }
}

fn dtype(name: &str) -> Dtype {
    match name {
        "float64" => Dtype::F64,
        "float32" => Dtype::F32,
        "float16" => Dtype::F16,
        "bfloat16" => Dtype::BF16,
        "int64" => Dtype::I64,
        "int32" => Dtype::I32,
        "int16" => Dtype::I16,
        "int8" => Dtype::I8,
        "uint8" => Dtype::U8,
        _ => Dtype::BOOL,
    }
}

fn holds(file: &str, ck: &Checkpoint, tensors: &Value) {
    for (key, t) in tensors.as_object().unwrap() {
        let shape: Vec<usize> = serde_json::from_value(t["shape"].clone()).unwrap();
        let values: Vec<f64> = t["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert_eq!(ck.shape(key), Some(&shape[..]), "{file}: {key}");
        assert_eq!(ck.dtype(key), Some(dtype(t["dtype"].as_str().unwrap())), "{file}: {key}");
        let found = numbers(ck, key);
        // JSON's numbers are read to their last bit but one.
        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-14 * b.abs();
        assert!(found.len() == values.len() && found.iter().zip(&values).all(near), "{file}: {key}: {found:?}");
    }
}

#[test]
fn files_of_training_programs_hold_what_pytorch_reads_from_them() {
    let mut seen = 0;
    for (file, says) in expected().iter().filter(|(_, s)| s.get("tensors").is_some()) {
        let path = corpus().join(file);
        let ck = Checkpoint::open(&path).unwrap_or_else(|e| panic!("{e}"));
        holds(file, &ck, &says["tensors"]);
        if file != "lightning.ckpt" {
            assert_eq!(ck.keys().count(), says["tensors"].as_object().unwrap().len(), "{file}");
        }
        let raw = Checkpoint::open_copy(&path, Some(WeightCopy::Raw));
        match says.get("raw") {
            Some(tensors) => {
                assert_eq!(ck.copies().unwrap().chosen, WeightCopy::Ema);
                holds(file, &raw.unwrap(), tensors);
            }
            None => assert!(raw.err().unwrap().to_string().contains("nothing to choose"), "{file}"),
        }
        seen += 1;
    }
    assert!(seen >= 14, "{seen}");
}

#[test]
fn what_is_no_state_dict_is_refused_by_name_and_nothing_is_executed() {
    let mut seen = 0;
    for (file, says) in expected().iter().filter(|(_, s)| s.get("fault").is_some()) {
        let path = corpus().join(file);
        let error = Checkpoint::open(&path).err().unwrap_or_else(|| panic!("{file} opens")).to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        for word in says["fault"].as_array().unwrap() {
            assert!(error.contains(word.as_str().unwrap()), "{error} lacks {word}");
        }
        seen += 1;
    }
    assert!(seen >= 28, "{seen}");
    assert!(!Path::new("executed").exists() && !corpus().join("executed").exists());
}

#[test]
fn what_a_checkpoint_says_about_itself_is_kept_without_its_objects() {
    let ck = Checkpoint::open(corpus().join("lightning.ckpt")).unwrap();
    let said = &ck.about()["hyper_parameters"];
    assert_eq!(said["norm_num_groups"], 2);
    assert_eq!((&said["lr"], &said["steps"]), (&Value::from(1e-4), &Value::from(7)), "NumPy's scalars");
    assert_eq!(said["more"], serde_json::json!({"depth": 1, "names": ["a", "b"]}), "argparse.Namespace");
    let ck = Checkpoint::open(corpus().join("anoddpm.pt")).unwrap();
    assert_eq!(ck.about()["args"]["noise_fn"], "gauss");
}

/// Every file, cut and with bytes exchanged: an error or tensors that can be read, never a panic.
#[test]
fn damaged_files_never_panic() {
    let exercise = |file: &str, bytes: Vec<u8>| {
        let Ok(ck) = Checkpoint::from_bytes(file, bytes) else { return };
        ck.keys().for_each(|key| drop(ck.bytes(key)));
    };
    let mut state = 7u64;
    let mut next = move |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for file in ["guided_ema.pt", "legacy.pth", "protocol5.pt", "views_legacy.pt", "anoddpm.pt", "wrapped_module.pt"] {
        let whole = std::fs::read(corpus().join(file)).unwrap();
        for _ in 0..150 {
            let mut bytes = whole.clone();
            for _ in 0..=next(3) {
                let at = next(bytes.len());
                bytes[at] = next(256) as u8;
            }
            exercise(file, bytes);
            exercise(file, whole[..next(whole.len())].to_vec());
        }
    }
}
