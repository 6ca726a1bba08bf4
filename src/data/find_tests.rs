use super::*;
use crate::data::FileKind;

struct Root(tempfile::TempDir);

impl Root {
    fn new(files: &[&str]) -> Root {
        let root = Root(tempfile::tempdir().unwrap());
        files.iter().for_each(|file| root.put(file, b"\x93NUMPY"));
        root
    }
    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        std::fs::write(self.at(name), bytes).unwrap();
    }
    fn find(&self, name: &str, suffixes: &[&str]) -> Found {
        let suffixes: Vec<String> = suffixes.iter().map(|s| (*s).into()).collect();
        find(&[self.at(name)], &suffixes, Some(&self.at("own"))).unwrap()
    }
}

fn names(found: &Found) -> Vec<&str> {
    found.inputs.iter().map(|i| i.folder.as_str()).collect()
}
/// The file and the words of each fault.
fn faults(found: &Found) -> Vec<String> {
    found.failures().map(|f| format!("{} {}", f.path.file_name().unwrap().display(), f.error)).collect()
}

#[test]
fn folders_are_walked_in_order_and_missing_arguments_named() {
    let root = Root::new(&["b/c/2.PNG", "b/1.npy", "z.tif", "a.txt", ".x.png", ".hidden/y.png", "v.nii.gz", "blob"]);
    std::fs::create_dir_all(root.at("empty")).unwrap();
    let found = find_inputs(&[root.at(""), root.at("z.tif")], &[]).unwrap();
    let got: Vec<_> = found.iter().map(|i| (i.folder.as_str(), i.kind)).collect();
    assert_eq!(got, [("1", FileKind::Array), ("2", FileKind::Image), ("v", FileKind::Volume), ("z", FileKind::Image)]);
    assert_eq!(find_inputs(&[root.at("blob")], &[]).unwrap()[0].kind, FileKind::Array);
    assert!(find_inputs(&[root.at("nope.png")], &[]).unwrap_err().to_string().contains("nope.png: no such file"));
    assert!(find_inputs(&[root.at("empty")], &[]).unwrap_err().to_string().contains("holds no input"));
}

#[test]
fn folders_of_results_are_passed_over_and_said() {
    const OURS: &[u8] = b"{\n  \"version\": \"0.1.0\",\n  \"created\": \"x\",\n  \"records\": []\n}\n";
    let root = Root::new(&["in/a.png", "in/old/a/mask.png", "in/killed/a/mask.png", "in/coco/b.png", "own/a/mask.png"]);
    root.put("in/old/results.json", OURS);
    root.put("in/killed/results.journal", b"");
    root.put("in/coco/results.json", b"[{\"image_id\": 1, \"score\": 0.5}]");
    let found = root.find("in", &[]);
    assert_eq!((names(&found), faults(&found).len()), (vec!["a", "b"], 0));
    let said = found.passed_over.concat();
    assert!(said.contains("results of Residua") && said.contains("old") && said.contains("killed"), "{said}");
    // The run's own output folder counts before it holds anything; one beside the pictures leaves these alone.
    root.put("in/own.png", b"");
    assert_eq!(find(&[root.at("")], &[], Some(&root.at("own"))).unwrap().inputs.len(), 3);
    root.put("in/results.json", OURS);
    root.put("in/c/mask.png", b"");
    root.put("in/c/overlay.png", b"");
    root.put("in/more/c.png", b"");
    assert_eq!(names(&root.find("in", &[])), ["a", "b", "c", "own"]);
    let error = find(&[root.at("in/old")], &[], None).unwrap_err().to_string();
    assert!(error.contains("holds no input") && error.contains("results of Residua, as in"), "{error}");
}

#[test]
fn masks_that_are_left_out_are_said() {
    let root = Root::new(&["in/a.png", "in/a_mask.png", "in/b_t1.npy", "in/b_seg.npy"]);
    let found = root.find("in", &[]);
    let said = found.passed_over.concat();
    assert!(said.contains("a_mask.png") && said.contains("b_seg.npy"), "{said}");
    assert_eq!(names(&found), ["a", "b_t1"]);
    assert!(root.find("in/a.png", &[]).passed_over.is_empty());
}

#[test]
fn pictures_that_are_not_read_are_said_and_other_files_are_not() {
    let root = Root::new(&["in/a.png", "in/b.jfif", "in/c.jpe", "in/d.GIF", "in/s/e.dcm", "in/.f.gif", "in/g.txt"]);
    for name in ["h.jp2", "i.mha", "j.json", "k.csv", "k.svg"] {
        root.put(&format!("in/{name}"), b"x");
    }
    root.put("in/photo", b"\x89PNG\r\n\x1a\n");
    root.put("in/LICENSE", b"BM is a licence of nothing");
    let found = root.find("in", &[]);
    assert_eq!((names(&found), found.passed_over.len()), (vec!["a", "b", "c"], 1));
    let said = &found.passed_over[0];
    assert!(said.contains("d.GIF") && said.contains("h.jp2") && said.ends_with("and 2 more"), "{said}");
    // What is named is read, so it is not said.
    assert!(find(&[root.at("in/photo")], &[], None).unwrap().passed_over.is_empty());
    let root = Root::new(&["set/d.gif"]);
    let error = find_inputs(&[root.at("set")], &[]).unwrap_err().to_string();
    assert!(error.contains("holds no input") && error.contains("such as") && error.contains("d.gif"), "{error}");
}

