use super::npy::tests::npy;
use super::{Table, decode_table};
use crate::Result;
use std::io::Write;
use std::path::Path;

fn npz(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (i, (name, content)) in members.iter().enumerate() {
        let method = if i % 2 == 0 { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}
fn read(bytes: &[u8], label: Option<&str>) -> Result<Table> {
    decode_table(bytes, Path::new("table"), label)
}
fn message(bytes: &[u8], label: Option<&str>) -> String {
    read(bytes, label).unwrap_err().to_string()
}

#[test]
fn archives_arrays_and_csv_give_the_same_table() {
    use npyz::Order::{C, Fortran};
    let (x, y) = (npy(&[3, 2], C, vec![1i16, 2, 3, 4, 5, 6]), npy(&[3], C, vec![0i64, 1, 0]));
    let table = read(&npz(&[("X", x.clone()), ("y", y.clone())]), None).unwrap();
    assert_eq!((table.columns, table.rows()), (2, 3));
    assert_eq!(table.values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(table.labels, Some(vec![false, true, false]));
    assert_eq!(read(&npz(&[("y", y.clone()), ("X", x.clone())]), None).unwrap(), table);
    let named = npz(&[("X", npy(&[3, 2], Fortran, vec![1.0f64, 3.0, 5.0, 2.0, 4.0, 6.0])), ("truth", y)]);
    assert_eq!(read(&named, Some("truth")).unwrap(), table);
    assert_eq!(read(&x, None).unwrap(), Table { labels: None, ..table.clone() });
    assert_eq!(read(&npz(&[("features", x)]), None).unwrap(), Table { labels: None, ..table.clone() });
    let csv = read(b"a, y ,b\n1,0,2\n3,1,4\n5,0,6\n", None).unwrap();
    assert_eq!(csv.names, Some(vec!["a".into(), "b".into()]));
    assert_eq!(csv.lines, Some(vec![2, 3, 4]));
    assert_eq!(Table { names: None, lines: None, ..csv }, table);
    let missing = read(b"a,b,c\n1,,nan\nNA,5,6\n", None).unwrap();
    assert_eq!(missing.values.iter().map(|v| v.is_nan()).collect::<Vec<_>>(), [false, true, true, true, false, false]);
    assert_eq!(table.select(&[2, 0, 2]).values, [5.0, 6.0, 1.0, 2.0, 5.0, 6.0]);
}

#[test]
fn faults_are_named() {
    use npyz::Order::C;
    let x = || npy(&[3, 2], C, vec![1u8; 6]);
    assert!(message(&npz(&[("X", x()), ("y", npy(&[2], C, vec![0u8; 2]))]), None).contains("2 labels for 3 rows"));
    assert!(message(&npz(&[("X", x()), ("y", npy(&[3], C, vec![7u8; 3]))]), None).contains("a label is 7"));
    assert!(message(&npz(&[("a", x()), ("b", x())]), None).contains("no array `X`"));
    assert!(message(&npz(&[("X", x())]), Some("z")).contains("no array `z`"));
    assert!(message(&npy(&[1, 2, 2], C, vec![1u8; 4]), None).contains("[1, 2, 2]"));
    assert!(
        message(&npy(&[1, 2], C, vec![1.0, f64::INFINITY]), None).contains("row 1, column 2: the value is infinite")
    );
    assert!(message(b"a,b\n1,x\n", None).contains("line 2, column `b`: `x` is not a number"));
    assert!(
        message(b"1,2\n3,4\n", Some("y"))
            .contains("the first line holds numbers and no names of columns, such as --label")
    );
    assert!(message(b"a,b\n", None).contains("has no row"));
    assert!(message(b"a,b\n1\n", None).contains("line 2 has 1 field, the first line 2 fields, separated by commas"));
    assert!(message(b"a,b\n1,2\n", Some("c")).contains("no column `c`"));
    assert!(message(b"PAR1xxxx", None).contains("cut off"));
    assert!(message(b"", None).contains("empty"));
}

proptest::proptest! {
    #[test]
    fn hostile_bytes_never_panic(at in 0usize..400, value: u8, cut in 0usize..400) {
        use npyz::Order::C;
        let x = npy(&[3, 2], C, vec![1u8; 6]);
        for mut bytes in [npz(&[("X", x.clone()), ("y", npy(&[3], C, vec![0u8; 3]))]), x, b"a,y\n1,0\n\"2\",1\n".to_vec()] {
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = read(&bytes, None);
            bytes.truncate(cut % bytes.len());
            let _ = read(&bytes, None);
        }
    }
}
