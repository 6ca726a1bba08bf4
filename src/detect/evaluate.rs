//! A model, or the results of a run, held against a labelled dataset.
use super::items::{Item, expand};
use super::{Finished, Scorer};
use crate::data::{Failure, InputSpec, Notice};
use crate::eval::{Dataset, Evaluation, Evaluator, ScoredImage};
use crate::{Error, Result};
use std::path::Path;
pub(super) use truth::Group;

mod truth;

/// What came out of a dataset.
pub struct Evaluated {
    /// The numbers.
    pub evaluation: Evaluation,
    /// Of each image that was scored, its share of the batch's time.
    pub seconds: Vec<f64>,
    /// Images that are not in the numbers.
    pub failures: Vec<Failure>,
    /// What is said of the images that are.
    pub warnings: Vec<Notice>,
    /// The work was stopped, or the device was lost, which the failures then tell: what is here is what was scored until then.
    pub interrupted: bool,
}

/// Runs a model over a dataset. `folder` takes scores that do not fit in memory, until the end. A system without maps is measured
/// by its images alone.
/// # Errors
/// What stops the work as a whole: the device, when nothing was scored before, or the folder. Images that give nothing are failures.
pub fn evaluate(scorer: &mut Scorer, dataset: &Dataset, folder: &Path) -> Result<Evaluated> {
    let mut evaluator = Evaluator::new(folder);
    let foregrounds = scorer.model.config.reads_foregrounds();
    scorer.look_at(dataset.samples.iter().map(|s| &s.input));
    let (mut failures, mut seconds, mut interrupted) = (Vec::new(), Vec::new(), false);
    for samples in Group::all(dataset) {
        let group = match Group::open(samples, foregrounds) {
            Ok(group) => group,
            Err(e) => {
                failures.push(Failure { path: samples[0].input.path.clone(), error: e.to_string() });
                continue;
            }
        };
        let ran = scorer.run(&group.inputs, |finished| {
            let Finished::Image(scored) = finished else { return Ok(()) };
            match group.truth(&scored.item, (scored.picture.width, scored.picture.height)) {
                Ok((defect, mask)) => {
                    let (path, name) = (scored.item.path, scored.item.name);
                    let image = ScoredImage { path, name, defect, score: scored.score };
                    seconds.push(scored.seconds);
                    evaluator.add(image, scored.map.as_ref(), mask.as_ref())
                }
                Err(e) => {
                    failures.push(Failure { path: scored.item.path, error: e.to_string() });
                    Ok(())
                }
            }
        });
        match ran {
            Err(Error::Interrupted) => {
                interrupted = true;
                break;
            }
            // A device that is lost, or full, costs what it was at and what is left; nothing that it has done.
            Err(e @ Error::Device { .. }) if !seconds.is_empty() => {
                failures.push(Failure { path: samples[0].input.path.clone(), error: e.to_string() });
                interrupted = true;
                break;
            }
            other => other?,
        }
    }
    failures.append(&mut scorer.failures);
    scorer.tell_fitted_to(seconds.len());
    scorer.notices.tell();
    let warnings = scorer.notices.list();
    Ok(Evaluated { evaluation: evaluator.finish()?, seconds, failures, warnings, interrupted })
}

/// Goes through the images of a dataset with what is known of each, one volume in memory at a time; `each` gives an image's
/// score and map. Volumes are cut along `axis`, and read as `spec` says; `foregrounds`: the results depend on masks of foregrounds. What cannot be opened, and what `each` refuses, are failures.
/// # Errors
/// As [`Evaluator::add`] and [`Evaluator::finish`].
pub fn evaluate_results(
    dataset: &Dataset,
    (axis, spec, foregrounds): (usize, &InputSpec, bool),
    folder: &Path,
    mut each: impl FnMut(&Item) -> Result<(f64, Option<crate::data::Map>)>,
) -> Result<Evaluated> {
    let mut evaluator = Evaluator::new(folder);
    let mut failures = Vec::new();
    for samples in Group::all(dataset) {
        let fail = |e: Error| Failure { path: samples[0].input.path.clone(), error: e.to_string() };
        let group = match Group::open(samples, foregrounds) {
            Ok(group) => group,
            Err(e) => {
                failures.push(fail(e));
                continue;
            }
        };
        let (items, unreadable) = expand(&group.inputs, axis, spec);
        failures.extend(unreadable);
        for item in items {
            let mut one = || {
                let (score, map) = each(&item)?;
                let size = map.as_ref().map(|m| (m.width, m.height));
                let (defect, mask) = group.truth_at(&item, size)?;
                let image = ScoredImage { path: item.path.clone(), name: item.name.clone(), defect, score };
                evaluator.add(image, map.as_ref(), mask.as_ref())
            };
            if let Err(e) = one() {
                failures.push(Failure { path: item.path.clone(), error: e.to_string() });
            }
        }
    }
    let (evaluation, seconds, warnings) = (evaluator.finish()?, Vec::new(), Vec::new());
    Ok(Evaluated { evaluation, seconds, failures, warnings, interrupted: false })
}
