//! Signs for no value, such as -9999: said, by column and number of rows, or refused where they drown all others.
use super::{Place, plain, text};

/// The table with a value in these rows of a column.
fn with(column: usize, rows: &[usize], value: &str) -> String {
    let mut all = plain();
    rows.iter().for_each(|&r| all[r][column] = value.into());
    text(&all, ",")
}

#[test]
fn signs_for_no_value_are_said_or_refused() {
    let p = Place::new();
    for (value, said) in [("-9999", "-9999"), ("9999.9", "9999.9"), ("-32768", "-32768"), ("1e10", "10000000000")] {
        p.write("t.csv", with(2, &[3, 7, 9], value));
        let (code, out, err) = p.fit("t.csv", "model", &[]);
        assert!(code == 0, "{value}: {out}{err}");
        assert!(err.contains(&format!("{said} in 3 rows of column `c`")) && err.contains("--keep c"), "{err}");
        let (_, _, err) = p.fit("t.csv", "model", &["--keep", "c"]);
        assert!(!err.contains("in 3 rows"), "{err}");
    }
    // Beside them all other values of the column would be one.
    for value in ["1e20", "9.969209968386869e36", "-1e30", "1.70141e38"] {
        let err = p.refused(with(0, &[3, 7], value), "huge.csv", &[]);
        assert!(err.contains("in 2 rows of column `a`") && err.contains("leave the fields empty"), "{err}");
    }
    // Where empty fields stand for them all is well.
    p.write("t.csv", with(2, &[3, 7, 9], ""));
    let (code, _, err) = p.fit("t.csv", "model", &[]);
    assert!(code == 0 && err.contains("3 values are missing, in `c`"), "{err}");
    // In a table to be scored, and in one too short to show that a value lies apart.
    p.write("t.csv", with(2, &[3, 7, 9], "-9999"));
    let (code, _, err) = p.score("t.csv", "model", &[]);
    assert!(code == 0 && err.contains("-9999 in 3 rows of column `c`") && !err.contains("the first, -9999"), "{err}");
    p.write("one.csv", "a,b,c,d\n0,5,-9999,1\n");
    let (code, _, err) = p.score("one.csv", "model", &[]);
    assert!(code == 0 && err.contains("the first, -9999.0, at line 2, column `c`"), "{err}");
}

#[test]
fn scores_of_rows_that_were_fitted_to_are_told() {
    let p = Place::new();
    let rows = plain();
    let (train, rest) = rows.split_at(200);
    let head = &rows[..1];
    p.write("train.csv", text(train, ","));
    p.write("rest.csv", text(&[head, rest].concat(), ","));
    p.write("both.csv", text(&[head, &rest[..5], &train[1..4]].concat(), ","));
    let normal = train[1..].iter().filter(|r| r[4] == "0").count();
    for method in ["np", "ig"] {
        let training = ["--method", method, "--epochs", "1", "--members", "1"];
        let (code, _, err) = p.fit("train.csv", method, if method == "np" { &training[..2] } else { &training });
        assert_eq!(code, 0, "{err}");
        let says = |table: &str, count: usize, all: usize| {
            let (code, _, err) = p.score(table, method, &[]);
            assert!(
                code == 0 && err.contains(&format!("{count} of {all} rows equal some that the model was fitted to")),
                "{err}"
            );
        };
        says("train.csv", normal, 199);
        let known = train[1..4].iter().filter(|r| r[4] == "0").count();
        says("both.csv", known, 8);
        let (code, _, err) = p.score("rest.csv", method, &[]);
        assert!(code == 0 && !err.contains("fitted to"), "{err}");
    }
    let (train, model, out) = (p.at("train.csv"), p.at("np"), p.at("out"));
    let (code, _, err) = crate::common::run(&["eval", &train, "--model", &model, "--out", &out, "--device", "cpu"]);
    assert!(code == 0 && err.contains("equal some that the model was fitted to"), "{err}");
}
