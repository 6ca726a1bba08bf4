//! What `attack` and `certify` have in common: their images, with labels or without, and what a result is identified by.
use super::eval::SelectionArgs;
use super::given::Given;
use super::scoring::ScoringArgs;
use crate::data::{FileKind, Input, files_read, find, hash_input, path_text};
use crate::detect::{Item, ModelFolder, Scorer, Subjects};
use crate::eval::robust::{Source, Subject};
use crate::{Error, Result};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct ImagesArgs {
    /// A labelled dataset, as `residua eval` takes it (a folder with test/good and test/DEFECT, or good and bad; volumes beside
    /// *_seg.nii.gz; a CSV manifest); with --unlabelled, images or folders of them
    #[arg(required = true, value_name = "DATASET|IMAGE")]
    inputs: Vec<PathBuf>,
    /// Take the images without labels, wherever they lie
    #[arg(long)]
    pub unlabelled: bool,
    #[command(flatten)]
    selection: SelectionArgs,
}

impl ImagesArgs {
    /// The images, and a sentence on how they were understood.
    /// # Errors
    /// No dataset, or several, without `--unlabelled`; flags that do not apply; volumes of a system that judges them as a whole.
    pub fn subjects(
        &self,
        given: &Given,
        model: &ModelFolder,
        (scoring, out): (&ScoringArgs, &Path),
    ) -> Result<(Subjects, String)> {
        let suffixes = &model.spec().suffixes;
        let (subjects, taken_for) = if self.unlabelled {
            given.refuse(&["--split", "--sequence"], |flag| {
                format!("{flag} is about a labelled dataset, which --unlabelled does not look for")
            })?;
            let inputs = find(&self.inputs, suffixes, Some(out))?.complete()?;
            let taken_for = format!("{} images and volumes without labels", inputs.len());
            (Subjects::Images(inputs), taken_for)
        } else {
            let [one] = &self.inputs[..] else {
                let fault = "one labelled dataset is needed; images without labels go with --unlabelled";
                return Err(Error::Invalid(fault.into()));
            };
            let real = |path: &Path| std::fs::canonicalize(path).ok();
            if real(out).is_some() && real(out) == real(one) {
                let fault = "is the dataset itself, which results would become a part of: give another --out";
                return Err(Error::file(out, fault));
            }
            let dataset = self.selection.find(one, suffixes).map_err(|e| match e {
                Error::File { path, fault } if fault.contains("is no dataset") => {
                    Error::file(path, format!("{fault}; images without labels go with --unlabelled"))
                }
                e => e,
            })?;
            let taken_for = dataset.taken_for();
            (Subjects::Dataset(dataset), taken_for)
        };
        let volume = subjects.inputs().into_iter().find(|i| i.kind == FileKind::Volume).cloned();
        scoring.check(given, model, volume.is_some())?;
        if let Some(volume) = volume.filter(|_| model.config.postprocessing().is_some()) {
            let title = model.config.system.title();
            let fault = format!("{title} judges a volume as a whole, and this is about single images: cut out slices");
            return Err(Error::file(volume.path, fault));
        }
        Ok((subjects, taken_for))
    }
    /// What a report says of where its numbers come from.
    pub fn source(&self, taken_for: String, scorer: &Scorer) -> Source {
        let model = scorer.model;
        let source = json!({
            "system": model.config.system.title(), "model": model.config.name, "sha256": model.sha256,
            "device": scorer.device.name(), "seed": scorer.options.seed, "parameters": model.config,
        });
        Source::new(self.inputs.iter().map(|p| path_text(p)).collect(), taken_for, source)
    }
}

/// What a result depends on beside its image and the settings of the command.
pub(crate) fn depends_on(scorer: &Scorer) -> Value {
    let model = scorer.model;
    json!({
        "sha256": model.sha256, "config_sha256": model.config_sha256, "parameters": model.config,
        "seed": scorer.options.seed, "axis": scorer.options.axis,
        "floats": scorer.spec().floats.map(|f| [f.range().low, f.range().high]),
    })
}

/// Sentences on what is measured, which every report of the two begins with.
pub(crate) fn said_of_input(model: &ModelFolder) -> Option<String> {
    let input = model.config.input.as_ref()?;
    let own = match input.scaling.over() {
        Some(_) => {
            ", after the values were scaled by the image's own: what that scaling makes of a perturbation is not covered"
        }
        None => "",
    };
    Some(format!(
        "Images are taken as the networks see them, {} × {} × {} values in 0..1{own}; sizes of perturbations are in these units.",
        input.width, input.height, input.channels
    ))
}

/// The end of a run that has finished no image.
pub(crate) fn before_the_first(e: Error) -> Error {
    match e {
        Error::Interrupted => Error::Invalid("interrupted before the first image was finished: nothing is kept".into()),
        e => e,
    }
}

/// The hashes of inputs, each read once: the slices of a volume come from one.
#[derive(Default)]
pub(crate) struct Hashes(HashMap<String, String>);

impl Hashes {
    /// Of all files that an image is read from.
    /// # Errors
    /// [`Error::Io`] for one that cannot be read.
    pub fn of(&mut self, input: &Input, foregrounds: bool) -> Result<String> {
        if let Some(known) = self.0.get(&input.folder) {
            return Ok(known.clone());
        }
        let hash = hash_input(files_read(input, foregrounds)?.iter().map(|f| &**f))?;
        self.0.insert(input.folder.clone(), hash.clone());
        Ok(hash)
    }
}

/// An item as its record names it.
pub(crate) fn subject(item: &Item, defect: Option<String>, input_sha256: String, warnings: Vec<String>) -> Subject {
    let (path, name, folder) = (item.path.clone(), item.name.clone(), item.folder.clone());
    Subject { path, name, folder, defect, input_sha256, warnings }
}

/// A positive number, or a fraction of two such as 2/255.
pub(crate) fn amount(text: &str) -> Result<f64, String> {
    let number =
        |t: &str| t.trim().parse::<f64>().map_err(|_| "a number, or a fraction such as 2/255, is needed".to_owned());
    let value = match text.split_once('/') {
        Some((above, below)) => number(above)? / number(below)?,
        None => number(text)?,
    };
    if value > 0.0 && value.is_finite() { Ok(value) } else { Err("it must be above 0 and finite".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_numbers_and_fractions() {
        assert_eq!((amount("0.25"), amount("2/255"), amount(" 1 / 4 ")), (Ok(0.25), Ok(2.0 / 255.0), Ok(0.25)));
        for bad in ["0", "-1", "1/0", "0/0", "nan", "inf", "x", "", "1/2/3", "2/"] {
            assert!(amount(bad).is_err(), "{bad}");
        }
    }
}
