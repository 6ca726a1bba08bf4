//! Runs that are killed: what was finished stays, is the same as without, and is never computed again.
use crate::common::bench::{Bench, ended};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The whole lines of a journal that hold an image, by its folder.
fn journal(out: &Path) -> BTreeMap<String, Value> {
    let bytes = std::fs::read(out.join("results.journal")).unwrap_or_default();
    let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let lines = bytes[..whole].split(|&b| b == b'\n').filter(|line| !line.is_empty());
    let images = lines.filter_map(|line| serde_json::from_slice::<Value>(line).unwrap().get("image").cloned());
    images.map(|image| (image["folder"].as_str().unwrap().to_owned(), image)).collect()
}

fn quiet(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until so many images are in the journal, or the run has ended.
fn wait_for(child: &mut Child, out: &Path, images: usize) {
    let start = Instant::now();
    while journal(out).len() < images && child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing was finished");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Adds what the journal holds to what is finished, and holds it to what was finished before: the seconds that an image took
/// tell one computation of it from another.
fn take(finished: &mut BTreeMap<String, Value>, out: &Path) {
    for (folder, image) in journal(out) {
        assert_eq!(finished.entry(folder).or_insert_with(|| image.clone()), &image, "it was computed twice");
    }
}

/// Resumes to the end, and holds results to those of an uninterrupted run in `whole`: byte for byte where batches were the
/// same (`exact`); otherwise the order of sums is another one.
fn check(b: &Bench, finish: &mut Command, finished: &BTreeMap<String, Value>, exact: bool) {
    let (code, _, err) = ended(&finish.output().unwrap());
    assert_eq!(code, 0, "{err}");
    let (out, whole) = (b.scores("out"), b.scores("whole"));
    let near = |a: &(String, f64), b: &(String, f64)| a.0 == b.0 && (a.1 - b.1).abs() <= 1e-6 * b.1;
    assert!(out.len() == whole.len() && out.iter().zip(&whole).all(|(a, b)| near(a, b)), "{out:?} {whole:?}");
    if exact {
        assert_eq!(out, whole);
    }
    assert!(!b.at("out/results.journal").exists());
    let records: BTreeMap<_, _> =
        b.records("out").into_iter().map(|r| (r["folder"].as_str().unwrap().to_owned(), r)).collect();
    for (folder, image) in finished {
        assert_eq!(&records[folder], image, "what was finished was computed again");
    }
    for r in records.keys().filter(|_| exact) {
        for file in ["heatmap.png", "overlay.png", "mask.png", "reconstruction.png"] {
            let read = |out: &str| std::fs::read(b.at(out).join(r).join(file)).unwrap();
            assert_eq!(read("out"), read("whole"), "{r}/{file}");
        }
    }
}

#[test]
fn what_is_finished_outlives_sigkill() {
    let b = Bench::new(&["a", "b", "c", "d", "e", "f", "g"]);
    let (input, out) = (b.at("in"), b.at("out"));
    assert!(b.detect(&input, "whole").args(["--batch", "1"]).output().unwrap().status.success());
    let resume = || {
        let mut command = b.detect(&input, "out");
        command.args(["--resume", "--batch", "1"]);
        command
    };
    let mut finished = BTreeMap::new();
    for images in [1, 3, 6] {
        let mut child = quiet(&mut resume());
        wait_for(&mut child, &out, images);
        child.kill().unwrap();
        child.wait().unwrap();
        // The lock went with its process, and a torn line with the next run.
        let at = out.join("results.journal");
        // On a machine with much else to do it may have come to its end.
        let Ok(journal) = std::fs::read(&at) else { break };
        let torn = [journal, b"{\"image\": {\"path\": \"in".to_vec()].concat();
        std::fs::write(&at, torn).unwrap();
        take(&mut finished, &out);
        assert!(finished.len() >= images.min(7));
    }
    check(&b, &mut resume(), &finished, true);
}

#[cfg(unix)]
#[test]
fn a_request_to_end_leaves_results_and_report() {
    for signal in ["-TERM", "-HUP", "-INT"] {
        let b = Bench::new(&["a", "b", "c", "d", "e", "f", "g", "h"]);
        let mut child = quiet(b.detect(&b.at("in"), "out").args(["--batch", "1"]));
        wait_for(&mut child, &b.at("out"), 1);
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let code = child.wait().unwrap().code();
        let done = b.records("out").len();
        // It may have come to its end in the meantime.
        assert!(code == Some(2) || (done == 8 && code == Some(0)), "{signal}: {code:?}");
        assert!(done >= 1 && b.at("out/report.html").exists() && !b.at("out/results.journal").exists());
        let (code, _, err) = b.run(&["--resume"]);
        assert!(code == 0 && b.records("out").len() == 8, "{err}");
    }
}

/// As its name says, on the shipped model; it takes minutes, so it is run by hand:
/// `cargo test --test suite -- --ignored --nocapture sixty_kills`.
#[test]
#[ignore = "takes minutes"]
fn sixty_kills_at_random_moments() {
    for batch in ["1", "4"] {
        kill_at_random(30, batch);
    }
}

fn kill_at_random(wanted: usize, batch: &str) {
    let b = Bench::new(&[]);
    for i in 0..30 {
        b.picture(&format!("in/p{i:02}.png"), i);
    }
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/texture");
    let detect = |out: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_residua"));
        command.arg("detect").arg(b.at("in")).arg("--model").arg(&model).arg("--out").arg(b.at(out));
        command.args(["--runs", "1", "--steps", "1", "--device", "cpu", "--resume", "--batch", batch]);
        command
    };
    assert!(detect("whole").output().unwrap().status.success());
    let mut random = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
    println!("batch {batch}, seed {random}");
    let (mut kills, mut ends, mut kept) = (0, 0, 0);
    let mut finished = BTreeMap::new();
    while kills < wanted {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut child = quiet(&mut detect("out"));
        std::thread::sleep(Duration::from_micros(random % 2_500_000));
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            kills += 1;
        }
        let ended = child.wait().unwrap().success();
        take(&mut finished, &b.at("out"));
        if ended {
            (ends, kept) = (ends + 1, kept + finished.len());
            check(&b, &mut detect("out"), &finished, batch == "1");
            std::fs::remove_dir_all(b.at("out")).unwrap();
            finished.clear();
        }
    }
    check(&b, &mut detect("out"), &finished, batch == "1");
    println!("{kills} kills, {} runs that came to their end, {} images kept", ends + 1, kept + finished.len());
}
