//! What a model takes, as far as reading its files is concerned.
use super::{FloatRange, Scaling, ValueRange};
use crate::{Error, Result};

/// How files become the images that a model takes.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSpec {
    /// Channels of the network's input, 1 to 4.
    pub channels: usize,
    /// The values that black and white become. Reading needs it under [`Scaling::Fixed`] only, for files of floats.
    pub range: ValueRange,
    /// From raw values to `[0,1]`.
    pub scaling: Scaling,
    /// The range that files of floats are in, where it is known of the run as a whole ([`FloatRange::of_run`]); otherwise each
    /// file's own values decide.
    pub floats: Option<FloatRange>,
    /// What the names of the files that make one image end in, one for each channel in the network's order, such as
    /// `_t1`, `_t1ce`, `_t2`, `_flair`; empty where a file is a whole image.
    pub suffixes: Vec<String>,
}

impl InputSpec {
    /// Whole images, scaled by the full range of their formats.
    pub fn fixed(channels: usize, range: ValueRange) -> Self {
        InputSpec { channels, range, scaling: Scaling::Fixed {}, floats: None, suffixes: Vec::new() }
    }

    /// Checks the settings.
    /// # Errors
    /// [`Error::Invalid`] naming the field: channels outside 1..=4, a range that does not rise, percentiles out of order,
    /// suffixes that are empty, repeated, those of masks (`_mask`, `_seg`), with a separator of folders, or of another
    /// number than the channels.
    pub fn check(&self) -> Result<()> {
        let fault = |text: String| Err(Error::Invalid(text));
        let InputSpec { channels, range: ValueRange { low, high }, suffixes, .. } = self;
        if !(1..=4).contains(channels) {
            return fault(format!("`input.channels` is {channels}, not 1 to 4"));
        }
        if !(low.is_finite() && high.is_finite() && low < high) {
            return fault(format!("`input.range` is [{low}, {high}]; it must rise"));
        }
        if !suffixes.is_empty() && suffixes.len() != *channels {
            return fault(format!(
                "`input.suffixes` has {} for {channels} channels; one each is needed",
                suffixes.len()
            ));
        }
        for (i, suffix) in suffixes.iter().enumerate() {
            let lower = suffix.to_lowercase();
            if suffix.is_empty() || suffix.contains(['/', '\\']) || super::beside::MASKS.contains(&lower.as_str()) {
                return fault(format!("`input.suffixes` holds `{suffix}`, which cannot be the end of an image's name"));
            }
            if suffixes[..i].iter().any(|s| s.to_lowercase() == lower) {
                return fault(format!("`input.suffixes` holds `{suffix}` twice"));
            }
        }
        self.scaling.check()
    }
}
