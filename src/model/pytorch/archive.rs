//! The zip archive that `torch.save` writes since PyTorch 1.6.
use super::{Result, Storages};
use std::collections::HashMap;
use std::io::Cursor;
use std::ops::Range;
use zip::{CompressionMethod, ZipArchive};

/// Entries by name, as ranges of the file's bytes.
pub struct Archive {
    entries: HashMap<String, Range<usize>>,
    /// What stands before `data.pkl`.
    root: String,
}

/// What is said of a program.
const SCRIPT: &str = "is a TorchScript archive (torch.jit.save), which holds a program; load it with torch.jit.load and save \
                      its state_dict() with torch.save";

/// Whether the bytes begin like a zip archive.
pub fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

impl Archive {
    /// Reads the list of entries. No size that it declares is trusted: an entry is a range of bytes that are there.
    pub fn open(bytes: &[u8]) -> Result<Self> {
        let damaged = |e: zip::result::ZipError| format!("is a damaged zip archive (truncated?): {e}");
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
        let mut entries = HashMap::new();
        if zip.file_names().flatten().any(|name| name.contains("/code/")) {
            return Err(SCRIPT.into());
        }
        for i in 0..zip.len() {
            let file = zip.by_index_raw(i).map_err(damaged)?;
            let name = file.name().map_err(damaged)?.into_owned();
            if file.compression() != CompressionMethod::Stored || file.encrypted() {
                return Err(format!(
                    "its entry `{name}` is compressed or encrypted, as torch.save never does; load it with PyTorch and save it again"
                ));
            }
            let start = file.data_start().and_then(|s| usize::try_from(s).ok());
            let size = usize::try_from(file.compressed_size()).ok();
            let range = start.zip(size).and_then(|(start, size)| Some(start..start.checked_add(size)?));
            let Some(range) = range.filter(|r| r.end <= bytes.len()) else {
                return Err(format!("truncated: its entry `{name}` reaches past the end of the file"));
            };
            let mut sum = flate2::Crc::new();
            sum.update(&bytes[range.clone()]);
            // Zero is what torch.save writes when it is told to compute none.
            if file.crc32() != 0 && sum.sum() != file.crc32() {
                return Err(format!("damaged: the checksum of its entry `{name}` is another one"));
            }
            entries.insert(name, range);
        }
        let roots = entries.keys().filter_map(|name| name.strip_suffix("data.pkl"));
        let root = roots.filter(|r| r.is_empty() || r.ends_with('/')).min_by_key(|r| (r.len(), r.to_string()));
        let Some(root) = root.map(str::to_owned) else {
            let mut names: Vec<&str> = entries.keys().map(String::as_str).collect();
            names.sort_unstable();
            let shown = names.iter().take(4).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
            return Err(format!("is a zip archive, but not one of torch.save: it has no `data.pkl`, but {shown}"));
        };
        let archive = Archive { entries, root };
        archive.check(bytes)?;
        Ok(archive)
    }
    fn entry(&self, name: &str) -> Option<Range<usize>> {
        self.entries.get(&format!("{}{name}", self.root)).cloned()
    }
    fn check(&self, bytes: &[u8]) -> Result<()> {
        let program = self.entries.keys().any(|n| n.strip_prefix(&self.root).is_some_and(|n| n.starts_with("code/")));
        if program || self.entry("constants.pkl").is_some() {
            return Err(SCRIPT.into());
        }
        let order = self.entry("byteorder").and_then(|r| bytes.get(r)).unwrap_or(b"little");
        match order.trim_ascii() {
            b"little" => Ok(()),
            other => Err(format!(
                "its byte order is `{}`; only little-endian files are read",
                String::from_utf8_lossy(other)
            )),
        }
    }
    /// The bytes of the pickle.
    pub fn pickle<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8]> {
        self.entry("data.pkl").and_then(|r| bytes.get(r)).ok_or_else(|| "it has no `data.pkl`".into())
    }
}

impl Storages for Archive {
    fn locate(&self, key: &str, bytes: usize) -> Result<usize> {
        let name = format!("data/{key}");
        let Some(range) = self.entry(&name) else {
            return Err(format!("its storage `{name}` is missing from the archive"));
        };
        if bytes > range.len() {
            let fault = format!("its storage `{name}` should have {bytes} bytes, but the archive has {}", range.len());
            return Err(fault);
        }
        Ok(range.start)
    }
}
