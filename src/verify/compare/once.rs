//! A graph that runs once.
use crate::graph::{Graph, SectionId, StateId};
use crate::kernels::StepRow;
use crate::{Device, Result, Tensor};

/// What `states` hold after one run of a section, with `given` in the states that it reads.
/// # Errors
/// As those of a session.
pub fn run(
    device: &Device,
    graph: &Graph,
    section: SectionId,
    given: &[(StateId, Tensor)],
    states: &[StateId],
) -> Result<Vec<Tensor>> {
    device.drive(async {
        let mut session = device.session(graph, 1).await?;
        given.iter().try_for_each(|(state, tensor)| session.upload(*state, tensor))?;
        session.set_steps(&[StepRow::default()])?;
        session.run(&[(section, 0)], |_| true).await?;
        let mut found = Vec::with_capacity(states.len());
        for &state in states {
            found.push(session.read(state).await?);
        }
        Ok(found)
    })
}
