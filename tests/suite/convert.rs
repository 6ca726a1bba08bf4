//! Checkpoints through the program: scored where they lie, converted, and in several files.
use crate::common::folder::picture;
use crate::common::{run, small};
use safetensors::{SafeTensors, tensor::TensorView};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn lightning() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/checkpoints/lightning.ckpt")
}

/// The line with the score of one picture, and what was said beside it.
fn score(dir: &TempDir, model: &Path, more: &[&str]) -> (String, String) {
    let image = dir.path().join("image.png");
    picture(&image, 16, 16, 3);
    let out = dir.path().join("out");
    let _ = std::fs::remove_dir_all(&out);
    let paths = [&image, model, &out].map(|p| p.to_str().unwrap());
    let args = ["detect", paths[0], "--model", paths[1], "--out", paths[2], "--device", "cpu", "--lambda", "20"];
    let (code, text, err) = run(&[&args[..], &["--steps", "2"], more].concat());
    assert_eq!(code, 0, "{err}");
    (text.lines().next().unwrap().to_owned(), err)
}

fn refused(args: &[&str], words: &[&str]) -> String {
    let (code, _, err) = run(args);
    assert!(code == 2 && words.iter().all(|w| err.contains(w)), "{args:?}: {code} {err}");
    err
}

#[test]
fn a_converted_checkpoint_scores_as_the_file_itself() {
    let dir = tempfile::tempdir().unwrap();
    let file = lightning();
    let (ema, said) = score(&dir, &file, &[]);
    assert!(said.contains("averaged weights (`state_dict.model_ema`)") && said.contains("sample_size 16"), "{said}");
    let (raw, said) = score(&dir, &file, &["--weights", "raw"]);
    assert!(ema != raw && !said.contains("averaged weights ("), "{ema} {said}");
    for (copy, expected) in [("ema", &ema), ("raw", &raw)] {
        let out = dir.path().join(copy);
        let (code, text, err) = run(&["convert", file.to_str().unwrap(), out.to_str().unwrap(), "--weights", copy]);
        assert!(code == 0 && text.contains("diffusers UNet2DModel"), "{text} {err}");
        assert_eq!(&score(&dir, &out, &[]).0, expected);
        let json = |name: &str| serde_json::from_slice::<Value>(&std::fs::read(out.join(name)).unwrap()).unwrap();
        assert_eq!(json("detector.json")["input"]["width"], 16);
        assert_eq!(json("config.json")["hyper_parameters"]["hyper_parameters"]["more"]["depth"], 1);
        // What is there is not overwritten, and one copy leaves nothing to choose.
        refused(&["convert", file.to_str().unwrap(), out.to_str().unwrap()], &["exists already"]);
        refused(&["inspect", out.to_str().unwrap(), "--weights", "raw"], &["nothing to choose"]);
    }
    let (code, text, _) = run(&["inspect", file.to_str().unwrap(), "--json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, 0);
    assert!(report["weights"].as_str().unwrap().starts_with("the averaged weights"), "{report}");
    let half = dir.path().join("half");
    assert_eq!(run(&["convert", file.to_str().unwrap(), half.to_str().unwrap(), "--f16"]).0, 0);
    let bytes = std::fs::read(half.join("model.safetensors")).unwrap();
    let half = SafeTensors::deserialize(&bytes).unwrap();
    assert!(half.iter().all(|(_, t)| t.dtype() == safetensors::Dtype::F16));
}

/// A folder with a network that says nothing of its input's size.
fn plain(dir: &TempDir) -> PathBuf {
    let folder = dir.path().join("plain");
    std::fs::create_dir_all(&folder).unwrap();
    small::write(&folder, 1);
    folder
}

#[test]
fn what_is_not_known_is_asked_for_by_its_flag() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, out) = (plain(&dir), dir.path().join("out1"));
    let paths = [&folder, &out].map(|p| p.to_str().unwrap());
    let (code, text, err) = run(&["convert", paths[0], paths[1]]);
    assert!(code == 0 && text.contains("--size") && !out.join("detector.json").exists(), "{text} {err}");
    let (with, _) = score(&dir, &folder, &["--size", "16"]);
    assert_eq!(score(&dir, &out, &["--size", "16"]).0, with);
    let sized = dir.path().join("out2");
    assert_eq!(run(&["convert", paths[0], sized.to_str().unwrap(), "--size", "16"]).0, 0);
    assert_eq!(score(&dir, &sized, &[]).0, with);
    // The folder now says its size, and another one does not go beside it.
    let sized = sized.to_str().unwrap();
    let image = dir.path().join("image.png");
    let image = image.to_str().unwrap();
    let args = ["detect", image, "--model", sized, "--device", "cpu", "--out", paths[1], "--size"];
    refused(&[&args[..], &["32"]].concat(), &["detector.json", "16 x 16", "--size 32"]);
}

