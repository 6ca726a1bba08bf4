//! How a text file writes a table: its separator, its first lines, and whether it has a header.
use super::table_number::{Field, field};

/// The separators that are read; of two that fit, the earlier one is taken.
const SEPARATORS: [(u8, &str); 4] = [(b'\t', "tabs"), (b';', "semicolons"), (b'|', "|"), (b',', "commas")];

/// How a file's records are found.
#[derive(Debug, PartialEq)]
pub(super) struct Dialect {
    pub separator: u8,
    /// Bytes before the first record.
    pub start: usize,
    /// The number of its line, from 1.
    pub line: u32,
}

impl Dialect {
    /// What separates columns, in words.
    pub fn separator_name(&self) -> &'static str {
        SEPARATORS.iter().find(|s| s.0 == self.separator).map_or("", |s| s.1)
    }
    /// Looks at the first lines.
    /// # Errors
    /// In words: another kind of file.
    pub fn of(bytes: &[u8]) -> Result<Self, String> {
        if let Some(kind) = other_kind(bytes) {
            return Err(format!("is {kind}; tables are read from CSV, .npz, .npy and Parquet"));
        }
        let (mut start, mut line) = (if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }, 1);
        // Excel's own way to say it.
        let first = lines(&bytes[start..]).next().unwrap_or_default();
        if let [b's', b'e', b'p', b'=', separator, rest @ ..] = first
            && rest.iter().all(|b| b"\r\n".contains(b))
            && SEPARATORS.iter().any(|s| s.0 == *separator)
        {
            start += first.len();
            line += 1;
            return Ok(Dialect { separator: *separator, start, line });
        }
        // NumPy's savetxt makes the header a comment.
        if bytes[start..].starts_with(b"#") {
            start += 1;
        }
        let full = |l: &&[u8]| l.iter().any(|b| !b.is_ascii_whitespace());
        let head: Vec<&[u8]> = lines(&bytes[start..]).filter(full).take(2).collect();
        let counts = |separator: u8| head.iter().map(move |l| count(l, separator)).collect::<Vec<usize>>();
        let steady = |s: &&(u8, &str)| matches!(counts(s.0)[..], [a, b] if a == b && a > 0);
        let most = || SEPARATORS.iter().rev().max_by_key(|s| counts(s.0).first().copied().unwrap_or(0)).map(|s| s.0);
        let some = |s: u8| counts(s).first().is_some_and(|&n| n > 0);
        let separator = SEPARATORS.iter().find(steady).map(|s| s.0).or_else(|| most().filter(|&s| some(s)));
        Ok(Dialect { separator: separator.unwrap_or(b','), start, line })
    }
}

/// Lines with their ends. Line breaks inside quotes end none.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    bytes.split_inclusive(move |&b| {
        quoted ^= b == b'"';
        b == b'\n' && !quoted
    })
}

/// How often a separator occurs outside quotes.
fn count(line: &[u8], separator: u8) -> usize {
    let mut quoted = false;
    let outside = |&&b: &&u8| {
        quoted ^= b == b'"';
        b == separator && !quoted
    };
    line.iter().filter(outside).count()
}

/// What a file is that is no text, by its first bytes.
fn other_kind(bytes: &[u8]) -> Option<&'static str> {
    let kinds: [(&[u8], &str); 14] = [
        (b"MATLAB 5.0 MAT-file", "a MATLAB file (scipy.io.loadmat reads it, numpy.savez writes .npz)"),
        (b"\x89HDF\r\n", "an HDF5 or MATLAB 7.3 file"),
        (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
        (b"ARROW1", "an Arrow or Feather file"),
        (b"FEA1", "a Feather file"),
        (b"\x1f\x8b", "compressed by gzip: unpack it"),
        (b"BZh", "compressed by bzip2: unpack it"),
        (b"\xfd7zXZ", "compressed by xz: unpack it"),
        (b"\x28\xb5\x2f\xfd", "compressed by zstd: unpack it"),
        (b"\xff\xfe", "UTF-16 text: save it as UTF-8"),
        (b"\xfe\xff", "UTF-16 text: save it as UTF-8"),
        (b"\x80\x04", "a Python pickle"),
        (b"\x80\x05", "a Python pickle"),
        (b"%PDF", "a PDF file"),
    ];
    let text = bytes.trim_ascii_start();
    let begins = |what: &[u8]| text.len() >= what.len() && text[..what.len()].eq_ignore_ascii_case(what);
    let known = kinds.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|k| k.1);
    known
        .or_else(|| begins(b"@relation").then_some("an ARFF file"))
        .or_else(|| (begins(b"{") || begins(b"[")).then_some("JSON"))
        .or_else(|| {
            (begins(b"<!doctype") || begins(b"<html") || begins(b"<table") || begins(b"<?xml"))
                .then_some("an HTML or XML page")
        })
        .or_else(|| bytes.iter().take(4096).any(|&b| b == 0).then_some("no text"))
}

/// Whether the fields of the first record are values rather than names: all are numbers or missing, some a number. Numbers
/// that count from 0, perhaps behind an empty field, are the names that pandas gives.
pub(super) fn are_values(first: &[String]) -> bool {
    let all = first.iter().all(|t| field(t) != Field::Text);
    all && !are_counted(first) && first.iter().any(|t| matches!(field(t), Field::Number(_)))
}

/// Whether names are 0, 1, 2 and so on, perhaps behind an empty one.
pub(super) fn are_counted(names: &[String]) -> bool {
    let counted = |names: &[String]| !names.is_empty() && names.iter().enumerate().all(|(i, n)| *n == i.to_string());
    counted(names) || matches!(names, [first, rest @ ..] if first.is_empty() && counted(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn separator(text: &str) -> u8 {
        Dialect::of(text.as_bytes()).unwrap().separator
    }

    #[test]
    fn separators_are_told_by_two_lines() {
        assert_eq!(separator("a,b\n1,2\n"), b',');
        assert_eq!(separator("a;b;c\n0,5;1,5;2,5\n"), b';');
        assert_eq!(separator("a\tb\n1\t2\n"), b'\t');
        assert_eq!(separator("a|b\r\n1|2\r\n"), b'|');
        assert_eq!(separator("\"x;y\",b\n1,2\n"), b',');
        assert_eq!(separator("a,b\n1;2\n"), b',');
        assert_eq!(separator("a\n1\n"), b',');
        assert_eq!(separator("a;b"), b';');
        assert_eq!(
            Dialect::of(b"\xef\xbb\xbfsep=;\r\na;b\r\n").unwrap(),
            Dialect { separator: b';', start: 10, line: 2 }
        );
        assert_eq!(Dialect::of(b"# a,b\n1,2\n").unwrap(), Dialect { separator: b',', start: 1, line: 1 });
        for (bytes, says) in
            [(&b"MATLAB 5.0 MAT-file, x"[..], "MATLAB"), (b"\x1f\x8b\x08", "gzip"), (b"a\0b", "no text")]
        {
            assert!(Dialect::of(bytes).unwrap_err().contains(says));
        }
    }

    #[test]
    fn a_header_is_told_from_values() {
        let values = |fields: &[&str]| are_values(&fields.iter().map(|f| f.to_string()).collect::<Vec<_>>());
        assert!(values(&["0.5", "2"]) && values(&["1", "", "3"]) && values(&["5"]));
        assert!(!values(&["a", "2"]) && !values(&["0", "1", "2"]) && !values(&["", "0", "1"]) && !values(&["", ""]));
    }
}
