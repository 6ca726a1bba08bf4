//! The program, and what it says.
use std::process::{Command, Output};

/// The program, as a user starts it.
pub fn residua(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_residua")).args(args).output().expect("the program starts")
}

/// (exit code, standard output, standard error).
pub fn run(args: &[&str]) -> (i32, String, String) {
    let out = residua(args);
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    (out.status.code().expect("it ends by itself"), text(&out.stdout), text(&out.stderr))
}
