//! The images of an attack or of a certificate, with their labels where there are any.
use super::Scorer;
use super::evaluate::Group;
use super::items::{Item, expand, groups};
use crate::Result;
use crate::data::{Failure, Input};
use crate::eval::Dataset;

/// Images, with or without labels.
pub enum Subjects {
    /// Without.
    Images(Vec<Input>),
    /// With.
    Dataset(Dataset),
}

impl Subjects {
    /// The files.
    pub fn inputs(&self) -> Vec<&Input> {
        match self {
            Subjects::Images(inputs) => inputs.iter().collect(),
            Subjects::Dataset(dataset) => dataset.samples.iter().map(|s| &s.input).collect(),
        }
    }
    /// Goes through them in order, one volume in memory at a time: `each` gets all pictures that lie one after the other, or the
    /// slices of a volume, each with what is wrong with it ([`crate::eval::GOOD`] if nothing is; none without labels). What cannot
    /// be opened or has no label goes to the scorer's failures.
    /// # Errors
    /// What `each` returns.
    pub fn each(
        &self,
        scorer: &mut Scorer,
        mut each: impl FnMut(&mut Scorer, Vec<(Item, Option<String>)>) -> Result<()>,
    ) -> Result<()> {
        let inputs = self.inputs();
        scorer.begin(inputs.len());
        scorer.look_at(inputs);
        let axis = scorer.options.axis;
        match self {
            Subjects::Images(inputs) => {
                for group in groups(inputs) {
                    let (items, unreadable) = expand(group, axis, &scorer.spec());
                    scorer.failures.extend(unreadable);
                    each(scorer, items.into_iter().map(|item| (item, None)).collect())?;
                }
            }
            Subjects::Dataset(dataset) => {
                let foregrounds = scorer.model.config.reads_foregrounds();
                for samples in Group::all(dataset) {
                    let group = match Group::open(samples, foregrounds) {
                        Ok(group) => group,
                        Err(e) => {
                            scorer.failures.push(Failure::new(&samples[0].input.path, &e));
                            continue;
                        }
                    };
                    let (items, unreadable) = expand(&group.inputs, axis, &scorer.spec());
                    scorer.failures.extend(unreadable);
                    let mut labelled = Vec::with_capacity(items.len());
                    for item in items {
                        match group.truth_at(&item, None) {
                            Ok((defect, _)) => labelled.push((item, Some(defect))),
                            Err(e) => scorer.failures.push(Failure::new(&item.path, &e)),
                        }
                    }
                    each(scorer, labelled)?;
                }
            }
        }
        Ok(())
    }
}
