//! The run itself: from inputs to results on disk, whatever ends it.
use super::Args;
use super::resume::{Earlier, Settings, remove_all};
use super::writer::Writer;
use crate::cli::model_args::Chosen;
use crate::cli::scoring::interruption;
use crate::data::Found;
use crate::detect::{Calibration, Scorer};
use crate::report::{About, Journal, Record, Results, write_report};
use crate::{Error, Result};
use std::collections::HashSet;
use std::sync::atomic::Ordering;

/// What a run has come to.
pub(super) struct Run {
    /// What is finished, in the order of the input files, and what failed.
    pub results: Results,
    /// What was scored, but could not be written.
    pub unsaved: Vec<Record>,
    /// What ended the work.
    pub done: Result<()>,
    /// The images whose pictures an earlier run left.
    earlier: Vec<String>,
    /// The journal, where anything was finished by this run.
    journal: Option<Journal>,
}

/// Goes through all inputs; what cannot be read is listed and the rest is done. What is finished is on disk when this
/// returns, and without an error so is the list of it.
pub(super) fn detect(
    args: &Args,
    mut scorer: Scorer,
    (calibration, chosen): (Option<Calibration>, &Chosen),
    found: Found,
) -> Result<Run> {
    let model = scorer.model;
    let parameters = serde_json::to_value(&model.config).map_err(|e| Error::Invalid(e.to_string()))?.into();
    let (sha256, config_sha256) = (&*model.sha256, model.config_sha256.as_deref());
    let mut results = Results::begin();
    results.failures.extend(found.failures());
    // Before those are left out that an earlier run finished, so that the rest is read as it was then.
    scorer.look_at(&found.inputs);
    let floats = scorer.float_range();
    args.thresholds.check_floats(model, calibration.as_ref(), chosen, floats)?;
    let settings = Settings { args, config: &model.config, parameters: &parameters, sha256, config_sha256, floats };
    let earlier = Earlier::read(args)?;
    let folders: Vec<String> = earlier.iter().flat_map(Earlier::folders).map(str::to_owned).collect();
    let rest = match earlier {
        Some(earlier) if args.resume => earlier.keep(found.inputs, &settings, &mut results),
        earlier => {
            earlier.iter().for_each(|e| e.say_replaced(&found.inputs, &settings));
            found.inputs
        }
    };
    let mut writer = Writer::new(&settings, model, calibration.as_ref(), scorer.device.name(), results, &rest);
    writer.replaces = if args.resume { Vec::new() } else { folders.clone() };
    let ran = scorer.run(&rest, |finished| {
        if !writer.take(finished) {
            // Ends the work after this batch, all of whose scores are told.
            interruption().store(true, Ordering::SeqCst);
        }
        Ok(())
    });
    let (mut results, unsaved, journal, failed) = writer.finish(ran.is_ok());
    results.failures.append(&mut scorer.failures);
    scorer.tell_fitted_to(rest.len());
    results.records.sort_by(|a, b| a.path.cmp(&b.path).then_with(|| a.folder.cmp(&b.folder)));
    Ok(Run { results, unsaved, done: failed.map_or(ran, Err), earlier: folders, journal })
}

impl Run {
    /// Writes `results.json`, `results.csv` and `report.html`, in place of the journal and of an earlier run's. A run that
    /// ended before it had finished anything leaves those alone.
    /// # Errors
    /// [`Error::Io`] when one of them cannot be written; the journal then stays.
    pub fn save(&mut self, args: &Args, about: &About) -> Result<()> {
        if self.done.is_err() && self.journal.is_none() {
            return Ok(());
        }
        self.results.write(&args.out)?;
        if let Some(journal) = self.journal.take() {
            journal.close()?;
        }
        Journal::remove(&args.out)?;
        let now: HashSet<&str> = self.results.records.iter().map(|r| &*r.folder).collect();
        remove_all(&args.out, self.earlier.iter().map(String::as_str).filter(|folder| !now.contains(folder)));
        write_report(&args.out, &self.results, about)
    }

    /// Everything that was scored, whether it could be written or not.
    pub fn scored(&self) -> Results {
        let mut all = self.results.clone();
        all.records.extend(self.unsaved.iter().cloned());
        all
    }
}