/// Splits the network's weights into two files with an index.
fn shard(from: &Path, to: &Path) -> Value {
    std::fs::create_dir_all(to).unwrap();
    std::fs::copy(from.join("config.json"), to.join("config.json")).unwrap();
    let bytes = std::fs::read(from.join("model.safetensors")).unwrap();
    let all = SafeTensors::deserialize(&bytes).unwrap();
    let mut map = serde_json::Map::new();
    for part in 0..2 {
        let name = format!("diffusion_pytorch_model-0000{}-of-00002.safetensors", part + 1);
        let mut keys: Vec<&str> = all.names();
        keys.sort_unstable();
        let mine: Vec<&str> = keys.into_iter().enumerate().filter(|(i, _)| i % 2 == part).map(|(_, k)| k).collect();
        let views = mine.iter().map(|k| {
            let t = all.tensor(k).unwrap();
            (k.to_string(), TensorView::new(t.dtype(), t.shape().to_vec(), t.data()).unwrap())
        });
        std::fs::write(to.join(&name), safetensors::serialize(views, None).unwrap()).unwrap();
        map.extend(mine.iter().map(|k| (k.to_string(), json!(name))));
    }
    json!({ "metadata": {}, "weight_map": map })
}

#[test]
fn files_of_an_index_are_one_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, parts) = (plain(&dir), dir.path().join("parts"));
    let index = shard(&whole, &parts);
    let place = parts.join("diffusion_pytorch_model.safetensors.index.json");
    let put = |index: &Value| std::fs::write(&place, index.to_string()).unwrap();
    let path = parts.to_str().unwrap();
    let fault = |words: &[&str]| refused(&["inspect", path], words);
    fault(&["no index"]);
    put(&index);
    assert_eq!(score(&dir, &parts, &["--size", "16"]).0, score(&dir, &whole, &["--size", "16"]).0);
    assert_eq!(score(&dir, &place, &["--size", "16"]).0, score(&dir, &whole, &["--size", "16"]).0);
    let hash = || serde_json::from_str::<Value>(&run(&["inspect", path, "--json"]).1).unwrap()["sha256"].clone();
    let before = hash();
    let second = parts.join("diffusion_pytorch_model-00002-of-00002.safetensors");
    let bytes = std::fs::read(&second).unwrap();
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(&second, &changed).unwrap();
    assert_ne!(hash(), before, "each file counts");
    std::fs::write(&second, &bytes).unwrap();

    let key = "conv_in.weight";
    let with = |file: &str| {
        let mut other = index.clone();
        other["weight_map"][key] = json!(file);
        put(&other);
    };
    let named = index["weight_map"][key].as_str().unwrap();
    with(&if named.contains("00001") {
        named.replace("00001", "00002")
    } else {
        named.replacen("00002-", "00001-", 1)
    });
    fault(&["conv_in.weight", "is not in"]);
    for outside in ["../model.safetensors", "/etc/passwd", "a/b.safetensors", ".."] {
        with(outside);
        fault(&["names the file", outside]);
    }
    put(&json!({ "weight_map": {} }));
    fault(&["names no tensor"]);
    put(&json!([1]));
    fault(&["no index of shards"]);
    put(&index);
    refused(&["inspect", second.to_str().unwrap()], &["one of the 2 files"]);
    std::fs::remove_file(&second).unwrap();
    fault(&["00002-of-00002", "is missing"]);
}

