//! What the numbers of a dataset depend on beside its images.
use super::super::GOOD;
use super::{Dataset, Truth};
use crate::Result;
use crate::data::{hash_files, mask_file};
use crate::hex::hex;
use sha2::{Digest, Sha256};
use std::path::Path;

impl Dataset {
    /// SHA-256 over what is known of each sample, in order of their paths, in hexadecimal: whether it is normal, the contents of its
    /// mask, those of its further channels' files, and with `foregrounds` those of the foreground mask beside it.
    /// # Errors
    /// [`crate::Error::Io`] for a file that cannot be read; [`crate::Error::File`] for two foreground masks of one image.
    pub fn truth_sha256(&self, foregrounds: bool) -> Result<String> {
        let mut all = Sha256::new();
        for sample in &self.samples {
            let mut file = |kind: &str, path: &Path| -> Result<()> {
                all.update(kind);
                all.update(hash_files([path])?);
                Ok(())
            };
            match &sample.truth {
                Truth::Mask(mask) => file("mask ", mask)?,
                Truth::Masks(masks) => masks.iter().try_for_each(|mask| file("mask ", mask))?,
                Truth::Clean | Truth::Unknown => {}
            }
            for channel in sample.input.files.iter().skip(1) {
                file("channel ", channel)?;
            }
            if foregrounds && let Some(mask) = mask_file(&sample.input.path, &sample.input.name)? {
                file("foreground ", &mask)?;
            }
            all.update(if sample.defect == GOOD { "normal\n" } else { "anomalous\n" });
        }
        Ok(hex(&all.finalize()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DatasetLayout, Sample};
    use super::*;
    use crate::data::Input;

    #[test]
    fn labels_masks_channels_and_foregrounds_count() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["a.png", "b.png", "a_mask.png", "truth.png", "c2.png"] {
            std::fs::write(at(name), name).unwrap();
        }
        let sample =
            |name: &str, defect: &str, truth| Sample { input: Input::of_file(&at(name)), defect: defect.into(), truth };
        let truth = || Truth::Mask(at("truth.png"));
        let mut set = Dataset {
            layout: DatasetLayout::Folders,
            split: None,
            samples: vec![sample("a.png", "hole", truth()), sample("b.png", GOOD, Truth::Clean)],
            notes: Vec::new(),
            training: Vec::new(),
            others: Vec::new(),
        };
        let first = set.truth_sha256(false).unwrap();
        // Written down: a change would make tables of speed and quality those of other data. By Python's hashlib:
        // sha256(b"mask " + h(b"truth.png").hex + b"anomalous\nnormal\n"), h(x) = sha256(len(x) as u64 little-endian + x).
        assert_eq!(first, HASH);
        let with = |set: &Dataset, foregrounds| set.truth_sha256(foregrounds).unwrap();
        assert_ne!(with(&set, true), first);
        std::fs::write(at("a_mask.png"), "another foreground").unwrap();
        assert_eq!(with(&set, false), first);
        set.samples[0].defect = "dent".into();
        assert_eq!(with(&set, false), first, "another kind of defect is still one");
        set.samples[0].input.files.push(at("c2.png"));
        let channels = with(&set, false);
        assert_ne!(channels, first);
        std::fs::write(at("truth.png"), "another truth").unwrap();
        assert_ne!(with(&set, false), channels);
        set.samples = vec![sample("a.png", GOOD, Truth::Clean), sample("b.png", "hole", Truth::Unknown)];
        let one = with(&set, false);
        set.samples = vec![sample("a.png", "hole", Truth::Unknown), sample("b.png", GOOD, Truth::Clean)];
        assert_ne!(with(&set, false), one, "labels the other way round");
    }

    const HASH: &str = "42b1112babf3e76699c85becbebce6e0188a1ea03d5c88f699ca566cd5199bbb";
}
