use super::*;
use crate::model::testing::{checkpoint, file, file_of};
use proptest::prelude::*;
use safetensors::tensor::TensorView;

#[test]
fn taken_tensors_are_not_surplus() {
    let ck = checkpoint(&[("model.a.weight", &[2, 3, 1, 1]), ("b.weight", &[4]), ("model.betas", &[1000])]);
    assert_eq!(ck.keys().collect::<Vec<_>>(), ["a.weight", "b.weight"]);
    assert_eq!(ck.take("a.weight", &[2, 3]).unwrap()[5], 0.005);
    assert_eq!(ck.surplus(), ["b.weight"]);
    assert!(ck.settle(false).is_ok());
    assert!(ck.settle(true).unwrap_err().to_string().contains("1 tensors that the network does not use: `b.weight`"));
    ck.ignore("b.weight");
    assert!(ck.settle(true).is_ok());
    assert_eq!(ck.set_aside(), ["model.betas"]);
    assert!(ck.has_under("a.") && ck.has_under("b.") && !ck.has_under("c.") && !ck.has_under("a.x"));
}

#[test]
fn errors_name_the_file_the_tensor_and_the_shapes() {
    let ck = checkpoint(&[("a.weight", &[2, 3])]);
    assert_eq!(ck.take("c", &[1]).unwrap_err().to_string(), "test.safetensors: tensor `c` is missing");
    let shape = ck.take("a.weight", &[3, 2]).unwrap_err().to_string();
    assert!(shape.contains("[2, 3]") && shape.contains("[3, 2]"), "{shape}");
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let ck = Checkpoint::from_bytes("n", file_of(&[("a.w", &[3], vec![0.0, bad, 1.0])])).unwrap();
        assert!(ck.take("a.w", &[3]).unwrap_err().to_string().contains("`a.w` holds"));
    }
}

#[test]
fn halves_and_doubles_become_f32_and_integers_are_no_weights() {
    let values = [1.5f32, -0.25, 3.0];
    let f16s: Vec<u8> = values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect();
    let bf16s: Vec<u8> = values.iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect();
    let f64s: Vec<u8> = values.iter().flat_map(|&v| f64::from(v).to_le_bytes()).collect();
    let view = |dtype, bytes| TensorView::new(dtype, vec![3], bytes).unwrap();
    let views = [
        ("h.w", view(Dtype::F16, &f16s)),
        ("b.w", view(Dtype::BF16, &bf16s)),
        ("d.w", view(Dtype::F64, &f64s)),
        ("i.w", view(Dtype::I64, &f64s)),
    ];
    let ck = Checkpoint::from_bytes("x", safetensors::serialize(views, None).unwrap()).unwrap();
    for key in ["h.w", "b.w", "d.w"] {
        assert_eq!(ck.take(key, &[3]).unwrap(), values);
    }
    assert!(ck.take("i.w", &[3]).unwrap_err().to_string().contains("is I64"));
}

#[test]
fn files_are_mapped_and_hashed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    std::fs::write(&path, b"").unwrap();
    let empty = Checkpoint::open(dir.path()).err().map(|e| e.to_string());
    assert!(empty.is_some_and(|e| e.contains("empty")));
    let bytes = file(&[("a.w", &[2])]);
    std::fs::write(&path, &bytes).unwrap();
    let ck = Checkpoint::open(dir.path()).unwrap();
    assert_eq!(ck.take("a.w", &[2]).unwrap(), [0.0, 0.001]);
    assert_eq!(ck.file_len(), bytes.len());
    assert_eq!(ck.sha256(), Checkpoint::from_bytes("m", bytes).unwrap().sha256());
    assert_eq!(ck.sha256().len(), 64);
}

/// Whatever opens must also be readable to the end.
fn exercise(bytes: Vec<u8>) {
    let Ok(ck) = Checkpoint::from_bytes("fuzz", bytes) else { return };
    for key in ck.keys() {
        let shape = ck.shape(key).unwrap_or_default();
        let _ = ck.take(key, shape);
    }
    let _ = ck.settle(true);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        exercise(bytes);
    }

    #[test]
    fn random_headers_never_panic(
        dtype in "F32|F16|F4|BOOL|I64|X", a in any::<u64>(), b in any::<u64>(),
        shape in proptest::collection::vec(prop_oneof![0u64..5, any::<u64>()], 0..4), data in 0usize..64,
    ) {
        let header = format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{a},{b}]}}}}"#);
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 0x7f);
        exercise(bytes);
    }

    #[test]
    fn mutated_files_never_panic(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = file(&[("model.a.weight", &[2, 3]), ("b.bias", &[3]), ("betas", &[5])]);
        for (at, value) in &edits {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        exercise(bytes.clone());
        bytes.truncate(cut.index(bytes.len()));
        exercise(bytes);
    }
}

#[cfg(feature = "pytorch")]
#[test]
fn a_dictionary_that_is_its_own_key_is_described_and_refused() {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/checkpoints/own_key.pkl")).unwrap();
    let error = Checkpoint::from_bytes("own_key.pkl", bytes).err().unwrap().to_string();
    assert!(error.contains("it holds a dictionary of a dictionary"), "{error}");
}

#[cfg(feature = "pytorch")]
#[test]
fn another_network_of_a_file_is_said_to_be_set_aside() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/checkpoints/two_networks.pth");
    let ck = Checkpoint::open(path).unwrap();
    assert_eq!(ck.take("a.weight", &[2]).unwrap(), [1.0, 2.0]);
    assert_eq!(ck.keys().count(), 1);
    let read = BTreeSet::from(["generator".to_owned()]);
    assert_eq!(
        OtherDict::said(ck.others(), &read),
        "`generator` is read, and not what else looks like weights: `discriminator` (2 tensors)"
    );
}

#[test]
fn averages_that_are_not_whole_are_not_mixed_with_the_weights_of_training() {
    let partial = file(&[("model.a.weight", &[2]), ("model.b.weight", &[2]), ("ema.a.weight", &[2])]);
    let error = Checkpoint::from_bytes("x", partial.clone()).err().unwrap().to_string();
    let says = "its averaged weights (`ema`) are not whole: 1 of the tensors that those of training (`model`) have are missing, such \
                as `b.weight`";
    assert!(error.contains(says) && error.contains("--weights raw"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    std::fs::write(&path, partial).unwrap();
    assert_eq!(Checkpoint::open_copy(&path, Some(WeightCopy::Raw)).unwrap().keys().count(), 2);
    // An average of parameters has no running means, and those of training are taken.
    let keys = [("model.a.weight", &[2][..]), ("model.n.running_mean", &[2]), ("ema.a.weight", &[2])];
    let ck = Checkpoint::from_bytes("x", file(&keys)).unwrap();
    assert_eq!(ck.copies().unwrap().lent, ["n.running_mean"]);
    assert!(ck.copies().unwrap().to_string().ends_with(", but for the tensor `n.running_mean`, which the former lack"));
}
