//! Readers that have enough, and disks that are full, on the standard output and the standard error.
#![cfg(unix)]
use crate::common::bench::{Bench, ended};
use crate::common::golden;
use std::io::pipe;
use std::process::{Command, Stdio};

/// Commands that print something, each in a moment.
fn commands(b: &Bench) -> Vec<Command> {
    let program = || Command::new(env!("CARGO_BIN_EXE_residua"));
    let small = golden("ldm-unet-diffad-style");
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let mut all = Vec::new();
    for args in [
        vec!["devices".to_owned()],
        vec!["inspect".into(), "--json".into(), text(&small)],
        vec!["inspect".into(), text(&b.at("model"))],
        vec!["compare".into(), "--device".into(), "cpu".into(), text(&small)],
        vec!["--help".into()],
        vec!["detect".into(), "--help".into()],
        vec!["--version".into()],
    ] {
        let mut command = program();
        command.args(args);
        all.push(command);
    }
    for flags in [&[][..], &["--json"]] {
        let mut command = b.detect(&b.at("in"), "out");
        command.args(flags);
        all.push(command);
    }
    all
}

/// The writing end of a pipe that nobody reads.
fn closed() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_closed_pipe_ends_every_command_quietly() {
    let b = Bench::new(&["a"]);
    for mut command in commands(&b) {
        let (code, _, err) = ended(&command.stdout(closed()).stderr(Stdio::piped()).output().unwrap());
        assert!(code == 0 && !err.contains("panicked") && !err.contains("output"), "{command:?}: {code} {err}");
    }
    assert_eq!(b.records("out").len(), 1, "the work is done all the same");
    // What the exit code says does not hang on who reads.
    let mut gate = b.detect(&b.at("in"), "out");
    assert_eq!(gate.args(["--gate", "--threshold", "0"]).stdout(closed()).status().unwrap().code(), Some(1));
}

#[test]
fn nobody_needs_to_hear_what_is_wrong() {
    let b = Bench::new(&["a"]);
    std::fs::write(b.at("in/bad.png"), "no picture").unwrap();
    b.picture("in/a_mask.png", 0);
    let mut warned = b.detect(&b.at("in"), "out");
    assert_eq!(warned.stderr(closed()).stdout(closed()).status().unwrap().code(), Some(2));
    assert_eq!(b.records("out").len(), 1);
    for args in [&["detect", "/nowhere"][..], &["--no-such-flag"], &["inspect", "/nowhere"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_residua"));
        assert_eq!(command.args(args).stderr(closed()).status().unwrap().code(), Some(2), "{args:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_said() {
    let b = Bench::new(&["a"]);
    for mut command in commands(&b) {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let (code, _, err) = ended(&command.stdout(full).stderr(Stdio::piped()).output().unwrap());
        assert_eq!(code, 2, "{command:?}: {err}");
        assert!(err.contains("error: standard output: No space left on device") && !err.contains("panicked"), "{err}");
    }
    assert_eq!(b.records("out").len(), 1);
}
