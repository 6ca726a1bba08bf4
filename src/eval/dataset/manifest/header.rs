//! The first line of a list of images, and whether a file is such a list.
use crate::data::EXTENSIONS;
use crate::{Error, Result};
use std::io::Read;
use std::path::Path;

/// The columns that mean something.
pub(super) const COLUMNS: [&str; 5] = ["path", "label", "mask", "defect", "split"];
/// What separates columns elsewhere.
const OTHERS: [(char, &str); 3] = [(';', "`;`"), ('\t', "tabs"), ('|', "`|`")];
/// Bytes that tell what a file is.
const START: u64 = 1 << 16;

/// The text of a list, without a byte-order mark.
pub(super) fn text<'a>(bytes: &'a [u8], path: &Path) -> Result<&'a str> {
    let fault = |text: &str| Err(Error::file(path, text));
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    if EXTENSIONS.iter().any(|end| name.ends_with(end)) {
        return fault("is one image, and no dataset: name a folder, or a CSV file that lists images");
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return fault("is UTF-16 text; save it as UTF-8");
    }
    match std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)) {
        Ok(text) if !text.contains('\0') => Ok(text),
        Ok(_) => fault("is no dataset that is known: neither a folder, nor a table, nor a CSV file that lists images"),
        Err(e) => {
            let line = 1 + bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count();
            fault(&format!("is no list of images, or line {line} of it is not UTF-8 text"))
        }
    }
}

/// The columns of a list.
pub(super) struct Header {
    names: Vec<String>,
    columns: [Option<usize>; 5],
}

impl Header {
    /// Finds the columns; `text` is the whole list.
    pub fn new(names: &csv::StringRecord, text: &str) -> Result<Self, String> {
        let names: Vec<String> = names.iter().map(str::to_owned).collect();
        let line = text.lines().next().unwrap_or_default();
        let at = |name: &str| names.iter().position(|found| found.eq_ignore_ascii_case(name));
        if let Some(name) = COLUMNS.iter().find(|n| names.iter().filter(|f| f.eq_ignore_ascii_case(n)).count() > 1) {
            return Err(format!("has two columns `{name}`"));
        }
        let columns = COLUMNS.map(at);
        let other = OTHERS.iter().find(|(separator, _)| split(line, *separator).len() > names.len());
        if let Some((_, shown)) = other
            && (columns[0].is_none() || columns[1..4].iter().all(Option::is_none))
        {
            return Err(format!(
                "its columns are separated by {shown} (it begins with `{line}`): a list of images is separated by commas"
            ));
        }
        let all = || names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        if columns[0].is_none() {
            let files = file_column(text, ',').and_then(|at| names.get(at));
            let advice = files.map(|n| format!("; `{n}` names files: call it `path`")).unwrap_or_default();
            return Err(format!("has no column `path`; its columns are {}{advice}", all()));
        }
        if columns[1..4].iter().all(Option::is_none) {
            let needed = "a header with `path` and one of `label`, `mask` and `defect` is needed";
            return Err(format!("{needed}; its columns are {}", all()));
        }
        Ok(Header { names, columns })
    }
    /// Where a column of [`COLUMNS`] lies.
    pub fn column(&self, which: usize) -> Option<usize> {
        self.columns[which]
    }
    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }
    /// A note on columns that mean nothing here.
    pub fn unused(&self) -> Option<String> {
        let unused = self.names.iter().enumerate().filter(|(at, _)| !self.columns.contains(&Some(*at)));
        let names: Vec<String> = unused.map(|(_, name)| format!("`{name}`")).collect();
        (!names.is_empty()).then(|| format!("columns that are not used: {}", names.join(", ")))
    }
}

/// Whether a CSV file lists images, and is no table of numbers: by a column `path`, or by names of images among its fields, whatever
/// separates them.
pub fn lists_images(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(START).read_to_end(&mut start));
    let text = String::from_utf8_lossy(start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start));
    read.is_ok() && is_list(&text)
}

fn is_list(text: &str) -> bool {
    let header = text.lines().next().unwrap_or_default();
    let separators = [','].into_iter().chain(OTHERS.map(|o| o.0));
    separators.into_iter().any(|separator| {
        let named = split(header, separator).iter().any(|name| name.eq_ignore_ascii_case("path"));
        named || file_column(text, separator).is_some_and(|_| numbers(text, separator) <= 2)
    })
}

/// The column whose fields, in the first rows, are names of images.
fn file_column(text: &str, separator: char) -> Option<usize> {
    let image = |field: &String| {
        let lower = field.to_lowercase();
        EXTENSIONS.iter().any(|end| lower.len() > end.len() && lower.ends_with(end))
    };
    rows(text).find_map(|line| split(line, separator).iter().position(image))
}

/// How many columns of the first row are numbers.
fn numbers(text: &str, separator: char) -> usize {
    let first = rows(text).next().map(|line| split(line, separator)).unwrap_or_default();
    first.iter().filter(|field| field.parse::<f64>().is_ok()).count()
}

/// The first lines below the header.
fn rows(text: &str) -> impl Iterator<Item = &str> {
    text.lines().skip(1).filter(|line| !line.trim().is_empty()).take(5)
}

/// A line's fields; good enough to tell what they are.
fn split(line: &str, separator: char) -> Vec<String> {
    line.split(separator).map(|field| field.trim().trim_matches('"').trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_told_from_tables() {
        for list in [
            "path,label\n",
            "path;label;mask\ni mg/a.png;0;\n",
            "image,label,mask\na.PNG,0,\n",
            "\"file\",\"y\"\n\"a b.nii.gz\",1\n",
            "id\tfilename\n1\tx.tif\n",
            "a.png,0\nb.png,1\n",
        ] {
            assert!(is_list(list), "{list}");
        }
        for table in ["a,b,label\n1,2,0\n", "x;y\n1,5;2,5\n", "file,f0,f1,f2,f3\na.png,1,2,3,4\n", "", ",a\n0,1\n"] {
            assert!(!is_list(table), "{table}");
        }
    }
}
