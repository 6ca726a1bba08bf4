//! Arrays, numbers that single precision cannot hold, and the spellings of other programs.
use super::{Place, agrees, plain, scores, text};

/// A .npy file of f64.
fn npy(columns: usize, values: &[f64]) -> Vec<u8> {
    let shape = format!("({}, {columns})", values.len() / columns);
    let mut header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

#[test]
fn arrays_have_no_names() {
    let p = Place::new();
    let rows = &plain()[1..];
    let values: Vec<f64> = rows.iter().flatten().map(|v| v.parse().unwrap()).collect();
    for flag in [["--label", "y"], ["--drop", "a"], ["--keep", "a"], ["--anomalous", "1"]] {
        let err = p.refused(npy(5, &values), "mlab.npy", &flag);
        assert!(err.contains("a .npy file has no named columns") && err.contains(flag[0]), "{err}");
    }
    let (code, out, err) = p.fit("mlab.npy", "five", &[]);
    assert!(
        code == 0 && out.contains("300 of 300 rows, 5 columns") && err.contains("column 5 holds two values only"),
        "{err}"
    );
    p.write("plain.csv", text(&plain(), ","));
    p.fit("plain.csv", "model", &[]);
    let four: Vec<f64> = values.chunks(5).flat_map(|r| r[..4].to_vec()).collect();
    p.write("four.npy", npy(4, &four));
    let (code, out, err) = p.score("four.npy", "model", &[]);
    assert!(code == 0 && err.contains("does not name its columns"), "{err}");
    agrees(&out);
    let (code, _, err) = p.score("mlab.npy", "model", &[]);
    assert!(code == 2 && err.contains("mlab.npy: the table has 5 columns, the model was fitted to 4"), "{err}");
}

#[test]
fn what_single_precision_cannot_hold_is_never_normal() {
    let p = Place::new();
    p.write("plain.csv", text(&plain(), ","));
    for method in ["np", "c", "ig", "ddpm"] {
        let training = ["--method", method, "--epochs", "1", "--members", "1"];
        let (code, _, err) = p.fit("plain.csv", method, if method == "np" { &training[..2] } else { &training });
        assert_eq!(code, 0, "{err}");
        for (value, places) in [
            ("-3.4028235e38", ["line 3, column `a`", "line 5, column `d`"]),
            ("1e300", ["line 3, column `a`", "line 5, column `d`"]),
        ] {
            for (row, place) in [(1, places[0]), (3, places[1])] {
                let mut lines = [
                    "a,b,c,d".to_owned(),
                    "0,5,-50,1".into(),
                    "0,5,-50,1".into(),
                    "3,30,-50,1".into(),
                    "0,5,-50,1".into(),
                ];
                lines[row + 1] = if row == 1 { format!("{value},5,-50,1") } else { format!("0,5,-50,{value}") };
                p.write("ext.csv", lines.join("\n"));
                let (code, out, err) = p.score("ext.csv", method, &[]);
                assert!(
                    code == 2 && out.is_empty() && err.contains(place) && err.contains("ext.csv"),
                    "{method}: {out}{err}"
                );
            }
        }
    }
    // Far off is no fault: DTE-NP ranks it, a network's answer is doubted aloud.
    p.write("far.csv", "a,b,c,d\n0,5,-50,1\n3,30,-50,1\n-99999,5,-50,1\n");
    let (code, out, err) = p.score("far.csv", "np", &[]);
    let s = scores(&out);
    assert!(code == 0 && s[2] > s[1] && s[1] > s[0], "{out}{err}");
    let (code, _, err) = p.score("far.csv", "c", &[]);
    assert!(code == 0 && err.contains("line 4, column `a`") && err.contains("knows nothing"), "{err}");

    let mut rows = plain();
    (rows[1][0], rows[2][0]) = ("-1e308".into(), "1e308".into());
    let err = p.refused(text(&rows, ","), "fit_infinite.csv", &[]);
    assert!(err.contains("line 2, column `a`: -1e308"), "{err}");
    (rows[1][0], rows[2][0]) = ("0".into(), "1e999".into());
    let err = p.refused(text(&rows, ","), "fit_infinite.csv", &[]);
    assert!(err.contains("line 3, column `a`: the value is infinite"), "{err}");
    rows.iter_mut().skip(1).for_each(|r| r[1] = "NaN".into());
    rows[2][0] = "1".into();
    let err = p.refused(text(&rows, ","), "empty.csv", &[]);
    assert!(err.contains("column `b` has no value in any training row"), "{err}");
}

#[test]
fn files_of_other_programs() {
    let p = Place::new();
    let semicolons = text(&plain(), ";");
    let german: String = semicolons.replace('.', ",");
    let reads = |content: String, says: &str| {
        p.write("t.csv", content);
        let (code, out, err) = p.fit("t.csv", "model", &[]);
        assert!(code == 0 && out.contains("258 of 300 rows, 4 columns") && err.contains(says), "{says}: {out}{err}");
        let (code, out, err) = p.score("t.csv", "model", &[]);
        assert!(code == 0, "{err}");
        agrees(&out);
    };
    reads(semicolons.clone(), "separated by semicolons");
    reads(german.clone(), "commas are read as decimal marks");
    let (names, rows) = german.split_once('\n').unwrap();
    p.write("headless.csv", rows);
    p.write("named.csv", german.replace(names, "a;b;c;d;e"));
    let shape = |table: &str| p.fit(table, "five", &["--label", "none"][..if table == "named.csv" { 2 } else { 0 }]);
    let (code, out, err) = shape("headless.csv");
    assert!(code == 0 && out.contains("300 of 300 rows, 5 columns") && err.contains("read as a row"), "{out}{err}");
    assert!(shape("named.csv").1.contains("300 of 300 rows, 5 columns"));
    reads(text(&plain(), "\t"), "separated by tabs");
    reads(format!("\u{feff}sep=;\r\n{}", semicolons.replace('\n', "\r\n")), "semicolons");
    reads(format!("# {}", text(&plain(), ",")), "");
    reads(text(&plain(), ",").replace("a,b,c,d,label", "\"a\",\"b\", c ,d,label") + "\n\n", "");
    // Excel: a trailing empty column, and empty rows at the end.
    reads(text(&plain(), ",").replace('\n', ",\n") + ",,,,,\n,,,,,\n", "the lines from 302 on have empty fields only");
    // pandas without names of columns.
    reads(text(&plain(), ",").replace("a,b,c,d", "0,1,2,3"), "");

    for (content, says) in [
        ("a,b\n1,x\n", "line 2, column `b`: `x` is not a number"),
        ("a,b\r\n1,2\r\n\r\n3,maybe\r\n", "line 4, column `b`: `maybe`"),
        ("a,b\n\"1,234\",2\n", "thousands separators"),
        ("a;b\n1,5;2.5\n", "one decimal mark"),
        (
            "a;b\n1.234,5;2\n7,5;3\n",
            "line 2, column `a`: `1.234,5` is not a number: numbers are read without thousands",
        ),
        ("a\tb\n1,234.5\t2\n7.5\t3\n", "`1,234.5` is not a number: numbers are read without thousands"),
        ("a;b\n1,234;2\n950;3\n", "line 2 has `1,234`, which may be 1.234 as well as 1234"),
        ("a\tb\n950\t2\n12.345\t3\n", "line 3 has `12.345`, which may be 12.345 as well as 12345"),
        ("a;b\n1.234.567;2\n950;3\n", "without thousands"),
        ("a;b\n1 234,5;2\n950;3\n", "line 2, column `a`: `1 234,5`"),
        ("when,b\n2024-01-02 03:04:05,2\n", "--drop when"),
        ("image,b\npart_1.png,2\n", "list of images"),
        ("a,b\n1,2,3\n", "line 2 has 3 fields, the first line 2 fields"),
        ("a b c\n1 2 3\n", "separated by spaces"),
        ("\"a\" \"b\"\n\"1\" 0.1257 8.6907 -4.2124\n", "separated by spaces"),
        ("a,b\n1,\"2\n3,4\n", "a quotation mark seems not to be closed"),
        ("a,b\n1,2\n", "there is one row to fit to"),
        ("a,b\n1,2\n,\n3,4\n", "line 3 is empty, with more lines behind it"),
        ("a,b\n1,2\n,NA\n", "line 3: no feature has a value"),
        ("a,b\n1,inf\n", "line 2, column `b`: the value is infinite"),
        ("a,b\n", "has no row"),
        ("", "the file is empty"),
        ("\n\n", "nothing but empty lines"),
        ("\x1f\u{8b}", "tables are read from"),
        ("@RELATION x\n", "an ARFF file"),
        ("a,b\n1,2\n3\n", "line 3 has 1 field"),
    ] {
        let content = if content.starts_with('\x1f') { b"\x1f\x8b\x08".to_vec() } else { content.as_bytes().to_vec() };
        let err = p.refused(content, "t.csv", &[]);
        assert!(err.contains(says), "{says}: {err}");
    }
    let err = p.refused(b"gr\xf6\xdfe,b\n1,2\n", "latin.csv", &[]);
    assert!(err.contains("line 1: is not UTF-8 text"), "{err}");
    p.write("t.csv", "a,b\n1,2\n1,3\n");
    let (code, _, err) = p.fit("t.csv", "model", &[]);
    assert!(code == 0 && err.contains("column `a` has the same value in all training rows"), "{err}");
    // Words for missing values, and booleans.
    let words = "a,b,c,on\n1,2,3,True\n2,NULL,N/A,false\n3,?,7,TRUE\n4,4,<NA>,False\n5,nan,1,True\n6,1,2,False\n";
    p.write("t.csv", words);
    let (code, out, err) = p.fit("t.csv", "model", &["--neighbours", "1", "--keep", "a"]);
    assert!(code == 0 && out.contains("6 of 6 rows, 4 columns"), "{out}{err}");
    assert!(
        err.contains("5 values are missing, in `b`, `c`: the mean of the column's training rows stands in"),
        "{err}"
    );
}

#[test]
fn what_labels_mean_is_remembered() {
    let p = Place::new();
    let turned: Vec<Vec<String>> = plain()
        .into_iter()
        .map(|mut row| {
            row[4] = match row[4].as_str() {
                "0" => "1".into(),
                "1" => "0".into(),
                name => name.to_owned(),
            };
            row
        })
        .collect();
    p.write("turned.csv", text(&turned, ","));
    let (code, _, err) = p.fit("turned.csv", "model", &["--normal", "1"]);
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = p.score("turned.csv", "model", &[]);
    assert!(code == 0 && err.contains("AUROC 100.00 %"), "{err}");
    // What is said now counts.
    let (_, _, err) = p.score("turned.csv", "model", &["--anomalous", "1"]);
    assert!(err.contains("AUROC 0.00 %"), "{err}");
}
