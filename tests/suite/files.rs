//! What lies in folders beside pictures: pipes, links to nothing, results of earlier runs.
#![cfg(unix)]
use crate::common::bench::{Bench, ended};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn what_is_no_file_is_listed_and_the_rest_is_done() {
    let b = Bench::new(&["a", "sub/b"]);
    assert!(Command::new("mkfifo").arg(b.at("in/pipe.png")).status().unwrap().success());
    symlink("/nowhere/at/all", b.at("in/gone.png")).unwrap();
    symlink("loop.png", b.at("in/loop.png")).unwrap();
    symlink("/dev/zero", b.at("in/zero.png")).unwrap();
    std::fs::create_dir(b.at("in/lost+found")).unwrap();
    std::fs::set_permissions(b.at("in/lost+found"), PermissionsExt::from_mode(0o000)).unwrap();
    // The administrator may list everything.
    let hidden = std::fs::read_dir(b.at("in/lost+found")).is_err();
    let (code, out, err) = b.run(&[]);
    assert_eq!(code, 2, "{err}");
    assert_eq!(b.records("out").len(), 2, "{out}");
    for name in ["pipe.png", "gone.png", "loop.png", "zero.png"].into_iter().chain(hidden.then_some("lost+found")) {
        assert!(err.contains(&format!("in/{name}: ")), "{name}: {err}");
    }
    let failures = b.results("out")["failures"].as_array().unwrap().len();
    assert_eq!(failures, 4 + usize::from(hidden));
    assert!(std::fs::read_to_string(b.at("out/report.html")).unwrap().contains("is a pipe, not a file"));
    // They stay failures when nothing else is left to do.
    assert_eq!(b.run(&["--resume"]).0, 2);
}

#[test]
fn the_standard_input_is_read_from_a_file_and_refused_from_a_pipe() {
    let b = Bench::new(&["a"]);
    let detect = |input: Stdio| {
        let mut command = b.detect(Path::new("/dev/stdin"), "out");
        ended(&command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap())
    };
    let (reader, writer) = std::io::pipe().unwrap();
    let (code, _, err) = detect(reader.into());
    assert!(code == 2 && err.contains("/dev/stdin: is a pipe, not a file"), "{err}");
    drop(writer);
    if cfg!(target_os = "linux") {
        let (code, out, err) = detect(std::fs::File::open(b.at("in/a.png")).unwrap().into());
        assert!(code == 0 && out.contains("1 images"), "{out}{err}");
    }
}

#[test]
fn results_in_the_folder_of_pictures_are_no_pictures() {
    let b = Bench::new(&["a", "b"]);
    let detect = |out: &str| ended(&b.detect(&b.at("in"), out).arg("--maps").output().unwrap());
    assert_eq!(detect("in/out").0, 0);
    let (code, _, err) = detect("in/out");
    assert!(code == 0 && err.contains("passed over as results of Residua") && err.contains("in/out"), "{err}");
    assert_eq!(b.scores("in/out").len(), 2);
    // Somebody else's as well, and those beside the pictures themselves.
    assert_eq!((detect("out").0, b.scores("out").len()), (0, 2));
    std::fs::remove_dir_all(b.at("in/out")).unwrap();
    for _ in 0..2 {
        assert_eq!((detect("in").0, b.scores("in").len()), (0, 2));
    }
    let (code, _, err) = ended(&b.detect(&b.at("out"), "again").output().unwrap());
    assert!(code == 2 && err.contains("but results of Residua"), "{err}");
}
