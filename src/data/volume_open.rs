//! Volumes from files: one, or a set with one channel each.
use super::affine::{Misfit, reordered};
use super::foreground::{above_lowest, without_mask};
use super::names::stem;
use super::scaling::Window;
use super::sets::Input;
use super::volume::{Scaled, UNIT};
use super::volume_mask::masked;
use super::volume_read::{Stored, read_stored, stored};
use super::{FileKind, InputSpec, Over, Scaling, ValueRange, Volume};
use crate::{Error, Result};
use std::io::BufRead;
use std::path::Path;
use std::sync::OnceLock;

impl Volume {
    /// Reads the volume of an input as a model takes it: one file of one channel or of the model's channels, or a set of
    /// files with one channel each. Its warnings say where the foreground comes from, where that matters.
    /// # Errors
    /// [`Error::Io`] when a file cannot be read; [`Error::File`], with the file: damaged, too large, not a volume, another
    /// number of channels, no contrast, a set whose volumes differ in dimensions or do not overlay each other, a mask of
    /// other dimensions or an empty one.
    pub fn open(input: &Input, spec: &InputSpec) -> Result<Volume> {
        if input.kind != FileKind::Volume {
            return Err(Error::file(&input.path, "is a picture, not a volume"));
        }
        let mut volume = match &input.files[..] {
            [path] => Volume::of_stored(read_stored(path, spec.channels)?, path, &input.name),
            files => set(files, input, spec.channels)?,
        };
        let fits = super::picture::same_channels(volume.channels, spec.channels);
        if !fits {
            let fault = format!("has one channel, but the model takes {} channels", spec.channels);
            return Err(Error::file(&volume.source, fault));
        }
        volume.scale(spec.scaling)?;
        Ok(volume)
    }

    /// Reads a volume of one channel, `.nii` or `.nii.gz`, told apart by content, for [`Scaling::Fixed`].
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, otherwise as [`Volume::from_reader`].
    pub fn read(path: &Path) -> Result<Volume> {
        let input = Input { kind: FileKind::Volume, ..Input::of_file(path) };
        Volume::open(&input, &InputSpec::fixed(1, ValueRange::UNIT))
    }

    /// [`Volume::read`] from `len` bytes of `.nii` or `.nii.gz`; `source` names it in errors.
    /// # Errors
    /// [`Error::File`]: not NIfTI, more than one channel or time, no or more than 2^28 voxels or more
    /// than the file can hold (refused from the header, before anything is allocated), a type that is neither integer
    /// nor float, missing data, NaN, no contrast.
    pub fn from_reader(bytes: impl BufRead, len: u64, source: &Path) -> Result<Volume> {
        let mut volume = Volume::of_stored(stored(bytes, len, source, 1)?, source, &stem(source));
        volume.scale(Scaling::Fixed {})?;
        Ok(volume)
    }

    /// Reads a volume of labels, such as a segmentation: no contrast is asked for, and slices of it are clamped to
    /// `[0,1]` and not scaled.
    /// # Errors
    /// As [`Volume::read`], but for the contrast.
    pub fn read_labels(path: &Path) -> Result<Volume> {
        Ok(Volume::of_stored(read_stored(path, 1)?, path, &stem(path)))
    }

    /// With windows from 0 to 1.
    fn of_stored(stored: Stored, source: &Path, name: &str) -> Volume {
        let Stored { place, channels, voxels, header, big_endian } = stored;
        Volume {
            dims: place.dims,
            channels,
            voxels,
            source: source.to_owned(),
            name: name.to_owned(),
            warnings: place.said.iter().cloned().collect(),
            affine: place.affine,
            place,
            scaled: Scaled::Windows(vec![UNIT; channels]),
            foreground: OnceLock::new(),
            header,
            big_endian,
        }
    }

    /// Finds the windows.
    fn scale(&mut self, scaling: Scaling) -> Result<()> {
        if scaling.over() == Some(Over::Image) {
            self.scaled = Scaled::EachSlice(scaling);
            return Ok(());
        }
        let mask = match scaling.over() {
            Some(Over::Mask) => {
                let mask = masked(self)?;
                self.warnings.push(mask.as_ref().map_or_else(|| without_mask(&self.name), |m| m.notice.clone()));
                mask
            }
            _ => None,
        };
        let size = self.dims.iter().product();
        let window = |(c, voxels): (usize, &[f32])| {
            let window = match (scaling.over(), &mask) {
                (Some(Over::Mask), Some(mask)) => scaling.window(mask.choose(voxels)),
                (Some(Over::Mask), None) => {
                    scaling.window(voxels.iter().zip(above_lowest(voxels)).filter(|(_, above)| *above).map(|(v, _)| *v))
                }
                _ => scaling.window(voxels.iter().copied()),
            };
            let named = |fault: String| match self.channels {
                1 => Error::file(&self.source, fault),
                _ => Error::file(&self.source, format!("channel {c} {fault}")),
            };
            window.unwrap_or_else(|| usual_window(voxels)).map_err(named)
        };
        let windows = self.voxels.chunks_exact(size).enumerate().map(window).collect::<Result<_>>()?;
        if scaling == (Scaling::Fixed {}) {
            let of = |(c, voxels): (usize, &[f32])| {
                let said = unusual_background(voxels)?;
                Some(if self.channels == 1 { said } else { format!("channel {c}: {said}") })
            };
            self.warnings.extend(self.voxels.chunks_exact(size).enumerate().filter_map(of).collect::<Vec<_>>());
        }
        self.scaled = Scaled::Windows(windows);
        if let Some(mask) = mask {
            self.foreground = mask.into();
        }
        Ok(())
    }
}

