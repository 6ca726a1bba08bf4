//! All that the commands print, past the panics of the standard library's macros: a reader that has enough closes its pipe,
//! and a disk may be full.
//!
//! The macros here have the names of those, so that every command, also one that is yet to be written, prints this way.
use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

macro_rules! print {
    ($($text:tt)*) => { $crate::cli::out::put(::std::format_args!($($text)*)) };
}
macro_rules! println {
    ($($text:tt)*) => { $crate::cli::out::put(::std::format_args!("{}\n", ::std::format_args!($($text)*))) };
}
macro_rules! eprintln {
    ($($text:tt)*) => { $crate::cli::out::say(::std::format_args!($($text)*)) };
}

/// What went wrong on the standard output first.
static FAULT: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints on the standard output; after a failure nothing more, while the work goes on: its files are worth as much.
pub(super) fn put(text: Arguments) {
    let mut fault = FAULT.lock().unwrap_or_else(PoisonError::into_inner);
    if fault.is_none() {
        *fault = io::stdout().write_fmt(text).err();
    }
}

/// A line on the standard error, if anybody can read it.
pub(super) fn say(text: Arguments) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// What clap has to say, help and faults of flags, and how the process ends then.
pub(super) fn tell(answer: &clap::Error) -> ExitCode {
    let printed = answer.print();
    if !answer.use_stderr() {
        *FAULT.lock().unwrap_or_else(PoisonError::into_inner) = printed.err();
    }
    finish(ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2)))
}

/// How the process ends: as the command says, or with 2 and a sentence when its output could not be written. A closed pipe
/// is no failure.
pub(super) fn finish(code: ExitCode) -> ExitCode {
    let fault = FAULT.lock().unwrap_or_else(PoisonError::into_inner).take().or_else(|| io::stdout().flush().err());
    match fault {
        Some(e) if e.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: standard output: {e}");
            ExitCode::from(2)
        }
        _ => code,
    }
}
