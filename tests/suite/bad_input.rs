//! What is wrong with a file is said with the file's name, and the exit code is 2; what is merely off is 1.

use crate::common::{golden, run};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// dtype, shape and bytes of each tensor.
type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

/// A copy of a golden in a folder of its own.
struct Copy {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Copy {
    fn of(name: &str) -> Copy {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("golden");
        copy(&golden(name), &path);
        Copy { _dir: dir, path }
    }
    fn text(&self) -> &str {
        self.path.to_str().unwrap()
    }
    fn write(&self, file: &str, bytes: &[u8]) {
        std::fs::write(self.path.join(file), bytes).unwrap();
    }
    fn bytes(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.path.join(file)).unwrap()
    }
    /// Rewrites a safetensors file.
    fn edit(&self, file: &str, change: impl FnOnce(&mut Tensors)) {
        let bytes = self.bytes(file);
        let old = SafeTensors::deserialize(&bytes).unwrap();
        let mut tensors: Tensors =
            old.iter().map(|(k, v)| (k.into(), (v.dtype(), v.shape().to_vec(), v.data().to_vec()))).collect();
        change(&mut tensors);
        let views = tensors.iter().map(|(k, (d, s, b))| (k.clone(), TensorView::new(*d, s.clone(), b).unwrap()));
        self.write(file, &safetensors::serialize(views, None).unwrap());
    }
    fn compare(&self) -> (i32, String) {
        let (code, out, err) = run(&["compare", "--device", "cpu", self.text()]);
        (code, out + &err)
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in ["config.json", "io.safetensors", "model.safetensors"] {
        if from.join(file).exists() {
            std::fs::write(to.join(file), std::fs::read(from.join(file)).unwrap()).unwrap();
        }
    }
}

const NETWORK: &str = "ldm-unet-diffad-style";

/// Changes a copy so that both `compare` and `inspect` must refuse it, naming the file and `says`.
fn refused(change: impl FnOnce(&Copy), file: &str, says: &[&str]) {
    let c = Copy::of(NETWORK);
    change(&c);
    let (code, text) = c.compare();
    let (inspected, _, error) = run(&["inspect", c.text()]);
    for (code, text) in [(code, &text), (inspected, &error)] {
        assert_eq!(code, 2, "{text}");
        assert!(text.contains(file) && says.iter().all(|s| text.contains(s)), "{text}");
        assert!(!text.contains("panicked"), "{text}");
    }
}

#[test]
fn broken_checkpoints() {
    const M: &str = "model.safetensors";
    let key = |t: &Tensors| t.keys().find(|k| k.ends_with("in_layers.2.weight")).unwrap().clone();
    refused(|c| c.write(M, b""), M, &["empty"]);
    refused(|c| c.write(M, &[7, 0, 0]), M, &[]);
    refused(|c| c.write(M, &c.bytes(M)[..100]), M, &[]);
    refused(|c| c.write(M, &c.bytes(M)[..c.bytes(M).len() - 1]), M, &[]);
    refused(|c| c.write(M, &[&u64::MAX.to_le_bytes()[..], b"{}"].concat()), M, &[]);
    refused(|c| c.write(M, &[&2u64.to_le_bytes()[..], b"[]"].concat()), M, &[]);
    refused(|c| std::fs::remove_file(c.path.join(M)).unwrap(), "golden", &["no .safetensors file"]);
    let missing = |t: &mut Tensors| drop(t.remove(&key(t)));
    refused(|c| c.edit(M, missing), M, &["is missing", "in_layers.2.weight"]);
    let shape = |t: &mut Tensors| t.get_mut(&key(t).replace("weight", "bias")).unwrap().1 = vec![16, 2];
    refused(|c| c.edit(M, shape), M, &["has shape [16, 2], but [32] is needed"]);
    let integers = |t: &mut Tensors| t.get_mut(&key(t)).unwrap().0 = Dtype::I16;
    refused(|c| c.edit(M, integers), M, &["I16"]);
    for (bits, name) in [(0x7e00u16, "NaN"), (0x7c00, "inf")] {
        let poison = |t: &mut Tensors| {
            let (dtype, _, bytes) = t.get_mut(&key(t)).unwrap();
            assert_eq!(*dtype, Dtype::F16);
            bytes[10..12].copy_from_slice(&bits.to_le_bytes());
        };
        refused(|c| c.edit(M, poison), M, &["in_layers.2.weight", name]);
    }
}

#[test]
fn configs_that_contradict() {
    const C: &str = "config.json";
    let json = |c: &Copy| serde_json::from_slice::<serde_json::Value>(&c.bytes(C)).unwrap();
    let with = |key: &'static str, value: serde_json::Value| {
        move |c: &Copy| {
            let mut config = json(c);
            config[key] = value;
            c.write(C, config.to_string().as_bytes());
        }
    };
    refused(|c| c.write(C, b"{"), C, &["JSON"]);
    refused(|c| c.write(C, b"[1]"), C, &["JSON"]);
    refused(with("in_channels", 5.into()), C, &["in_channels", "5"]);
    refused(with("model_channels", "wide".into()), C, &["model_channels", "wide"]);
    refused(with("_class_name", "UNet2DModel".into()), C, &["_class_name"]);
}