/// A set: volumes of one channel that overlay each other.
fn set(files: &[std::path::PathBuf], input: &Input, channels: usize) -> Result<Volume> {
    if files.len() != channels {
        let fault = format!("is one of {} files, but the model takes {channels} channels", files.len());
        return Err(Error::file(&input.path, fault));
    }
    let mut whole: Option<Stored> = None;
    for path in files {
        let next = read_stored(path, 1)?;
        let Some(first) = &mut whole else {
            whole = Some(next);
            continue;
        };
        let other = format!("{}, another channel of the same image", stem(&files[0]));
        let axes = first.place.axes_of(&next.place).map_err(|misfit| {
            let fault = match misfit {
                Misfit::Dims => format!("has {:?} voxels, but {other}, {:?}", next.place.dims, first.place.dims),
                Misfit::Unknown => {
                    format!("and {other}: one of the two does not say where it lies (sform_code and qform_code are 0)")
                }
                Misfit::Apart => format!("does not lie where {other}, does: their affines differ; resample it to that"),
            };
            Error::file(path, fault)
        })?;
        first.voxels.extend(reordered(&next.voxels, next.place.dims, &axes));
        first.channels += 1;
    }
    let whole = whole.ok_or_else(|| Error::file(&input.path, "is an input without files"))?;
    Ok(Volume::of_stored(whole, &input.path, &input.name))
}

/// The window of [`Scaling::Fixed`]: the ends of the histogram of an MR image are artefacts, and zero is the background.
fn usual_window(voxels: &[f32]) -> std::result::Result<Window, String> {
    let inside: Vec<f32> = voxels.iter().copied().filter(|&v| v != 0.0).collect();
    if inside.is_empty() {
        return Err("every voxel is zero".into());
    }
    Window::of_percentiles(inside, 0.005, 0.995).checked("the 0.5th and 99.5th percentile of its non-zero voxels")
}

/// What is said of a volume whose background seems to be another value than zero, which [`usual_window`] takes for it: many voxels
/// have the lowest value, as padding has, or hardly any is zero.
fn unusual_background(voxels: &[f32]) -> Option<String> {
    let lowest = voxels.iter().copied().fold(f32::INFINITY, f32::min);
    let share = |value: f32| voxels.iter().filter(|&&v| v == value).count() as f64 / voxels.len() as f64;
    let (zeros, lowest_share) = (share(0.0), share(lowest));
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let why = if lowest != 0.0 && lowest_share > 0.02 {
        format!("{} of its voxels have its lowest value, {lowest}, as a background has", percent(lowest_share))
    } else if zeros < 0.001 {
        format!("{} of its voxels are 0, and its lowest value is {lowest}", percent(zeros))
    } else {
        return None;
    };
    Some(format!(
        "{why}: voxels that are not exactly 0 decide how it is scaled; if there is a background in it, set that to 0, or the result \
         is wrong"
    ))
}

#[cfg(test)]
mod tests {
    use super::unusual_background;

    #[test]
    fn a_background_that_is_not_zero_is_said() {
        let brain: Vec<f32> =
            (0..1000).map(|i| if i % 3 == 0 { 0.0 } else { (i * 37 % 101) as f32 / 10.0 + 1.0 }).collect();
        assert_eq!(unusual_background(&brain), None);
        for (shift, low) in [(0.001, "0.001"), (-1024.0, "-1024")] {
            let shifted: Vec<f32> = brain.iter().map(|v| v + shift).collect();
            let said = unusual_background(&shifted).unwrap();
            assert!(said.starts_with(&format!("33.4 % of its voxels have its lowest value, {low},")), "{said}");
        }
        // Noise around zero.
        let noisy: Vec<f32> = brain.iter().enumerate().map(|(i, v)| v + 1e-3 + i as f32 * 1e-6).collect();
        assert!(unusual_background(&noisy).unwrap().starts_with("0.0 % of its voxels are 0"));
        // Standardised inside the brain, where the background stays 0.
        let standard: Vec<f32> = brain.iter().map(|&v| if v == 0.0 { 0.0 } else { v - 6.0 }).collect();
        let lowest = standard.iter().filter(|v| **v == -5.0).count();
        assert_eq!((unusual_background(&standard).is_none(), lowest < 20), (true, true));
    }
}