#[test]
fn faults_name_what_is_there() {
    // A network that puts out a variance as well, without a detector.json that says so.
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("learned");
    std::fs::create_dir_all(&folder).unwrap();
    small::write(&folder, 1);
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let all = SafeTensors::deserialize(&bytes).unwrap();
    let twice: Vec<(String, Vec<usize>, Vec<u8>)> = all
        .iter()
        .map(|(k, t)| {
            let (mut shape, data) = (t.shape().to_vec(), t.data());
            let double = k.starts_with("conv_out");
            shape[0] *= 1 + usize::from(double);
            (k.to_owned(), shape, if double { data.repeat(2) } else { data.to_vec() })
        })
        .collect();
    let views = twice.iter().map(|(k, s, d)| (k, TensorView::new(safetensors::Dtype::F32, s.clone(), d).unwrap()));
    std::fs::write(folder.join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    let image = dir.path().join("image.png");
    picture(&image, 16, 16, 3);
    let paths = [&image, &folder].map(|p| p.to_str().unwrap());
    let err = refused(
        &["detect", paths[0], "--model", paths[1], "--size", "16", "--device", "cpu"],
        &["model.safetensors: ", "gives 2 channels", "learned_range"],
    );
    assert!(!err.contains("detector.json: "), "{err}");
    // Its weights are converted all the same, and why there is no detector.json is said.
    let out = dir.path().join("out");
    let (code, text, err) = run(&["convert", paths[1], out.to_str().unwrap(), "--size", "16"]);
    assert!(code == 0 && text.contains("learned_range") && out.join("model.safetensors").is_file(), "{text} {err}");
    // What a flag asks for is not the file's fault.
    let err = refused(
        &["detect", paths[0], "--model", "weights/brain-pddpm", "--set", "median=2", "--device", "cpu"],
        &["--set median=2: `median` must be odd"],
    );
    assert!(!err.contains("detector.json"), "{err}");
}

#[test]
fn a_classifier_is_converted_with_all_of_its_settings() {
    let dir = tempfile::tempdir().unwrap();
    let golden = crate::common::golden("guided-classifier");
    let file = dir.path().join("weights.safetensors");
    std::fs::copy(golden.join("model.safetensors"), &file).unwrap();
    let (bare, out) = (dir.path().join("bare"), dir.path().join("classifier"));
    let [file, bare, out_text] = [&file, &bare, &out].map(|p| p.to_str().unwrap());

    let (code, text, err) = run(&["convert", file, bare]);
    assert!(
        code == 0 && text.contains("EncoderUNetModel") && text.contains("--heads or --head-channels"),
        "{text} {err}"
    );
    let flags = ["--head-channels", "32", "--attention-order", "legacy"];
    let (code, text, err) = run(&[&["convert", file, out_text][..], &flags].concat());
    assert!(code == 0 && text.contains("a classifier of 2 classes"), "{text} {err}");
    // With the original's inputs and outputs beside it, the folder is the golden again.
    std::fs::copy(golden.join("io.safetensors"), out.join("io.safetensors")).unwrap();
    let (code, text, err) = run(&["compare", out_text, "--device", "cpu"]);
    assert!(code == 0 && text.contains("grad_x_log_p"), "{text} {err}");
    let (code, text, _) = run(&["inspect", out_text]);
    assert!(code == 0 && text.contains("2, told apart by the pool `attention, 65 tokens, 2 heads`"), "{text}");
    assert!(text.contains("size         32 x 32"), "{text}");
    refused(&["convert", file, bare], &["exists already"]);
    let sized = dir.path().join("sized");
    let args = ["convert", file, sized.to_str().unwrap(), "--size", "64"];
    refused(&[&args[..], &flags].concat(), &["32x32 alone, not 64x64"]);
}
