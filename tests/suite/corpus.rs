//! No command panics, hangs or dies on any file of `tests/corpus`, whatever it is taken for.
use crate::common::small;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The longest that any command may take with these few bytes.
const LIMIT: Duration = Duration::from_secs(120);

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        match entry.is_dir() {
            true => files(&entry, into),
            false => into.push(entry),
        }
    }
    into.sort();
}

/// Each line is one command: `FILE` is a copy of the file alone in a folder, `IN` that folder, `AS_...` a folder in which it has the
/// name of one of the program's own files, `MODEL` a small model, `TABLE` one of a table, `OUT` an output folder of its own.
const COMMANDS: &[&str] = &[
    "detect FILE --model MODEL --out OUT --device cpu",
    "detect IMAGE --model FILE --out OUT --device cpu --size 8 --lambda 4 --steps 1 --runs 1",
    "detect IMAGE --model AS_detector.json --out OUT --device cpu --lambda 4 --steps 1 --runs 1",
    "detect IMAGE --model AS_calibration.json --out OUT --device cpu --fpr 0.5",
    "detect IMAGE --model AS_quality.json --out OUT --device cpu --quality fast",
    "detect IMAGE --model AS_scheduler_config.json --out OUT --device cpu",
    "detect IMAGE --model AS_config.json --out OUT --device cpu",
    "detect IMAGE --model MODEL --out AS_results.json --resume --device cpu",
    "rescore AS_results.json --threshold 0.5",
    "eval FILE --model MODEL --out OUT --device cpu",
    "eval IN --model MODEL --out OUT --device cpu",
    "eval FILE --method np --out OUT --device cpu",
    "calibrate FILE --model MODEL --device cpu",
    "dial FILE --model MODEL --device cpu --try-steps 1 --try-runs 1 --seeds 1",
    "dte fit FILE --out OUT --device cpu",
    "dte score FILE --model TABLE --device cpu",
    "dte score IMAGE --model FILE --device cpu",
    "inspect FILE",
    "convert FILE OUT",
    "selftest --model FILE --device cpu",
    "compare IN --device cpu",
];

/// A folder with everything that the commands name.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["model", "table"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        small_model(&at("model"));
        crate::common::folder::picture(&at("image.png"), 8, 8, 1);
        let rows: String = (0..20).map(|i| format!("{},{}\n", i, i * 7 % 5)).collect();
        std::fs::write(at("rows.csv"), format!("a,b\n{rows}")).unwrap();
        let fitted = ["dte", "fit", at("rows.csv").to_str().unwrap(), "--out", at("table").to_str().unwrap()]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(run(&fitted), Ok(0));
        Place { dir }
    }

    /// A command's arguments for one file.
    fn arguments(&self, line: &str, file: &Path) -> Vec<String> {
        let at = |name: &str| self.dir.path().join(name);
        let fresh = |name: &str| {
            let folder = at(name);
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir(&folder).unwrap();
            folder
        };
        let place = |word: &str| match word {
            "FILE" | "IN" => {
                let folder = fresh("in");
                let copy = folder.join(file.file_name().unwrap());
                std::fs::copy(file, &copy).unwrap();
                Some(if word == "IN" { folder } else { copy })
            }
            "IMAGE" => Some(at("image.png")),
            "MODEL" => Some(at("model")),
            "TABLE" => Some(at("table")),
            "OUT" => Some(fresh("out")),
            _ => word.strip_prefix("AS_").map(|name| {
                let folder = fresh("as");
                small_model(&folder);
                std::fs::copy(file, folder.join(name)).unwrap();
                folder
            }),
        };
        let text = |word: &str| place(word).map_or(word.to_owned(), |p| p.to_str().unwrap().to_owned());
        line.split_whitespace().map(text).collect()
    }
}

fn small_model(folder: &Path) {
    small::write(folder, 1);
    let settings = r#"{"format": 2, "name": "small", "input": {"width": 8, "height": 8, "channels": 1, "range": [-1, 1]},
        "networks": {"denoiser": {"file": "model.safetensors"}},
        "system": {"method": "anoddpm", "lambda": 4, "sampler": {"kind": "ddim", "steps": 1}}}"#;
    std::fs::write(folder.join("detector.json"), settings).unwrap();
}

/// The exit code, or what was wrong with the way in which the program ended.
fn run(arguments: &[String]) -> Result<i32, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_residua"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut said, &mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let start = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if start.elapsed() > LIMIT => {
                child.kill().unwrap();
                return Err(format!("still runs after {LIMIT:?}"));
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let said = reader.join().unwrap();
    match status.code() {
        Some(code @ 0..=2) if !said.contains("panicked") => Ok(code),
        _ => Err(format!("{status}: {said}")),
    }
}

#[test]
fn no_command_panics_or_hangs_on_any_file_of_the_corpus() {
    let mut all = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus"), &mut all);
    assert!(all.len() > 30, "the corpus is not there");
    let (queue, faults) = (Mutex::new(all), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, |n| n.get().min(8)) {
            scope.spawn(|| {
                let place = Place::new();
                while let Some(file) = { queue.lock().unwrap().pop() } {
                    for line in COMMANDS {
                        let arguments = place.arguments(line, &file);
                        if let Err(fault) = run(&arguments) {
                            faults.lock().unwrap().push(format!("{}: {line}: {fault}", file.display()));
                        }
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