#[test]
fn folders_of_masks_below_an_argument_are_passed_over_and_said() {
    let root = Root::new(&["set/test/crack/a.png", "set/ground_truth/crack/a.png", "set/Masks/a.png", "masks/b.png"]);
    let found = root.find("set", &[]);
    assert_eq!((names(&found), found.passed_over.len()), (vec!["a"], 1));
    assert!(found.passed_over[0].contains("folders of masks") && found.passed_over[0].contains("ground_truth"));
    // By name they are inspected, and all files are all files.
    assert_eq!(names(&root.find("masks", &[])), ["b"]);
    assert_eq!(list_files(&[root.at("set")]).unwrap().len(), 3);
    let root = Root::new(&["set/masks/a.png"]);
    let error = find_inputs(&[root.at("set")], &[]).unwrap_err().to_string();
    assert!(error.contains("holds no input") && error.ends_with("but masks"), "{error}");
}

#[test]
fn one_set_that_is_wrong_does_not_lose_the_others() {
    let root = Root::new(&["in/a_x.npy", "in/a_y.npy", "in/b_x.npy", "in/note.png", "in/c_x.npy", "in/c_y.npy"]);
    root.put("in/c_y.png", b"");
    let found = root.find("in", &["_x", "_y"]);
    assert_eq!(names(&found), ["a"]);
    let faults = faults(&found);
    let holds = |file: &str, words: &str| faults.iter().any(|f| f.starts_with(file) && f.contains(words));
    assert!(holds("b_x.npy", "b_y missing") && holds("note.png", "none of the channels' suffixes"), "{faults:?}");
    assert!(holds("c_y.png", "are the same channel of one image"), "{faults:?}");
    assert_eq!(faults.len(), 3);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_a_fault_and_is_not_waited_for() {
    use std::os::unix::fs::symlink;
    let root = Root::new(&["in/a.png", "in/sub/b.png"]);
    let made = std::process::Command::new("mkfifo").arg(root.at("in/pipe.png")).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(root.at("in/socket.png")).unwrap();
    symlink("/dev/zero", root.at("in/zero.png")).unwrap();
    symlink("/nowhere", root.at("in/gone")).unwrap();
    symlink("loop.png", root.at("in/loop.png")).unwrap();
    symlink("..", root.at("in/sub/up")).unwrap();
    symlink("a.png", root.at("in/again.png")).unwrap();
    symlink("a.txt", root.at("in/words")).unwrap();
    std::fs::write(root.at("in/a.txt"), "").unwrap();
    let found = root.find("in", &[]);
    assert_eq!(names(&found), ["a", "b"]);
    let faults = faults(&found);
    let words = [
        ("gone", "link to nothing"),
        ("loop.png", ""),
        ("pipe.png", "a pipe"),
        ("socket.png", "a socket"),
        ("zero.png", "a device"),
    ];
    assert_eq!(faults.len(), words.len(), "{faults:?}");
    for (fault, (file, word)) in faults.iter().zip(words) {
        assert!(fault.starts_with(file) && fault.contains(word), "{fault}");
    }
    // Given by name: beside others, alone, and a link that leads nowhere.
    let two = find(&[root.at("in/pipe.png"), root.at("in/a.png")], &[], None).unwrap();
    assert_eq!((two.inputs.len(), two.faults.len()), (1, 1));
    let error = find(&[root.at("in/pipe.png")], &[], None).unwrap_err().to_string();
    assert!(error.contains("pipe.png: is a pipe, not a file"), "{error}");
    assert!(find(&[root.at("in/gone")], &[], None).unwrap_err().to_string().contains("gone: is a link to nothing"));
}

#[cfg(unix)]
#[test]
fn names_that_differ_in_bytes_that_are_no_utf8_stay_apart_and_keep_their_masks() {
    use std::os::unix::ffi::OsStrExt;
    let root = Root::new(&[]);
    let at = |bytes: &[u8]| root.at("").join(std::ffi::OsStr::from_bytes(bytes));
    for name in [&b"M\xfc.png"[..], b"M\xf6.png", b"M\xf6_mask.png", b"N\xf6_mask.png"] {
        std::fs::write(at(name), b"").unwrap();
    }
    let found = root.find("", &[]);
    assert_eq!(names(&found), ["M%F6", "M%FC", "N%F6_mask"]);
    let mask = |i: &Input| crate::data::mask_file(&i.path, &i.name).unwrap();
    assert_eq!(found.inputs.iter().map(mask).collect::<Vec<_>>(), [Some(at(b"M\xf6_mask.png")), None, None]);
}
