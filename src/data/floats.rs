//! Which range the floats of a run are in: that of the model, or `[0,1]`. It is decided once, from all of its files.
use super::decode::float_values;
use super::sets::Input;
use super::{FileKind, InputSpec, Scaling, ValueRange, read_still};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// The range that the floats of arrays and TIFFs are in.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatRange {
    /// The range.
    pub range: ValueRange,
    /// The file that lies outside `[0,1]` and so shows that it is the model's; `None` where no file does.
    pub shown_by: Option<PathBuf>,
}

impl FloatRange {
    /// The range of a run: the model's as soon as one image that can be read in it has a value clearly outside `[0,1]`, otherwise `[0,1]`.
    /// A file a little outside `[0,1]` shows nothing, and is refused where no other shows the model's range: see
    /// `FloatRange::check`. `None` where no file holds floats, or where their range does not matter. Files are read one after the other, up to the first
    /// that shows it; what cannot be read is passed over, as its error comes when it is its turn.
    pub fn of_run<'i>(inputs: impl IntoIterator<Item = &'i Input>, spec: &InputSpec) -> Option<FloatRange> {
        if spec.scaling != (Scaling::Fixed {}) || spec.range == ValueRange::UNIT {
            return None;
        }
        let mut found = None;
        for input in inputs.into_iter().filter(|i| i.kind != FileKind::Volume) {
            for path in &input.files {
                let Some(values) = float_values(path) else { continue };
                if outside(&values) && !slightly(&values) {
                    let shown = FloatRange { range: spec.range, shown_by: Some(path.clone()) };
                    // An image that is refused itself, say for a value outside the model's range, must not decide for the others.
                    if read_still(input, &InputSpec { floats: Some(shown.clone()), ..spec.clone() }).is_ok() {
                        return Some(shown);
                    }
                }
                found = Some(FloatRange { range: ValueRange::UNIT, shown_by: None });
            }
        }
        found
    }

    /// The range of one file by itself.
    pub(super) fn of_values(values: &[f32], model: ValueRange) -> FloatRange {
        let clearly = outside(values) && !slightly(values);
        FloatRange { range: if clearly { model } else { ValueRange::UNIT }, shown_by: None }
    }

    /// Refuses values that lie a little outside `[0,1]` where nothing else shows the model's range: a filter that overshoots makes
    /// such ones of `[0,1]`, and an image in the model's range may happen to have no others.
    /// # Errors
    /// [`Error::File`] that says what to do.
    pub(super) fn check(&self, path: &Path, values: &[f32], model: ValueRange) -> Result<()> {
        let unknown = self.range == ValueRange::UNIT && model != ValueRange::UNIT;
        if !unknown || !outside(values) || !slightly(values) {
            return Ok(());
        }
        let (least, most) = ends(values);
        let ValueRange { low, high } = model;
        Err(Error::file(
            path,
            format!(
                "its values lie in [{least}, {most}], a little outside [0, 1], and no file is clearly in the model's range \
                 [{low}, {high}], so that either may be meant: clip them to [0, 1], or scale them to [{low}, {high}]"
            ),
        ))
    }

    /// The range.
    pub fn range(&self) -> ValueRange {
        self.range
    }
    /// Its two ends, as files keep it.
    pub fn ends(&self) -> [f32; 2] {
        [self.range.low, self.range.high]
    }

    /// What is said of a run's range, of the file that shows it where there is one.
    pub fn said(&self, model: ValueRange) -> Option<String> {
        let ValueRange { low, high } = model;
        let shown = self.shown_by.is_some().then(|| {
            format!(
                "it has values outside [0, 1], so that floats are taken in the model's range [{low}, {high}], here and in all other \
                 files"
            )
        });
        shown.or_else(|| self.notice(model))
    }

    /// What is said of the range where it is a guess. `None` where there was no choice.
    pub fn notice(&self, model: ValueRange) -> Option<String> {
        let ValueRange { low, high } = model;
        (self.range != model).then(|| {
            format!(
                "values of floats are taken in [0, 1], as none lies outside; were they meant in the model's range \
                 [{low}, {high}], the result is wrong: store them in [0, 1], or as PNG"
            )
        })
    }

    /// What is said of a file, whose values are in `[0,1]` by now, where they could be in either range.
    pub(super) fn doubt(&self, path: &Path, scaled: &[f32], model: ValueRange) -> Option<String> {
        let ValueRange { low, high } = model;
        let back = |v: &f32| self.range.low + v * (self.range.high - self.range.low);
        match &self.shown_by {
            Some(other) if other != path && scaled.iter().all(|v| ValueRange::UNIT.holds(back(v))) => {
                let other = other.file_name().unwrap_or_default().to_string_lossy();
                Some(format!("its values, none outside [0, 1], are taken in [{low}, {high}], as those of {other} are"))
            }
            _ => self.notice(model),
        }
    }
}

/// Whether any finite value lies outside `[0,1]`.
fn outside(values: &[f32]) -> bool {
    values.iter().any(|v| v.is_finite() && !ValueRange::UNIT.holds(*v))
}

