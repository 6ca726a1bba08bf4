//! How the raw values of a file become `[0,1]`: a part of the model's input, as much as its size.
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// From raw values to `[0,1]`, for each channel by itself. What lies outside the two ends is clipped, as torchio's
/// `RescaleIntensity` does. The input's value range is applied afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Scaling {
    /// The full range of the file's format: 0..255 of eight bits, 0..65535 of sixteen, `[0,1]` or the model's own range
    /// of floats. A volume has no such range; there the 0.5th and the 99.5th percentile of the volume's voxels that are
    /// not zero become 0 and 1.
    Fixed {},
    /// The least and the greatest value.
    MinMax {
        /// The values that count.
        over: Over,
    },
    /// Two percentiles, interpolated linearly as NumPy does.
    Percentiles {
        /// Becomes 0, in percent: 0 <= low < high <= 100.
        low: f64,
        /// Becomes 1, in percent.
        high: f64,
        /// The values that count.
        over: Over,
    },
}

/// The values that decide how an image is scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// The image's own; in a volume, those of the slice.
    Image,
    /// The whole volume's. A still picture is a volume of one slice.
    Volume,
    /// The volume's inside its foreground mask; see [`super::Foreground`].
    Mask,
}

impl Default for Scaling {
    fn default() -> Self {
        Scaling::Fixed {}
    }
}

impl Scaling {
    /// Holds the percentiles to their range.
    /// # Errors
    /// [`Error::Invalid`] naming the field.
    pub fn check(&self) -> Result<()> {
        match *self {
            Scaling::Percentiles { low, high, .. } if !(0.0 <= low && low < high && high <= 100.0) => {
                Err(Error::Invalid(format!(
                    "`input.scaling`: percentiles {low} and {high}; 0 <= low < high <= 100 is needed"
                )))
            }
            _ => Ok(()),
        }
    }

    /// The values that count; `None` for [`Scaling::Fixed`].
    pub fn over(&self) -> Option<Over> {
        match *self {
            Scaling::Fixed {} => None,
            Scaling::MinMax { over } | Scaling::Percentiles { over, .. } => Some(over),
        }
    }

    /// The two ends for these finite values; `None` for [`Scaling::Fixed`], whose ends do not depend on them.
    /// # Errors
    /// What is wrong, in words: there is no value, or the two ends are (all but) the same.
    pub(super) fn window(&self, values: impl Iterator<Item = f32>) -> Option<Result<Window, String>> {
        match *self {
            Scaling::Fixed {} => None,
            Scaling::MinMax { .. } => {
                let ends = |w: Window, v: f32| Window { low: w.low.min(v), high: w.high.max(v) };
                let window = values.fold(Window { low: f32::INFINITY, high: f32::NEG_INFINITY }, ends);
                Some(window.checked("its least and its greatest value"))
            }
            Scaling::Percentiles { low, high, .. } => {
                let words = format!("its percentiles {low} and {high}");
                Some(Window::of_percentiles(values.collect(), low / 100.0, high / 100.0).checked(&words))
            }
        }
    }
}

/// The raw values that become 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Window {
    /// Becomes 0, as does what lies below.
    pub low: f32,
    /// Becomes 1, as does what lies above.
    pub high: f32,
}

impl Window {
    /// Two percentiles as fractions; an impossible window for no values.
    pub(super) fn of_percentiles(mut values: Vec<f32>, low: f64, high: f64) -> Window {
        if values.is_empty() {
            return Window { low: f32::INFINITY, high: f32::NEG_INFINITY };
        }
        Window { low: percentile(&mut values, low), high: percentile(&mut values, high) }
    }

    /// Itself, if the values between its ends can be told apart; `ends` says what they are.
    pub(super) fn checked(self, ends: &str) -> Result<Window, String> {
        let Window { low, high } = self;
        if low == f32::INFINITY {
            return Err("has no contrast: there is not one value to scale it by".into());
        }
        // Also refuses a difference so small that its inverse is infinite.
        if high > low && (high - low).is_finite() && (1.0 / (high - low)).is_finite() {
            Ok(self)
        } else {
            Err(format!("has no contrast: {ends} are {low} and {high}"))
        }
    }

    /// Brings a raw value to `[0,1]`, clipped.
    pub(super) fn scaler(self) -> impl Fn(f32) -> f32 {
        let (Window { low, high }, scale) = (self, 1.0 / (self.high - self.low));
        move |v| ((v.clamp(low, high) - low) * scale).clamp(0.0, 1.0)
    }
}

/// NumPy's linear percentile of finite values, at least one; reorders them.
fn percentile(values: &mut [f32], fraction: f64) -> f32 {
    let at = fraction * (values.len() - 1) as f64;
    let (_, &mut low, above) = values.select_nth_unstable_by(at as usize, f32::total_cmp);
    let high = above.iter().copied().min_by(f32::total_cmp).unwrap_or(low);
    (f64::from(low) + (f64::from(high) - f64::from(low)) * at.fract()) as f32
}
