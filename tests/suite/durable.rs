//! What `--resume` keeps and what it does again, and what becomes of an earlier run's results.
use crate::common::bench::{Bench, ended};
use crate::common::volume::nifti;
use residua::report::{JournalEntries, Results};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::time::SystemTime;

fn changed(path: &Path) -> SystemTime {
    std::fs::metadata(path).unwrap().modified().unwrap()
}
fn hash(path: &Path) -> String {
    Sha256::digest(std::fs::read(path).unwrap()).iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn a_replaced_picture_is_computed_again_and_no_other() {
    let b = Bench::new(&["a", "b"]);
    assert_eq!(b.run(&[]).0, 0);
    let before = b.records("out");
    assert_eq!(before[0]["input_sha256"], hash(&b.at("in/a.png")), "the hash is that of the file");
    // Of the same size and with the time of the old one.
    let time = changed(&b.at("in/a.png"));
    b.picture("in/a.png", 40);
    std::fs::File::options().write(true).open(b.at("in/a.png")).unwrap().set_modified(time).unwrap();
    assert_eq!(b.run(&["--resume"]).0, 0);
    let after = b.records("out");
    assert_ne!(after[0]["score"], before[0]["score"]);
    assert_eq!(after[1], before[1], "b is kept to the seconds it took");
    assert!(b.detect(&b.at("in"), "fresh").output().unwrap().status.success());
    assert_eq!(b.scores("out"), b.scores("fresh"));
    // A picture of another folder with the same name is another picture.
    b.picture("elsewhere/in/a.png", 50);
    let mut there = b.detect(Path::new("in"), "out");
    let (code, _, err) = ended(&there.arg("--resume").current_dir(b.at("elsewhere")).output().unwrap());
    assert_eq!((code, b.records("out").len()), (0, 1), "{err}");
    assert_eq!(b.records("out")[0]["input_sha256"], hash(&b.at("elsewhere/in/a.png")));
    assert!(!b.at("out/b").exists(), "pictures of what is no result any more go");
}

#[test]
fn what_is_missing_is_made_again() {
    let b = Bench::new(&["a", "b"]);
    assert_eq!(b.run(&[]).0, 0);
    let before = b.records("out");
    std::fs::write(b.at("out/b/overlay.png"), b"").unwrap();
    assert_eq!(b.run(&["--resume"]).0, 0);
    assert_eq!(b.records("out")[0], before[0]);
    assert_ne!(b.records("out")[1]["seconds"], before[1]["seconds"], "an empty file, as a power cut leaves it");
    assert_eq!(b.run(&["--resume", "--maps"]).0, 0);
    assert!(b.at("out/a/map.npy").is_file() && b.at("out/b/map.npy").is_file());
    // A map that this run did not write would pass for its own.
    assert_eq!(b.run(&[]).0, 0);
    assert!(!b.at("out/a/map.npy").exists());
}

#[test]
fn results_without_hashes_are_read_and_nothing_of_them_is_kept() {
    let b = Bench::new(&["a"]);
    assert_eq!(b.run(&[]).0, 0);
    let mut old = b.results("out");
    old["records"][0].as_object_mut().unwrap().remove("input_sha256").unwrap();
    std::fs::write(b.at("out/results.json"), old.to_string()).unwrap();
    let (code, _, err) = b.run(&["--resume"]);
    assert!(code == 0 && err.contains("do not say of which content they are"), "{err}");
    assert_ne!(b.records("out")[0]["seconds"], old["records"][0]["seconds"]);
}

#[test]
fn files_of_earlier_runs_are_read() {
    let at = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/results").join(name);
    let old = Results::read(&at("before-hashes.json")).unwrap();
    let scores: Vec<f64> = old.records.iter().map(|r| r.score).collect();
    assert_eq!(scores, [0.02445702733396938, 0.018593186367034765]);
    assert!(old.records.iter().all(|r| r.input_sha256.is_none() && r.slices.is_none()));
    let bytes = std::fs::read(at("cut-off.journal")).unwrap();
    let entries = JournalEntries::parse(&bytes);
    assert_eq!(entries.records.iter().map(|r| r.score).collect::<Vec<_>>(), scores);
    assert_eq!((entries.whole, entries.unreadable), (bytes.len() as u64 - 300, 0));
    let name = entries.records[1].path.as_os_str().as_encoded_bytes();
    assert!(!cfg!(unix) || name == b"M\xfcller/brick-2.png");
}

#[test]
fn a_mask_that_counts_is_part_of_the_content() {
    let b = Bench::new(&["a"]);
    let settings = json!({"format": 2, "name": "small", "networks": {"denoiser": {"file": "model.safetensors"}},
        "input": {"width": 32, "height": 32, "channels": 1, "range": [-1, 1],
                  "scaling": {"kind": "min_max", "over": "mask"}},
        "system": {"method": "anoddpm", "lambda": 20, "sampler": {"kind": "ddim", "steps": 2, "eta": 0}}});
    std::fs::write(b.at("model/detector.json"), settings.to_string()).unwrap();
    let mask = |split: u32| {
        image::GrayImage::from_fn(32, 32, |x, _| image::Luma([if x < split { 255 } else { 0 }]))
            .save(b.at("in/a_mask.png"))
            .unwrap();
    };
    let seconds = |b: &Bench| b.records("out")[0]["seconds"].clone();
    assert_eq!(b.run(&[]).0, 0);
    let without = seconds(&b);
    mask(16);
    let (code, _, err) = b.run(&["--resume"]);
    assert!(code == 0 && err.contains("passed over as masks") && err.contains("a_mask.png"), "{err}");
    let first = seconds(&b);
    assert_ne!(first, without);
    assert_eq!(b.run(&["--resume"]).0, 0);
    assert_eq!(seconds(&b), first);
    mask(20);
    assert_eq!(b.run(&["--resume"]).0, 0);
    assert_ne!(seconds(&b), first);
}

/// Of 8 x 6 x 2 voxels.
fn volume(path: &Path, first: u8) {
    nifti(path, [8, 6, 2], 1, &(0..96).map(|i| first + i).collect::<Vec<u8>>());
}

#[test]
fn a_finished_volume_is_never_done_again() {
    let b = Bench::new(&["a"]);
    volume(&b.at("in/v.nii"), 0);
    assert_eq!(b.run(&[]).0, 0);
    let before = b.records("out");
    assert_eq!((before.len(), &before[1]["slices"]), (3, &json!(2)));
    assert_eq!(b.run(&["--resume"]).0, 0);
    assert_eq!(b.records("out"), before, "neither the picture nor the volume");
    // As if it had been cut off before the whole map: its slices go together.
    std::fs::remove_file(b.at("out/v/map.nii.gz")).unwrap();
    assert_eq!(b.run(&["--resume"]).0, 0);
    let again = b.records("out");
    assert!(again[0] == before[0] && b.at("out/v/map.nii.gz").exists());
    assert!((1..3).all(|i| again[i]["seconds"] != before[i]["seconds"] && again[i]["score"] == before[i]["score"]));
    let (code, _, err) = b.run(&["--resume", "--axis", "1"]);
    let along: Vec<Value> = b.records("out");
    assert!(code == 0 && along.len() == 7, "{err}");
    assert!(!b.at("out/v/v_k0").exists() && b.at("out/v/v_j5/mask.png").exists());
    volume(&b.at("in/v.nii"), 100);
    assert_eq!(b.run(&["--resume", "--axis", "1"]).0, 0);
    assert_ne!(b.records("out")[1]["seconds"], along[1]["seconds"]);
}

#[test]
fn results_of_another_run_give_way_and_that_is_said() {
    let b = Bench::new(&["a", "b"]);
    assert_eq!(b.run(&[]).0, 0);
    std::fs::write(b.at("out/a/notes.txt"), "a user's").unwrap();
    let (code, _, err) = b.run(&[]);
    assert!(code == 0 && !err.contains("replaced"), "the same again: {err}");
    b.picture("other/c.png", 9);
    let (code, _, err) = ended(&b.detect(&b.at("other"), "out").output().unwrap());
    assert!(code == 0 && err.contains("the results of another run are replaced: 2 images"), "{err}");
    assert!(!b.at("out/b").exists() && b.at("out/c/mask.png").exists());
    assert!(b.at("out/a/notes.txt").exists() && !b.at("out/a/mask.png").exists());
    // What fails before its first result leaves everything.
    std::fs::create_dir(b.at("bad")).unwrap();
    std::fs::write(b.at("bad/x.png"), "no picture").unwrap();
    let weights = b.at("model/model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..100]).unwrap();
    assert_eq!(ended(&b.detect(&b.at("bad"), "out").output().unwrap()).0, 2);
    assert_eq!(b.records("out").len(), 1);
    // Somebody else's results.json is not overwritten.
    std::fs::write(&weights, bytes).unwrap();
    std::fs::write(b.at("out/results.json"), "[]").unwrap();
    let (code, _, err) = b.run(&[]);
    assert!(code == 2 && err.contains("results.json: is not a results file"), "{err}");
    assert_eq!(std::fs::read(b.at("out/results.json")).unwrap(), b"[]");
}

#[test]
fn what_cannot_be_written_is_named_and_the_scores_are_told() {
    let b = Bench::new(&["a", "b", "c"]);
    std::fs::create_dir(b.at("out")).unwrap();
    std::fs::write(b.at("out/b"), "in the way").unwrap();
    let (code, out, err) = b.run(&[]);
    assert_eq!(code, 2);
    assert!(err.contains(b.at("out/b").to_str().unwrap()), "{err}");
    assert!(["a ", "b ", "c "].iter().all(|name| out.contains(name)), "all of the batch was scored: {out}");
    assert_eq!(b.scores("out").len(), 1, "what is finished stays");
    std::fs::remove_file(b.at("out/b")).unwrap();
    let before = b.records("out");
    assert_eq!(b.run(&["--resume"]).0, 0);
    assert_eq!((b.records("out").len(), &b.records("out")[0]), (3, &before[0]));
}

#[test]
fn one_folder_takes_one_run_at_a_time() {
    let b = Bench::new(&["a"]);
    std::fs::create_dir_all(b.at("data/good")).unwrap();
    std::fs::create_dir_all(b.at("data/bad")).unwrap();
    b.picture("data/good/a.png", 1);
    b.picture("data/bad/b.png", 2);
    let lock = residua::data::lock_folder(&b.at("out")).unwrap();
    let refused = format!("another run is writing into this folder (process {}", std::process::id());
    let (code, _, err) = b.run(&[]);
    assert!(code == 2 && err.contains(&refused), "{err}");
    let eval = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_residua"));
        command.arg("eval").arg(b.at("data")).arg("--model").arg(b.at("model")).arg("--out").arg(b.at("out"));
        ended(&command.args(["--device", "cpu"]).output().unwrap())
    };
    let (code, _, err) = eval();
    assert!(code == 2 && err.contains(&refused), "{err}");
    drop(lock);
    assert_eq!((eval().0, b.run(&[]).0), (0, 0));
}