#[test]
fn broken_goldens() {
    const IO: &str = "io.safetensors";
    type Case<'a> = (&'a dyn Fn(&Copy), &'a [&'a str]);
    let cases: [Case; 5] = [
        (&|c| c.write(IO, &c.bytes(IO)[..50]), &[IO]),
        (&|c| c.edit(IO, |t| drop(t.remove("x"))), &[IO, "`x` is missing"]),
        (&|c| c.edit(IO, |t| drop(t.remove("out"))), &[IO, "`out` is missing"]),
        (&|c| c.edit(IO, |t| drop(t.remove("t"))), &["config.json", "`t` is missing"]),
        (&|c| c.edit(IO, |t| t.get_mut("x").unwrap().1 = vec![2, 8, 256]), &[IO, "not (N,C,H,W)"]),
    ];
    for (change, says) in cases {
        let c = Copy::of(NETWORK);
        change(&c);
        let (code, text) = c.compare();
        assert!(code == 2 && says.iter().all(|s| text.contains(s)), "{code} {text}");
    }
}

#[test]
fn deviations_fail_and_nan_never_passes() {
    for value in [0.5f32, f32::NAN, f32::INFINITY] {
        let c = Copy::of(NETWORK);
        c.edit("io.safetensors", |t| t.get_mut("out").unwrap().2[..4].copy_from_slice(&value.to_le_bytes()));
        let (code, text) = c.compare();
        assert!(code == 1 && text.contains("FAIL"), "{value}: {code} {text}");
    }
    let c = Copy::of(NETWORK);
    c.edit("io.safetensors", |t| t.get_mut("x").unwrap().2[..4].copy_from_slice(&f32::NAN.to_le_bytes()));
    assert_eq!(c.compare().0, 1);
    assert_eq!(run(&["compare", "--device", "cpu", "--tolerance", "0", golden(NETWORK).to_str().unwrap()]).0, 1);
    assert_eq!(run(&["compare", "--tolerance", "NaN", golden(NETWORK).to_str().unwrap()]).0, 2);
}

#[test]
fn one_bad_golden_among_others() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_str().unwrap();
    let compare = || run(&["compare", "--device", "cpu", root]);
    assert!(compare().2.contains("no golden here"));
    copy(&golden(NETWORK), &dir.path().join("good"));
    copy(&golden("chains/simplex-fields"), &dir.path().join("chains/fields"));
    assert_eq!(compare().0, 0);
    copy(&golden(NETWORK), &dir.path().join("other"));
    std::fs::write(dir.path().join("other/config.json"), r#"{"_class_name": "AutoencoderTiny"}"#).unwrap();
    let (code, out, _) = compare();
    assert!(code == 0 && out.contains("not supported yet: AutoencoderTiny"), "{out}");
    assert_eq!(run(&["compare", "--device", "cpu", dir.path().join("other").to_str().unwrap()]).0, 2);
    copy(&golden("chains/guided-ddim25"), &dir.path().join("chains/lonely"));
    let (code, out, _) = compare();
    assert!(code == 2 && out.contains("2 ok") && out.contains("guided-updown-scaleshift-legacy"), "{out}");
}

#[test]
fn nothing_there() {
    let empty = tempfile::tempdir().unwrap();
    for path in ["/nowhere/at/all", empty.path().to_str().unwrap()] {
        for command in ["inspect", "compare"] {
            let (code, _, err) = run(&[command, path]);
            assert!(code == 2 && err.contains(path), "{command} {path}: {code} {err}");
        }
    }
    let (code, _, err) = run(&["compare", "--device", "no such adapter", golden(NETWORK).to_str().unwrap()]);
    assert!(code == 2 && err.contains("no such adapter"), "{err}");
}
