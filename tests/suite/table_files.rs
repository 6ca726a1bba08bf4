//! Arrays, archives and Parquet files that NumPy and pandas wrote (`corpus/tables/make.py`), against what they were made of.
use residua::data::{
    ColumnRoles, LabelChoice, LabelMeaning, TableColumns, TableFile, ValueRange, read_picture, read_table,
};
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name)
}
fn read(name: &str, roles: &ColumnRoles) -> TableFile {
    roles.read(&path(name)).unwrap_or_else(|e| panic!("{e}"))
}
fn fault(name: &str, roles: &ColumnRoles) -> String {
    roles.read(&path(name)).unwrap_err().to_string()
}
fn names(of: &[&str]) -> Vec<String> {
    of.iter().map(|n| (*n).to_owned()).collect()
}

#[test]
fn arrays_of_every_type_of_number_hold_the_same() {
    let wanted = [0.0f64, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    for name in
        ["f16", "f16_big", "f16_fortran", "f32_big", "f64_big", "i64", "i16_big", "u32_big", "bool", "bool_fortran"]
    {
        let file = path(&format!("arrays/{name}.npy"));
        let table = read_table(&file, None).unwrap();
        assert_eq!((table.columns, &table.values[..]), (3, &wanted[..]), "{name}");
        // As a picture the values are scaled by their type.
        let picture = read_picture(&file, ValueRange::UNIT).unwrap();
        let scale = if name.starts_with('i') || name.starts_with('u') { 255.0 } else { 1.0 };
        let scaled: Vec<f32> = wanted.iter().map(|&v| v as f32 / scale).collect();
        assert_eq!((picture.height, picture.width, &picture.data), (4, 3, &scaled), "{name}");
    }
    for (name, says) in [
        ("complex", "complex numbers"),
        ("object", "Python objects"),
        ("records", "records with named fields"),
        ("text", "holds text"),
        ("dates", "dates or times"),
        ("long_double", "more than 64 bits"),
    ] {
        let file = path(&format!("arrays/{name}.npy"));
        let picture = read_picture(&file, ValueRange::UNIT).unwrap_err().to_string();
        let table = read_table(&file, None).unwrap_err().to_string();
        assert!(
            table.contains(says) && table.contains(&format!("{name}.npy")) && picture.contains(says),
            "{table} {picture}"
        );
    }
}

#[test]
fn archives_with_names_labels_as_words_and_an_array_for_each_column() {
    let usual = ColumnRoles::default();
    let file = read("tables/words.npz", &usual);
    let columns = [1.5, 5.0, 2.0, 3.0, 4.0, 9.0, 8.0, 7.0, 9.0, 1.0];
    assert_eq!((&file.table.values[..], file.table.names.clone()), (&columns[..], Some(names(&["a", "b"]))));
    assert_eq!(file.table.labels, Some(vec![false, true, false, false, false]));
    assert_eq!(
        file.columns(),
        Some(TableColumns {
            features: names(&["a", "b"]),
            label: Some("y".into()),
            left_out: vec![],
            ..Default::default()
        })
    );
    // Another order, half the width of numbers, labels in a column.
    let swapped = read("tables/swapped.npz", &usual).table;
    assert_eq!(swapped.arranged(&names(&["a", "b"])).unwrap().values, columns);
    assert_eq!(swapped.labels, file.table.labels);
    let by_column = read("tables/columns.npz", &usual);
    assert_eq!(by_column.table.arranged(&names(&["a", "b"])).unwrap().values, columns);
    assert_eq!((by_column.label.as_deref(), &by_column.left_out), (Some("is_anomaly"), &names(&["id"])));
    assert_eq!(by_column.table.labels, file.table.labels);
    let kept = read("tables/columns.npz", &ColumnRoles { keep: names(&["id"]), ..usual.clone() });
    assert_eq!(kept.table.columns, 3);
    let objects = read("tables/objects.npz", &usual);
    assert_eq!((objects.table.names, &objects.table.values[..]), (None, &columns[..]));
    assert!(objects.notes[0].contains("`columns` holds Python objects"), "{:?}", objects.notes);
    // -1 is one of five labels.
    let two = read("tables/two.npz", &usual);
    assert_eq!((two.label.as_deref(), two.table.labels), (Some("Class"), file.table.labels));
    assert!(two.notes[0].contains("scikit-learn"), "{:?}", two.notes);
    let text = fault("tables/positional.npz", &usual);
    assert!(text.contains("no array `X`"), "{text}");
    let labelled = |l: &str| ColumnRoles { label: LabelChoice::Named(l.into()), ..ColumnRoles::default() };
    assert_eq!(read("tables/positional.npz", &labelled("arr_1")).table.values, columns);
    let text = fault("tables/objects.npz", &ColumnRoles { drop: names(&["a"]), ..usual });
    assert!(text.contains("have no names, such as --drop needs"), "{text}");
}

#[test]
fn parquet_files_of_data_frames() {
    let usual = ColumnRoles::default();
    let text = fault("tables/pandas.parquet", &usual);
    assert!(text.contains("column `when` holds dates or times") && text.contains("--drop when"), "{text}");
    let text = fault("tables/pandas.parquet", &ColumnRoles { drop: names(&["when"]), ..usual.clone() });
    assert!(text.contains("column `note` holds text"), "{text}");
    let dropped = ColumnRoles { drop: names(&["when", "note"]), ..usual.clone() };
    let file = read("tables/pandas.parquet", &dropped);
    let columns = [1.5, 5.0, 2.0, 3.0, 4.0, 9.0, 8.0, 7.0, 9.0, 1.0];
    let labels = Some(vec![false, true, false, false, false]);
    assert_eq!(
        (&file.table.values[..], &file.table.labels, file.label.as_deref()),
        (&columns[..], &labels, Some("Class"))
    );
    assert!(file.notes.iter().any(|n| n.contains("`part` is the index of the data frame")), "{:?}", file.notes);
    let kept = read("tables/pandas.parquet", &ColumnRoles { keep: names(&["part"]), ..dropped.clone() });
    assert_eq!((kept.table.columns, kept.table.row(2)), (3, &[4.0, 9.0, 20.0][..]));
    // A model's columns, in its order.
    let fitted = file.columns();
    let swapped = read("tables/swapped.parquet", &ColumnRoles { fitted: fitted.clone(), ..usual.clone() });
    assert_eq!(swapped.table.arranged(&names(&["a", "b"])).unwrap().values, columns);
    assert_eq!(swapped.table.labels, labels);
    let lacking = TableColumns { features: names(&["a", "c"]), ..TableColumns::default() };
    let text = fault("tables/swapped.parquet", &ColumnRoles { fitted: Some(lacking), ..usual.clone() });
    assert!(text.contains("it lacks `c`, and it has also `b`"), "{text}");
    let nullable = read("tables/nullable.parquet", &usual);
    assert!(nullable.table.values[3].is_nan() && nullable.table.values[2] == 2.0);
    assert!(nullable.notes[0].contains("1 value is missing, in `b`"), "{:?}", nullable.notes);
    let meaning = LabelMeaning::Normal(names(&["anomaly"]));
    assert!(!read("tables/swapped.parquet", &ColumnRoles { meaning, ..usual }).table.labels.unwrap()[1]);
}
