//! `residua dte` on tables as pandas, R and Excel write them: which columns are features, which the label, and what numbers mean.
//! The scores of `corpus/tables/plain.csv` are scikit-learn's: `StandardScaler` fitted to the 258 normal rows, the mean of the
//! five smallest squared distances of `NearestNeighbors`, `roc_auc_score`.

mod fills;
mod numbers;

use crate::common::run;
use std::path::Path;
use tempfile::TempDir;

/// Of all 300 rows.
const MEAN: f64 = 3.3355290888331366;
/// Of the first four rows.
const FIRST: [f64; 4] = [0.36340599, 0.37194453, 0.19362358, 0.95368936];

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Place(TempDir::new().unwrap())
    }
    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.at(name), content).unwrap();
        self.at(name)
    }
    fn fit(&self, table: &str, model: &str, more: &[&str]) -> (i32, String, String) {
        run(&[&["dte", "fit", &self.at(table), "--out", &self.at(model), "--device", "cpu"], more].concat())
    }
    fn score(&self, table: &str, model: &str, more: &[&str]) -> (i32, String, String) {
        run(&[&["dte", "score", &self.at(table), "--model", &self.at(model), "--device", "cpu"], more].concat())
    }
    /// The error of a fit that must fail.
    fn refused(&self, content: impl AsRef<[u8]>, name: &str, more: &[&str]) -> String {
        self.write(name, content);
        let (code, out, err) = self.fit(name, "refused", more);
        assert!(code == 2 && !Path::new(&self.at("refused")).exists(), "{name}: {out}{err}");
        assert!(err.contains(name) && !err.contains("panicked"), "{err}");
        err
    }
}

fn plain() -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/tables/plain.csv"));
    text.unwrap().lines().map(|l| l.split(',').map(str::to_owned).collect()).collect()
}

/// A CSV file of these records with another separator.
fn text(rows: &[Vec<String>], separator: &str) -> String {
    rows.iter().map(|r| r.join(separator) + "\n").collect()
}

/// The table with another name, or other values, for the label.
fn labelled(name: &str, values: [&str; 2]) -> String {
    let mut rows = plain();
    for row in &mut rows {
        let new = match row[4].as_str() {
            "label" => name,
            "0" => values[0],
            _ => values[1],
        };
        row[4] = new.into();
    }
    text(&rows, ",")
}

fn scores(out: &str) -> Vec<f64> {
    out.lines().skip(1).map(|l| l.split(',').nth(1).unwrap().parse().unwrap()).collect()
}

fn agrees(out: &str) {
    let scores = scores(out);
    assert_eq!(scores.len(), 300);
    let mean = scores.iter().sum::<f64>() / 300.0;
    assert!((mean - MEAN).abs() < 1e-5, "{mean}");
    for (found, wanted) in scores.iter().zip(FIRST) {
        assert!((found - wanted).abs() < 1e-5, "{found} {wanted}");
    }
}

#[test]
fn columns_go_by_their_names() {
    let p = Place::new();
    p.write("plain.csv", text(&plain(), ","));
    let (code, out, err) = p.fit("plain.csv", "model", &[]);
    assert!(code == 0 && out.contains("fitted to 258 of 300 rows, 4 columns"), "{out}{err}");
    assert!(err.lines().count() == 1 && err.contains("the labels are those of `label`"), "{err}");
    let (code, whole, err) = p.score("plain.csv", "model", &[]);
    assert!(code == 0 && err.contains("AUROC 100.00 %"), "{err}");
    agrees(&whole);
    let columns = |order: &[usize]| -> Vec<Vec<String>> {
        plain().iter().map(|r| order.iter().map(|&i| r[i].clone()).collect()).collect()
    };
    // Another order; without the label; with one of another name behind an index.
    p.write("reordered.csv", text(&columns(&[3, 2, 1, 0, 4]), ","));
    p.write("unlabelled.csv", text(&columns(&[1, 0, 3, 2]), ","));
    let mut indexed = columns(&[4, 3, 2, 1, 0]);
    indexed
        .iter_mut()
        .enumerate()
        .for_each(|(i, r)| r.insert(0, if i == 0 { String::new() } else { (7 * i).to_string() }));
    indexed[0][1] = "is_anomaly".into();
    p.write("indexed.csv", text(&indexed, ","));
    for name in ["reordered.csv", "unlabelled.csv", "indexed.csv"] {
        let (code, out, err) = p.score(name, "model", &[]);
        assert!(code == 0 && out == whole, "{name}: {err}");
        assert_eq!(err.contains("AUROC 100.00 %"), name != "unlabelled.csv", "{err}");
    }
    let (code, out, err) = p.score("plain.csv", "model", &["--drop", "label"]);
    assert!(code == 0 && out == whole && err.lines().count() == 1, "{err}");
    // Missing and surplus columns, by name.
    let mut other = columns(&[0, 1, 2, 3, 3, 4]);
    (other[0][1], other[0][3]) = ("B".into(), "extra".into());
    p.write("other.csv", text(&other, ","));
    let (code, _, err) = p.score("other.csv", "model", &[]);
    assert!(
        code == 2 && err.contains("other.csv: ") && err.contains("lacks `b`") && err.contains("`B`, `extra`"),
        "{err}"
    );
    other[0][1] = "b".into();
    p.write("other.csv", text(&other, ","));
    let (code, out, err) = p.score("other.csv", "model", &["--drop", "extra"]);
    assert!(code == 0 && out == whole, "{err}");
    // eval takes the same way.
    let eval = |table: &str, more: &[&str]| {
        let (table, model, out) = (p.at(table), p.at("model"), p.at("out"));
        run(&[&["eval", &table, "--model", &model, "--out", &out, "--device", "cpu"], more].concat())
    };
    let (code, out, err) = eval("reordered.csv", &[]);
    assert!(code == 0 && out.contains("| 100.00 |"), "{out}{err}");
    let (code, out, err) = eval("other.csv", &[]);
    assert!(code == 2 && err.contains("`extra`"), "{out}{err}");
    assert_eq!(eval("other.csv", &["--drop", "extra"]).0, 0);
}

