//! `residua eval` on tables: a fitted model and a method fitted on each, held to counts made here.

use crate::common::run;
use std::path::Path;
use tempfile::TempDir;

/// Two columns that wander over a square; every ninth row is an anomaly and lies further out, mostly.
fn table(shift: usize, rows: usize) -> String {
    let mut text = String::from("a,b,label\n");
    for i in 0..rows {
        let (u, v) = ((i * 37 + shift) % 101, (i * 53 + 3 * shift) % 97);
        let anomaly = i % 9 == 4;
        let out = if anomaly { 40 + i % 90 } else { 0 };
        text += &format!("{},{},{}\n", u + out, v, u8::from(anomaly));
    }
    text
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The share of pairs in the right order.
fn pairs(scores: &[f64], labels: &[bool]) -> f64 {
    let of = |anomalous| scores.iter().zip(labels).filter(move |s| *s.1 == anomalous).map(|s| *s.0);
    let (mut right, mut all) = (0.0, 0.0);
    for a in of(true) {
        for n in of(false) {
            right += if a > n { 1.0 } else { f64::from(u8::from(a == n)) / 2.0 };
            all += 1.0;
        }
    }
    right / all
}

struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let b = Bench(TempDir::new().unwrap());
        std::fs::create_dir(b.0.path().join("tables")).unwrap();
        for (name, shift, rows) in [("2_Left.csv", 0, 300), ("right.csv", 11, 250)] {
            std::fs::write(b.0.path().join("tables").join(name), table(shift, rows)).unwrap();
        }
        b
    }
    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
    fn eval(&self, input: &str, more: &[&str]) -> (i32, String, String) {
        let (input, out) = (self.at(input), self.at("out"));
        run(&[&["eval", &input, "--out", &out, "--device", "cpu"], more].concat())
    }
}

#[test]
fn a_fitted_model_is_measured_by_its_own_scores() {
    let b = Bench::new();
    let (left, model, scores) = (b.at("tables/2_Left.csv"), b.at("model"), b.at("scores.csv"));
    assert_eq!(run(&["dte", "fit", &left, "--out", &model, "--device", "cpu"]).0, 0);
    let (code, _, err) = run(&["dte", "score", &left, "--model", &model, "--out", &scores, "--device", "cpu"]);
    assert_eq!(code, 0, "{err}");
    let (code, out, err) = b.eval("tables/2_Left.csv", &["--model", &model, "--json"]);
    assert_eq!(code, 0, "{out}{err}");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json(&b.0.path().join("out/eval.json")), report);
    let text = std::fs::read_to_string(scores).unwrap();
    let scores: Vec<f64> = text.lines().skip(1).map(|l| l.split(',').nth(1).unwrap().parse().unwrap()).collect();
    let labels: Vec<bool> = (0..300).map(|i| i % 9 == 4).collect();
    let set = &report["sets"][0];
    let auroc = pairs(&scores, &labels);
    assert!(auroc > 0.7 && auroc < 1.0 && (set["auroc"].as_f64().unwrap() - auroc).abs() < 1e-12, "{auroc} {set}");
    assert_eq!((&set["name"], &set["rows"], &set["columns"]), (&"left".into(), &300.into(), &2.into()));
    assert_eq!((&set["std"], &set["seeds"], &set["published"]), (&0.0.into(), &1.into(), &serde_json::Value::Null));
    for key in ["auprc", "f1_max", "fpr_at_tpr95", "f1_at_anomalies"] {
        assert!((0.0..=1.0).contains(&set[key].as_f64().unwrap()), "{set}");
    }
    for file in ["eval.md", "eval.html", "roc.svg", "pr.svg", "histogram.svg"] {
        assert!(b.0.path().join("out").join(file).is_file(), "{file}");
    }
    let (code, _, err) = b.eval("tables", &["--model", &model, "--protocol", "paper"]);
    assert!(code == 2 && err.contains("--model"), "{err}");
    let (code, _, err) = b.eval("tables", &["--model", &model, "--method", "np"]);
    assert!(code == 2 && err.contains("--model"), "{err}");
}

#[test]
fn a_method_is_fitted_on_each_and_a_bad_table_costs_only_itself() {
    let b = Bench::new();
    std::fs::write(b.at("tables/broken.csv"), "a,b,label\n1,x,0\n").unwrap();
    std::fs::write(b.at("tables/unlabelled.csv"), "a,b\n1,2\n3,4\n").unwrap();
    std::fs::write(b.at("tables/published.csv"), "set,DTE-NP\nLeft,81.5(0.3)\nother,3\n").unwrap();
    let published = b.at("tables/published.csv");
    let (code, out, err) = b.eval("tables", &["--published", &published, "--seeds", "3"]);
    assert!(code == 2 && err.contains("broken.csv: line 2, column `b`"), "{out}{err}");
    assert!(err.contains("unlabelled.csv: the table has no labels"), "{err}");
    let report = json(&b.0.path().join("out/eval.json"));
    let [sets, failures] = ["sets", "failures"].map(|k| report[k].as_array().unwrap());
    assert_eq!((sets.len(), failures.len()), (2, 2));
    let auroc = |i: usize| sets[i]["auroc"].as_f64().unwrap();
    assert_eq!((&sets[0]["seeds"], &sets[0]["published"]), (&3.into(), &0.815.into()));
    assert!(sets[0]["std"].as_f64().unwrap() > 0.0 && auroc(0) > 0.6);
    let mean = &report["mean"];
    assert!((mean["auroc"].as_f64().unwrap() - (auroc(0) + auroc(1)) / 2.0).abs() < 1e-12);
    assert_eq!((mean["published"].as_f64(), mean["auroc_where_published"].as_f64()), (Some(0.815), Some(auroc(0))));
    assert_eq!(report["source"]["method"], "DTE-NP");
    let page = std::fs::read_to_string(b.at("out/eval.md")).unwrap();
    let row = format!("| left | 300 | 2 | 3 | {:.2} |", 100.0 * auroc(0));
    assert!(page.contains(&row) && out.contains(&row) && page.contains("| mean of 2 |"), "{page}{out}");
    assert!(page.contains(&format!("| 81.50 | {:+.2} |", 100.0 * (auroc(0) - 0.815))), "{page}");
    assert!(!Path::new(&b.at("out/roc.svg")).exists());
}

#[test]
fn flags_for_tables_are_refused_for_images() {
    let b = Bench::new();
    std::fs::create_dir_all(b.at("images/good")).unwrap();
    let (code, _, err) = b.eval("images", &["--protocol", "paper"]);
    assert!(code == 2 && err.contains("no table") && err.contains("--protocol"), "{err}");
    std::fs::write(b.at("list.csv"), "path,label\nnone.png,1\n").unwrap();
    let (code, _, err) = b.eval("list.csv", &[]);
    assert!(code == 2 && err.contains("none.png"), "{err}");
    let (code, _, err) = b.eval("tables", &["--model", &b.at("nowhere")]);
    assert!(code == 2 && err.contains("nowhere"), "{err}");
    assert_ne!(run(&["dte", "eval", &b.at("tables")]).0, 0);
}
