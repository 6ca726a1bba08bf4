//! What is finished of a long run: `images.jsonl` in its output folder, one line of JSON for each image. It stays there, and `--resume`
//! goes on from it.
use crate::data::{Lines, whole_lines, write_bytes};
use crate::eval::robust::Subject;
use crate::hex::hex;
use crate::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The file in an output folder.
const FILE: &str = "images.jsonl";

/// A result of one image.
pub(crate) trait OfSubject {
    /// The image.
    fn subject(&self) -> &Subject;
}

#[derive(Serialize, Deserialize)]
struct Line<T> {
    /// What made the result: other weights or settings have another.
    key: String,
    #[serde(flatten)]
    value: T,
}

/// The results of a run, those of an earlier one that still hold among them.
pub(crate) struct Kept<T> {
    path: PathBuf,
    key: String,
    /// Every result, in the order in which they were finished.
    pub all: Vec<T>,
    /// Those of an earlier run that are not taken.
    pub replaced: Vec<T>,
    lines: Option<Lines>,
}

/// A key for everything that a result depends on beside its image.
pub(crate) fn key_of(everything: &serde_json::Value) -> String {
    hex(&Sha256::digest(everything.to_string().as_bytes())[..16])
}

impl<T: Serialize + DeserializeOwned + OfSubject> Kept<T> {
    /// Takes what an earlier run left in the folder under the same key, if it is to be kept and `whole` says that its files are there.
    /// Until the first new result the file stays as it is.
    /// # Errors
    /// [`Error::Io`] when the file cannot be read.
    pub fn open(out: &Path, key: String, resume: bool, whole: impl Fn(&T) -> bool) -> Result<Self> {
        let path = out.join(FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(Error::io(path, e)),
        };
        let lines = bytes[..whole_lines(&bytes)].split(|b| *b == b'\n').filter(|l| !l.is_empty());
        let (mut all, mut replaced, mut others): (Vec<T>, Vec<T>, usize) = (Vec::new(), Vec::new(), 0);
        for line in lines {
            match serde_json::from_slice::<Line<T>>(line) {
                Ok(line) if resume && line.key == key && whole(&line.value) => {
                    // The last word on an image counts.
                    all.retain(|v| v.subject().folder != line.value.subject().folder);
                    all.push(line.value);
                }
                other => {
                    replaced.extend(other.ok().map(|line| line.value));
                    others += 1;
                }
            }
        }
        if others > 0 {
            let why = if resume {
                "other settings, another model, or with files missing or changed"
            } else {
                "an earlier run"
            };
            tracing::warn!("{}: {others} results of {why} are replaced", path.display());
        }
        Ok(Kept { path, key, all, replaced, lines: None })
    }
    /// The finished result of an image, by its folder and what it was read from.
    pub fn find(&self, folder: &str, input_sha256: &str) -> Option<&T> {
        let same = |s: &Subject| s.folder == folder && s.input_sha256 == input_sha256;
        self.all.iter().find(|v| same(v.subject()))
    }
    /// Takes a result whose files are in place.
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn put(&mut self, value: T) -> Result<()> {
        let folder = &value.subject().folder;
        self.all.retain(|v| v.subject().folder != *folder);
        let line = Line { key: self.key.clone(), value };
        let written = match &mut self.lines {
            Some(lines) => lines.put(&line),
            None => self.begin().and_then(|mut lines| {
                let put = lines.put(&line);
                self.lines = Some(lines);
                put
            }),
        };
        // What was found is told, whether it could be written or not.
        self.all.push(line.value);
        written
    }
    /// The file with what is kept, to be gone on with.
    fn begin(&self) -> Result<Lines> {
        let mut bytes = Vec::new();
        for value in &self.all {
            let line = Line { key: self.key.clone(), value };
            serde_json::to_writer(&mut bytes, &line).map_err(|e| Error::Invalid(e.to_string()))?;
            bytes.push(b'\n');
        }
        write_bytes(&self.path, &bytes)?;
        Lines::open(&self.path, bytes.len() as u64)
    }
    /// Waits until every line is on the disk.
    /// # Errors
    /// [`Error::Io`] when one did not reach it.
    pub fn close(self) -> Result<Vec<T>> {
        self.lines.map_or(Ok(()), Lines::close)?;
        Ok(self.all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct One {
        #[serde(flatten)]
        subject: Subject,
        value: f64,
    }

    impl OfSubject for One {
        fn subject(&self) -> &Subject {
            &self.subject
        }
    }

    fn one(folder: &str, value: f64) -> One {
        let subject = Subject {
            path: format!("{folder}.png").into(),
            name: folder.into(),
            folder: folder.into(),
            defect: None,
            input_sha256: "ab".into(),
            warnings: Vec::new(),
        };
        One { subject, value }
    }

    #[test]
    fn what_is_finished_is_kept_by_key_and_a_torn_line_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let open = |key: &str, resume| Kept::<One>::open(dir.path(), key.into(), resume, |_| true).unwrap();
        let mut kept = open("k", false);
        kept.put(one("a", 1.0)).unwrap();
        kept.put(one("b", 2.0)).unwrap();
        assert_eq!(kept.close().unwrap().len(), 2);
        let path = dir.path().join(FILE);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend(b"{\"key\": \"k\", \"path");
        std::fs::write(&path, &bytes).unwrap();
        let mut kept = open("k", true);
        assert_eq!(kept.find("b", "ab"), Some(&one("b", 2.0)));
        assert_eq!((kept.find("b", "other"), kept.find("c", "ab")), (None, None));
        kept.put(one("b", 3.0)).unwrap();
        assert_eq!(kept.close().unwrap(), [one("a", 1.0), one("b", 3.0)]);
        assert_eq!(open("k", true).all, [one("a", 1.0), one("b", 3.0)]);
        assert!(open("other", true).all.is_empty() && open("k", false).all.is_empty());
        let missing = Kept::<One>::open(dir.path(), "k".into(), true, |v| v.subject.folder == "a").unwrap();
        assert_eq!(missing.all, [one("a", 1.0)]);
        // Looking replaced nothing.
        assert_eq!(open("k", true).all.len(), 2);
    }
}