#[test]
fn names_that_are_not_known_are_said() {
    let p = Place::new();
    p.write("plain.csv", text(&plain(), ","));
    p.write("headless.csv", text(&plain()[1..].iter().map(|r| r[..4].to_vec()).collect::<Vec<_>>(), ","));
    p.fit("plain.csv", "model", &[]);
    let (_, whole, _) = p.score("plain.csv", "model", &[]);
    let (code, out, err) = p.score("headless.csv", "model", &[]);
    assert!(code == 0 && out == whole && err.contains("by their position"), "{err}");
    // A folder from before models knew their columns' names.
    let path = p.0.path().join("model/config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(config["table"], serde_json::json!({ "features": ["a", "b", "c", "d"], "label": "label" }));
    config.as_object_mut().unwrap().remove("table");
    std::fs::write(&path, config.to_string()).unwrap();
    let (code, out, err) = p.score("plain.csv", "model", &[]);
    assert!(code == 0 && out == whole && err.contains("the model does not know the names"), "{err}");
    // A model of an array has none.
    let (code, out, err) = p.fit("headless.csv", "headless", &[]);
    assert!(code == 0 && out.contains("300 of 300 rows, 4 columns") && err.contains("read as a row"), "{out}{err}");
    let err = p.refused("1,2\n3,4\n5,7\n", "numbers.csv", &["--label", "y"]);
    assert!(err.contains("no names of columns, such as --label needs"), "{err}");
    let err = p.refused("a,b,a\n1,2,3\n", "twice.csv", &[]);
    assert!(err.contains("two columns `a`"), "{err}");
}

#[test]
fn labels_of_every_name_and_spelling() {
    let p = Place::new();
    let fits = |content: String, more: &[&str], says: &str| {
        p.write("t.csv", content);
        let (code, out, err) = p.fit("t.csv", "model", more);
        assert!(
            code == 0 && out.contains("fitted to 258 of 300 rows, 4 columns") && err.contains(says),
            "{says}: {out}{err}"
        );
        let (code, out, err) = p.score("t.csv", "model", more);
        assert!(code == 0 && err.contains("AUROC 100.00 %"), "{err}");
        agrees(&out);
    };
    for name in ["Class", "Label", "outlier", "is_anomaly", "TARGET", "Y", "ground truth"] {
        fits(
            labelled(name, ["0", "1"]),
            &[],
            &format!("the labels are those of `{name}`: 42 of 300 rows are anomalous (`1`)"),
        );
    }
    for values in [["False", "True"], ["normal", "anomaly"], ["inlier", "Outlier"], ["0.0", "1.0"]] {
        fits(labelled("y", values), &[], "");
    }
    fits(labelled("y", ["1", "-1"]), &[], "-1 is taken for an outlier and 1 for an inlier, as in scikit-learn");
    fits(
        labelled("y", ["-1", "1"]),
        &["--anomalous", "1"],
        "42 of 300 rows are anomalous (`1`), the others normal (`-1`)",
    );
    fits(labelled("kind", ["ok", "broken"]), &["--label", "kind", "--normal", "ok"], "anomalous (`broken`)");
    fits(labelled("truth", ["2", "5"]), &["--anomalous", "5"], "anomalous (`5`)");

    for (values, more, says) in [
        // The other way round most rows would be outliers.
        (["-1", "1"], &[][..], "most rows cannot be outliers"),
        (["2", "5"], &[], "a label is 2"),
        (["fine", "broken"], &[], "--anomalous VALUE"),
        (["0", "1"], &["--anomalous", "7"], "no row has the label `7`"),
        (["0", "1"], &["--label", "Class"], "no column `Class`"),
        (["0", "1"], &["--anomalous", "0,1"], "every row is labelled anomalous"),
        (["0", ""], &[], "a label is NaN, that is, missing"),
    ] {
        let err = p.refused(labelled("class", values), "l.csv", more);
        assert!(err.contains(says), "{says}: {err}");
    }
    let err = p.refused(labelled("is_normal", ["1", "0"]), "l.csv", &[]);
    assert!(err.contains("may say which rows are normal"), "{err}");
    let err = p.refused("a,b,y,label\n1,2,0,1\n", "l.csv", &[]);
    assert!(err.contains("`y`, `label` look like labels") && err.contains("--label none"), "{err}");
    // Two values under another name, in the last column, and labels that a user says are none.
    p.write("t.csv", labelled("broken", ["0", "1"]));
    let (_, out, err) = p.fit("t.csv", "model", &[]);
    assert!(out.contains("300 of 300 rows, 5 columns") && err.contains("--label broken"), "{out}{err}");
    p.write("t.csv", labelled("label", ["0", "1"]));
    let (_, out, err) = p.fit("t.csv", "model", &["--label", "none"]);
    assert!(out.contains("300 of 300 rows, 5 columns") && err.contains("`label` looks like a label"), "{out}{err}");
    let (_, out, err) = p.fit("t.csv", "model", &["--drop", "label"]);
    assert!(out.contains("300 of 300 rows, 4 columns") && err.is_empty(), "{out}{err}");
}

#[test]
fn what_numbers_rows_is_left_out() {
    let p = Place::new();
    let indexed = |name: &str, value: &dyn Fn(usize) -> String| {
        let mut rows = plain();
        rows.iter_mut().enumerate().for_each(|(i, r)| r.insert(0, if i == 0 { name.into() } else { value(i - 1) }));
        text(&rows, ",")
    };
    let counted: &dyn Fn(usize) -> String = &|i| i.to_string();
    let shuffled: &dyn Fn(usize) -> String = &|i| (i * 7 % 303).to_string();
    let quoted: &dyn Fn(usize) -> String = &|i| format!("\"{}\"", i + 1);
    let cars: &dyn Fn(usize) -> String = &|i| format!("\"Mazda RX{i}\"");
    for (name, value) in [
        ("", counted),
        ("Unnamed: 0", counted),
        ("index", shuffled),
        ("\"\"", quoted),
        ("", cars),
        ("customer_id", shuffled),
        ("TransactionID", counted),
        ("", &|i| (i % 9).to_string()),
    ] {
        p.write("t.csv", indexed(name, value));
        let (code, out, err) = p.fit("t.csv", "model", &[]);
        assert!(
            code == 0 && out.contains("258 of 300 rows, 4 columns") && err.contains("left out"),
            "{name}: {out}{err}"
        );
        let (code, out, err) = p.score("t.csv", "model", &[]);
        assert!(code == 0, "{err}");
        agrees(&out);
    }
    let (_, out, err) = p.fit("t.csv", "kept", &["--keep", "Unnamed: 0"]);
    assert!(out.contains("5 columns") && !err.contains("left out"), "{out}{err}");
    // Said, where the name tells nothing.
    p.write("t.csv", indexed("time", counted));
    let (code, out, err) = p.fit("t.csv", "model", &[]);
    assert!(code == 0 && out.contains("5 columns") && err.contains("`time` counts the rows"), "{out}{err}");
    // Ids that an f64 rounds to one another, and a repeated one.
    p.write("t.csv", indexed("account_id", &|i| format!("76561198{:010}", i)));
    let (_, out, err) = p.fit("t.csv", "model", &[]);
    assert!(out.contains("4 columns") && err.contains("`account_id` numbers the rows"), "{out}{err}");
    p.write("t.csv", indexed("account", &|i| format!("76561198{:010}", i)));
    let (_, out, err) = p.fit("t.csv", "model", &[]);
    assert!(
        out.contains("5 columns") && err.contains("column `account` holds whole numbers of more than 15 digits"),
        "{err}"
    );
    p.write("t.csv", indexed("sensor_id", &|i| (i % 5).to_string()));
    let (_, out, err) = p.fit("t.csv", "model", &[]);
    assert!(out.contains("5 columns") && err.contains("`sensor_id` is taken as a feature"), "{out}{err}");
    let err = p.refused(indexed("", &|i| (i as f64 / 3.0 + 0.1).to_string()), "t2.csv", &[]);
    assert!(err.contains("column `Unnamed: 0` has no name") && err.contains("--keep 'Unnamed: 0'"), "{err}");
}
