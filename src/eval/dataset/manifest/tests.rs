use super::*;

/// A folder with the files, and what is found of a list in it.
fn read_list(text: &str, split: Option<&str>) -> Result<Dataset, String> {
    let dir = tempfile::tempdir().unwrap();
    for file in ["a.png", "b.png", "sub/c.png", "m.png", "x_t1.png", "x_t2.png"] {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file).unwrap();
    }
    let selection = Selection { split: split.map(str::to_owned), ..Selection::default() };
    let found = parse(text.as_bytes(), &dir.path().join("list.csv"), &selection);
    found.map_err(|e| e.to_string().replace(&format!("{}/", dir.path().display()), ""))
}

fn fault(text: &str) -> String {
    read_list(text, None).unwrap_err()
}

#[test]
fn faults_are_about_the_list() {
    for (text, says) in [
        ("path;label\na.png;0\n", "list.csv: its columns are separated by `;` (it begins with `path;label`)"),
        ("path\tlabel\na.png\t0\n", "separated by tabs"),
        ("image,label\na.png,0\n", "has no column `path`; its columns are `image`, `label`; `image` names files"),
        ("id,label\n1,0\n", "has no column `path`; its columns are `id`, `label`"),
        ("path,class\na.png,0\n", "one of `label`, `mask` and `defect` is needed; its columns are `path`, `class`"),
        ("path,label,Label\na.png,0,1\n", "has two columns `label`"),
        ("path,label\na.png,0\n\nb.png,1\na.png,1\n", "list.csv: lines 2 and 5 both name a.png"),
        ("path,label\na.png,0\n./a.png,1\n", "lines 2 and 3 both name ./a.png"),
        ("path,label\na.png\n", "line 2 has 1 fields, but the header has 2"),
        ("path,label\na.png,\n", "line 2: `label` is empty"),
        ("path,label\na.png,-1\n", "line 2: label `-1` is neither"),
        ("path,label\na.png,crack\n", "line 2: label `crack` is neither 0 or good nor 1 or bad; the name of a defect"),
        ("path,defect\na.png,none\n", "line 2: defect `none` is no kind of defect"),
        ("path,label,defect\na.png,0,hole\n", "line 2: label `0` contradicts defect `hole`"),
        ("path,mask\na.png,a.png\n", "line 2: a.png is the image and its mask at once"),
        ("path,label\nnone.png,0\n", "line 2: there is no file none.png"),
        ("path,label\nsub,0\n", "line 2: sub is a folder"),
        ("path,label\n", "lists no image"),
        (
            "path,label,split\na.png,0,train\nb.png,1,testing\nsub/c.png,1,\n",
            "has no split `test`: choose by --split NAME; its splits are `testing` (1 rows), `train` (1 rows), 1 rows without",
        ),
    ] {
        assert!(fault(text).contains(says), "{text}: {}", fault(text));
    }
    assert!(read_list("path,label\na.png,0\n", Some("test")).unwrap_err().contains("no column `split`"));
    let other = read_list("path,label,split\na.png,0,train\n", Some("val")).unwrap_err();
    assert!(other.contains("no image of the split `val`; its splits are `train` (1 rows)"), "{other}");
    let utf16: Vec<u8> = "\u{feff}path".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf16 = parse(&utf16, Path::new("l.csv"), &Selection::default()).unwrap_err().to_string();
    assert!(utf16.contains("is UTF-16 text"), "{utf16}");
    let latin = parse(b"path,label\n\xe4.png,0\n", Path::new("l.csv"), &Selection::default()).unwrap_err().to_string();
    assert!(latin.contains("line 2 of it is not UTF-8"), "{latin}");
    let picture = parse(b"\x89PNG", Path::new("x.png"), &Selection::default()).unwrap_err().to_string();
    assert!(picture.contains("is one image, and no dataset"), "{picture}");
}

#[test]
fn lists_are_read_as_others_write_them() {
    let text = "\u{feff}\"path\",\"Label\",mask,split,id\r\n\"a.png\",0.0,,TEST,1\r\nsub\\c.png,NG,m.png,TEST,2\r\nno.png,0,,train,3\r\n,,,,\r\n \r\n";
    let found = read_list(text, None).unwrap();
    assert_eq!(found.split.as_deref(), Some("TEST"));
    let defects: Vec<_> = found.samples.iter().map(|s| &*s.defect).collect();
    assert_eq!(defects, [GOOD, "anomalous"]);
    assert!(matches!(&found.samples[1].truth, Truth::Mask(m) if m.ends_with("m.png")));
    assert_eq!(
        found.taken_for(),
        "a list of images of the split `TEST`: 1 normal, 1 anomalous; 1 masks; 1 rows of other splits are left out; \
         columns that are not used: `id`"
    );
    // Without a column of labels, what has neither mask nor defect is normal.
    let found = read_list("path,defect\na.png,hole\nb.png,\nsub/c.png,good\n", None).unwrap();
    assert_eq!(found.taken_for(), "a list of images: 2 normal, 1 hole; no masks");
}
