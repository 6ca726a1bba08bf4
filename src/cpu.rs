//! The machine with no GPU: the same plans, run by the kernels' CPU halves on rayon's threads.
use crate::gpu::Timing;
use crate::graph::{Graph, Launch, Plan, SectionId, Slot, StateId};
use crate::kernels::{Args, Real, StepRow};
use crate::{Error, Result};
use std::time::Instant;

/// A planned graph with its memory. `T` is f32 in use and f64 where tests want the truth.
pub struct Session<T> {
    plan: Plan,
    arenas: Vec<Vec<T>>,
    weights: Vec<Vec<T>>,
}

impl<T: Real> Session<T> {
    /// Plans the graph and allocates its memory.
    pub fn new(graph: &Graph) -> Self {
        Self::planned(graph, Plan::new(graph))
    }
    /// The same where there may be too little memory.
    /// # Errors
    /// [`Error::Device`] with how much would be needed.
    pub fn try_new(graph: &Graph) -> Result<Self> {
        let plan = Plan::new(graph);
        let weights: usize = plan.weights().iter().map(|id| graph.weights[id.0].data.len()).sum();
        let need = (plan.arenas.iter().sum::<usize>() + weights).saturating_mul(std::mem::size_of::<T>());
        // What the system refuses at once need not be tried piece by piece, where a refusal ends the program.
        let refused = Vec::<u8>::new().try_reserve_exact(need).is_err();
        if refused {
            let fault =
                format!("there is no memory for the {} MiB that the networks and their values take", need >> 20);
            return Err(Error::Device { device: "cpu".into(), fault });
        }
        Ok(Self::planned(graph, plan))
    }
    fn planned(graph: &Graph, plan: Plan) -> Self {
        let arenas = plan.arenas.iter().map(|&n| vec![T::zero(); n]).collect();
        // Weights that another form has replaced take no memory.
        let mut weights = vec![Vec::new(); graph.weights.len()];
        for id in plan.weights() {
            weights[id.0] = graph.weights[id.0].data.iter().map(|&v| T::of(v.into())).collect();
        }
        Session { plan, arenas, weights }
    }
    /// Writes a state, in device layout; a shorter slice fills its beginning.
    pub fn upload(&mut self, state: StateId, data: &[f32]) {
        for (to, &from) in self.arenas[state.0].iter_mut().zip(data) {
            *to = T::of(from.into());
        }
    }
    /// A state's content, in device layout, possibly longer than its shape by the alignment.
    pub fn state(&self, state: StateId) -> &[T] {
        let len = self.plan.states_len(state);
        &self.arenas[state.0][..len]
    }
    /// Runs a section once with a step's values.
    pub fn run(&mut self, section: SectionId, step: &StepRow) {
        for launch in 0..self.launches(section).len() {
            self.run_launch(section, launch, step);
        }
    }
    /// Runs a section once and tells how long each launch took.
    pub fn profile(&mut self, section: SectionId, step: &StepRow) -> Vec<Timing> {
        let mut timings = Vec::new();
        for i in 0..self.launches(section).len() {
            let start = Instant::now();
            self.run_launch(section, i, step);
            let nanoseconds = start.elapsed().as_secs_f64() * 1e9;
            let launch = &self.launches(section)[i];
            timings.push(Timing { kernel: launch.kernel(), node: launch.name.clone(), nanoseconds });
        }
        timings
    }
    /// The launches of a section, in the order they run.
    pub fn launches(&self, section: SectionId) -> &[Launch] {
        &self.plan.sections[section.0]
    }
    /// Runs one launch of a section, those before it having run, and shows its output in device layout.
    pub fn run_launch(&mut self, section: SectionId, launch: usize, step: &StepRow) -> &[T] {
        let launch = &self.plan.sections[section.0][launch];
        // No launch reads the arena it writes, so taking it out leaves the inputs borrowable.
        let Slot { arena, offset, len } = launch.output;
        let mut out = std::mem::take(&mut self.arenas[arena]);
        let inputs: Vec<&[T]> =
            launch.inputs.iter().map(|s| &self.arenas[s.arena][s.offset..s.offset + s.len]).collect();
        let weights: Vec<&[T]> = launch.weights.iter().map(|w| &self.weights[w.0][..]).collect();
        let output = &mut out[offset..offset + len];
        launch.op.run_cpu(Args { inputs: &inputs, output, weights: &weights, io: &launch.io, step });
        self.arenas[arena] = out;
        &self.arenas[arena][offset..offset + len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shape;

    #[test]
    fn what_memory_cannot_hold_is_refused_in_words() {
        let mut g = Graph::new();
        // More than any processor addresses.
        let shape = Shape::new(1 << 24, 1 << 12, 1 << 12, 4);
        let (x, y) = (g.state("x", shape), g.state("y", shape));
        g.section("main");
        let node = g.read(x);
        let node = g.map("double", node, Default::default(), 2.0, 0.0).unwrap();
        g.write(y, node).unwrap();
        let refused = Session::<f32>::try_new(&g).map(drop).unwrap_err().to_string();
        assert!(refused.starts_with("cpu: there is no memory for the ") && refused.contains("MiB"), "{refused}");
    }
}
