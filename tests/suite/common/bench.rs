//! A folder of pictures, a small model and an output folder, and the program run on them.
use super::folder::{model, picture};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// All of it lies in one temporary folder: `in`, `model`, `out`.
pub struct Bench {
    dir: TempDir,
}

impl Bench {
    /// With square pictures of these names in `in`, each different.
    pub fn new(pictures: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        model(&dir);
        let bench = Bench { dir };
        std::fs::create_dir(bench.at("in")).unwrap();
        for (i, name) in pictures.iter().enumerate() {
            bench.picture(&format!("in/{name}.png"), i as u32);
        }
        bench
    }
    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    pub fn picture(&self, name: &str, shift: u32) {
        std::fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        picture(&self.at(name), 32, 32, shift);
    }
    pub fn detect(&self, input: &Path, out: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_residua"));
        command.arg("detect").arg(input).arg("--model").arg(self.at("model")).arg("--out").arg(self.at(out));
        command.args(["--device", "cpu"]);
        command
    }
    /// (exit code, standard output, standard error) of `detect in --out out`.
    pub fn run(&self, more: &[&str]) -> (i32, String, String) {
        ended(&self.detect(&self.at("in"), "out").args(more).output().unwrap())
    }
    pub fn results(&self, out: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.at(out).join("results.json")).unwrap()).unwrap()
    }
    pub fn records(&self, out: &str) -> Vec<Value> {
        self.results(out)["records"].as_array().unwrap().clone()
    }
    /// Name and score of each record.
    pub fn scores(&self, out: &str) -> Vec<(String, f64)> {
        let of = |r: &Value| (r["name"].as_str().unwrap().to_owned(), r["score"].as_f64().unwrap());
        self.records(out).iter().map(of).collect()
    }
}

/// (exit code, standard output, standard error).
pub fn ended(output: &Output) -> (i32, String, String) {
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    (output.status.code().expect("it ends by itself"), text(&output.stdout), text(&output.stderr))
}
