//! What a system's job leaves on its way, held to a golden.
use super::golden::{CHAIN_TOLERANCE, Golden};
use crate::detect::{Job, Phase};
use crate::graph::StateId;
use crate::verify::measure::Deviation;
use crate::{Device, Error, Result, Tensor};

/// What is read of a job's states after so many of its phases, under the golden's name for it.
pub struct Look {
    pub after: usize,
    pub state: StateId,
    pub name: &'static str,
    /// Whole numbers, which must be the golden's.
    pub exact: bool,
}

/// The number of phases up to the first run of a section, or to its last.
/// # Errors
/// [`Error::Invalid`] for a section that never runs.
pub fn after(job: &Job, section: &str, last: bool) -> Result<usize> {
    let is = |p: &Phase| job.graph.sections[p.section.0] == section;
    let found = if last { job.phases.iter().rposition(is) } else { job.phases.iter().position(is) };
    found.map(|at| at + 1).ok_or_else(|| Error::Invalid(format!("a job without {section}")))
}

/// A state by its name.
/// # Errors
/// [`Error::Invalid`] for one that there is not.
pub fn state(job: &Job, name: &str) -> Result<StateId> {
    let found = job.graph.states.iter().position(|s| s.name == name);
    found.map(StateId).ok_or_else(|| Error::Invalid(format!("a job without {name}")))
}

/// Runs a job on an image with its noise given, from look to look: what the golden holds of them, and all that was seen.
/// # Errors
/// What the device, and the golden's tensors, say.
pub fn results(
    golden: &Golden,
    device: &Device,
    job: &Job,
    looks: &[Look],
    (image, noise): (&Tensor, &Tensor),
) -> Result<(Vec<Deviation>, Vec<Tensor>)> {
    let (schedule, rows) = (job.schedule(), job.rows(0));
    let given = job.noise.ok_or_else(|| Error::Invalid("this job has no noise".into()))?.given()?;
    let found = device.drive(async {
        let mut session = device.session(&job.graph, rows.len()).await?;
        session.upload(job.input, image)?;
        session.upload(given, noise)?;
        session.set_steps(&rows)?;
        let (mut found, mut done) = (Vec::with_capacity(looks.len()), 0);
        for look in looks {
            session.run(&schedule[done..look.after], |_| true).await?;
            done = look.after;
            found.push(session.read(look.state).await?);
        }
        Ok::<_, Error>(found)
    })?;
    let mut results = Vec::new();
    for (look, found) in looks.iter().zip(&found) {
        if golden.io.find(look.name)?.is_none() {
            continue;
        }
        results.push(match look.exact {
            true => golden.compare_exactly(look.name, found)?,
            false => golden.compare(look.name, found, CHAIN_TOLERANCE)?,
        });
    }
    Ok((results, found))
}
