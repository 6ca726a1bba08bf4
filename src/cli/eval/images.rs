//! A dataset's images, one by one, and a model run over them.
use super::truth::Group;
use crate::cli::items::{Item, expand};
use crate::cli::scoring::Scorer;
use crate::data::Kind;
use crate::eval::{Dataset, Evaluation, Evaluator, ScoredImage};
use crate::report::Failure;
use crate::{Error, Result};
use std::path::Path;

/// Goes through the dataset, all its pictures or one volume at a time; `each` gets what they expand to. What cannot be
/// opened goes to `failures`, and the rest is done.
pub(super) fn walk(
    dataset: &Dataset,
    axis: u8,
    failures: &mut Vec<Failure>,
    mut each: impl FnMut(&Group, Vec<Item>, &mut Vec<Failure>) -> Result<()>,
) -> Result<()> {
    for samples in dataset.samples.chunk_by(|a, b| a.input.kind != Kind::Volume && b.input.kind != Kind::Volume) {
        let group = match Group::open(samples) {
            Ok(group) => group,
            Err(e) => {
                failures.push(Failure { path: samples[0].input.path.clone(), error: e.to_string() });
                continue;
            }
        };
        let (items, unreadable) = expand(&group.inputs, usize::from(axis));
        failures.extend(unreadable);
        each(&group, items, failures)?;
    }
    Ok(())
}

/// What a model made of a dataset.
pub(in crate::cli) struct Scored {
    pub evaluation: Evaluation,
    /// Of each image that was scored, its share of the batch's time.
    pub seconds: Vec<f64>,
    /// Images that are not in the numbers.
    pub failures: Vec<Failure>,
    /// Ctrl-C came: what is here is what was scored until then.
    pub interrupted: bool,
}

/// Runs the model over the dataset. `folder` takes scores that do not fit in memory, until the end.
pub(in crate::cli) fn score(scorer: &mut Scorer, dataset: &Dataset, axis: u8, folder: &Path) -> Result<Scored> {
    let mut evaluator = Evaluator::new(folder);
    let (mut failures, mut seconds) = (Vec::new(), Vec::new());
    let walked = walk(dataset, axis, &mut failures, |group, items, failures| {
        scorer.run(&items, |scored| match group.truth(&scored.item, (scored.picture.width, scored.picture.height)) {
            Ok((defect, mask)) => {
                let (path, name) = (scored.item.path, scored.item.name);
                let image = ScoredImage { path, name, defect, score: scored.score };
                seconds.push(scored.seconds);
                evaluator.add(image, mask.as_ref().map(|m| (&scored.map, m)))
            }
            Err(e) => {
                failures.push(Failure { path: scored.item.path, error: e.to_string() });
                Ok(())
            }
        })
    });
    let interrupted = matches!(walked, Err(Error::Interrupted));
    if !interrupted {
        walked?;
    }
    failures.append(&mut scorer.failures);
    Ok(Scored { evaluation: evaluator.finish()?, seconds, failures, interrupted })
}
