//! What is said of images, each kind of warning once, however many images it is of.
use super::path_text;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// A warning, with the first file that it is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The first file.
    #[serde(with = "path_text")]
    pub path: PathBuf,
    /// What is said of it.
    pub text: String,
    /// Of how many files the same is said, up to numbers in the text.
    pub files: usize,
}

/// Warnings as they come, in order; those that differ in numbers alone are one kind.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    kinds: Vec<Kind>,
    /// Files of which something else is said, when there are [`MOST`] kinds.
    others: HashSet<PathBuf>,
}

#[derive(Clone, Debug)]
struct Kind {
    key: String,
    /// As the first file has it.
    text: String,
    first: PathBuf,
    files: HashSet<PathBuf>,
    told: bool,
}

/// So many kinds are kept: texts that name files differ from image to image.
const MOST: usize = 32;
/// So many are logged.
const LOGGED: usize = 10;

impl Notices {
    /// Takes what is said of a file; the slices of a volume, and a file that is read again, count once.
    pub fn add(&mut self, path: &Path, texts: &[String]) {
        for text in texts {
            let (key, full) = (kind_of(text), self.kinds.len() == MOST);
            match self.kinds.iter_mut().find(|k| k.key == key) {
                Some(kind) => {
                    if kind.files.is_empty() {
                        (kind.first, kind.text) = (path.to_owned(), text.clone());
                    }
                    if !kind.files.contains(path) {
                        kind.files.insert(path.to_owned());
                    }
                }
                None if full => _ = self.others.insert(path.to_owned()),
                None => {
                    let (first, files) = (path.to_owned(), HashSet::from([path.to_owned()]));
                    self.kinds.push(Kind { key, text: text.clone(), first, files, told: false });
                }
            }
        }
    }

    /// A text is logged elsewhere, and [`Notices::tell`] need not say it; false where it was logged before.
    pub(crate) fn told(&mut self, text: &str) -> bool {
        let (key, text) = (kind_of(text), text.to_owned());
        match self.kinds.iter_mut().find(|k| k.key == key) {
            Some(kind) => !std::mem::replace(&mut kind.told, true),
            None => {
                let (first, files) = Default::default();
                self.kinds.push(Kind { key, text, first, files, told: true });
                true
            }
        }
    }

    /// Takes what is said of a file and logs it at once, unless that was done before.
    pub(crate) fn say(&mut self, path: &Path, text: String) {
        if self.told(&text) {
            tracing::warn!("{}: {text}", path.display());
        }
        self.add(path, &[text]);
    }

    /// Logs as warnings what was not logged before, each with its first file and the number of the others.
    pub fn tell(&mut self) {
        let mut fresh = self.kinds.iter_mut().filter(|k| !k.told);
        for kind in fresh.by_ref().take(LOGGED) {
            kind.told = true;
            let more = match kind.files.len() {
                0 | 1 => String::new(),
                n => format!(" (and {} more)", n - 1),
            };
            tracing::warn!("{}{more}: {}", kind.first.display(), kind.text);
        }
        let further = fresh.fold(0, |count, kind| {
            kind.told = true;
            count + 1
        });
        if further > 0 {
            tracing::warn!("{further} further kinds of warnings of images are not listed here");
        }
    }

    /// All of them, each with its first file.
    pub fn list(&self) -> Vec<Notice> {
        let said = self.kinds.iter().filter(|k| !k.files.is_empty());
        let mut all: Vec<Notice> =
            said.map(|k| Notice { path: k.first.clone(), text: k.text.clone(), files: k.files.len() }).collect();
        all.extend(self.others.iter().min().map(|first| Notice {
            path: first.clone(),
            text: "further warnings, of other kinds, are not listed".into(),
            files: self.others.len(),
        }));
        all
    }
}

/// The text with every number written as one sign.
fn kind_of(text: &str) -> String {
    let mut key = String::with_capacity(text.len());
    let mut number = false;
    for c in text.chars() {
        let now = c.is_ascii_digit() || (number && c == '.');
        if !now {
            key.push(c);
        } else if !number {
            key.push('#');
        }
        number = now;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_kept_once_with_its_first_file_and_a_count() {
        let mut notices = Notices::default();
        for i in 0..500 {
            let text = format!("its values lie between 0.{i:03} and 0.{:03}: a sixteenth", i + 10);
            notices.add(Path::new(&format!("{i}.png")), &[text.clone(), "blended over black".into()]);
            notices.add(Path::new(&format!("{i}.png")), &[text]);
        }
        let list = notices.list();
        let brief: Vec<_> = list.iter().map(|n| (n.path.to_str().unwrap(), n.files)).collect();
        assert_eq!(brief, [("0.png", 500), ("0.png", 500)]);
        assert!(list[0].text.contains("0.000 and 0.010"), "{}", list[0].text);
        // Texts that name something of each image.
        for i in 0..500u32 {
            let name: String = i.to_string().chars().map(|c| (c as u8 + 49) as char).collect();
            notices.add(Path::new(&name), &[format!("the foreground of {name} is a guess")]);
        }
        assert_eq!((notices.list().len(), notices.list()[MOST].files), (MOST + 1, 500 - (MOST - 2)));
    }

    #[test]
    fn what_was_logged_elsewhere_is_listed_where_a_file_has_it() {
        let mut notices = Notices::default();
        assert!(notices.told("floats are taken in [0, 1]") && !notices.told("floats are taken in [0, 1]"));
        assert!(notices.list().is_empty());
        notices.add(Path::new("a.npy"), &["floats are taken in [0, 1]".into()]);
        assert_eq!((notices.list()[0].files, notices.kinds[0].told), (1, true));
    }
}