/// The least and the greatest finite value.
fn ends(values: &[f32]) -> (f32, f32) {
    let finite = values.iter().filter(|v| v.is_finite());
    finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(least, most), &v| (least.min(v), most.max(v)))
}

/// Whether no finite value lies further outside `[0,1]` than a filter's overshoot does.
fn slightly(values: &[f32]) -> bool {
    const OVERSHOOT: f32 = 0.05;
    let (least, most) = ends(values);
    least > -OVERSHOOT && most <= 1.0 + OVERSHOOT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Picture;
    use crate::data::npy::tests::npy;
    use npyz::Order;

    struct Run {
        _folder: tempfile::TempDir,
        inputs: Vec<Input>,
    }

    impl Run {
        fn new(files: &[(&str, [f32; 2])]) -> Run {
            let folder = tempfile::tempdir().unwrap();
            let input = |(name, values): &(&str, [f32; 2])| {
                let path = folder.path().join(name);
                std::fs::write(&path, npy(&[1, 2], Order::C, values.to_vec())).unwrap();
                Input::of_file(&path)
            };
            let inputs = files.iter().map(input).collect();
            Run { _folder: folder, inputs }
        }
        fn spec(&self, range: ValueRange) -> InputSpec {
            let spec = InputSpec::fixed(1, range);
            InputSpec { floats: FloatRange::of_run(&self.inputs, &spec), ..spec }
        }
        fn read(&self, at: usize, range: ValueRange) -> crate::Result<Picture> {
            read_still(&self.inputs[at], &self.spec(range))
        }
    }

    #[test]
    fn one_file_decides_for_all_of_a_run() {
        let run = Run::new(&[("bright.npy", [0.2, 0.8]), ("dark.npy", [-0.5, 1.0])]);
        let bright = run.read(0, ValueRange::SIGNED).unwrap();
        assert_eq!(bright.data, [0.6, 0.9]);
        assert!(bright.warnings[0].contains("[-1, 1], as those of dark.npy"), "{:?}", bright.warnings);
        let dark = run.read(1, ValueRange::SIGNED).unwrap();
        assert_eq!((&dark.data[..], dark.warnings.len()), (&[0.25, 1.0][..], 0));
    }

    #[test]
    fn an_image_that_is_refused_decides_nothing() {
        let run = Run::new(&[("far.npy", [-40.0, 0.5]), ("nan.npy", [-0.5, f32::NAN]), ("bright.npy", [0.2, 0.8])]);
        assert!(run.read(0, ValueRange::SIGNED).is_err() && run.read(1, ValueRange::SIGNED).is_err());
        assert_eq!(run.read(2, ValueRange::SIGNED).unwrap().data, [0.2, 0.8]);
    }

    #[test]
    fn a_little_outside_is_refused_unless_another_file_shows_the_range() {
        for values in [[-0.004, 1.0], [0.0, 1.03]] {
            let run = Run::new(&[("bright.npy", [0.2, 0.8]), ("ringing.npy", values)]);
            assert_eq!(run.read(0, ValueRange::SIGNED).unwrap().data, [0.2, 0.8]);
            let alone = read_still(&run.inputs[1], &InputSpec::fixed(1, ValueRange::SIGNED)).unwrap_err().to_string();
            for error in [run.read(1, ValueRange::SIGNED).unwrap_err().to_string(), alone] {
                assert!(error.contains("ringing.npy: ") && error.contains("clip them to [0, 1]"), "{error}");
            }
        }
        let run = Run::new(&[("ringing.npy", [-0.004, 1.0]), ("dark.npy", [-0.5, 1.0])]);
        assert_eq!(run.read(0, ValueRange::SIGNED).unwrap().data, [0.498, 1.0]);
        let said = run.spec(ValueRange::SIGNED).floats.unwrap().said(ValueRange::SIGNED).unwrap();
        assert!(said.contains("taken in the model's range [-1, 1]"), "{said}");
    }

    #[test]
    fn a_guess_is_said() {
        let run = Run::new(&[("bright.npy", [0.2, 0.8]), ("rounded.npy", [-1e-6, 1.0])]);
        for at in 0..2 {
            let found = run.read(at, ValueRange::SIGNED).unwrap();
            assert!(found.warnings[0].contains("taken in [0, 1]"), "{:?}", found.warnings);
        }
        assert_eq!(run.read(0, ValueRange::SIGNED).unwrap().data, [0.2, 0.8]);
        // Where the model's range is [0, 1] there is no choice.
        assert!(run.read(0, ValueRange::UNIT).unwrap().warnings.is_empty());
        assert_eq!(run.spec(ValueRange::UNIT).floats, None);
    }

    #[test]
    fn a_model_of_another_range_takes_its_own_values() {
        let eight = ValueRange { low: 0.0, high: 255.0 };
        let run = Run::new(&[("a.npy", [51.0, 204.0]), ("b.npy", [0.0, 256.0])]);
        assert_eq!(run.read(0, eight).unwrap().data, [0.2, 0.8]);
        let error = run.read(1, eight).unwrap_err().to_string();
        assert!(error.contains("[0, 256], which contradicts the model's value range [0, 255]"), "{error}");
    }
}
