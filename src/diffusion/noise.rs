//! The noise of a chain as nodes of its graph, one draw a step.
use super::permutation;
use crate::graph::{Graph, NodeId, StateId};
use crate::kernels::pointwise::Activation;
use crate::kernels::{Op, noise, simplex};
use crate::{Error, Result, Shape, Tensor};

/// Where a chain's noise comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NoiseSource {
    /// N(0,1) by Philox; one image's noise is shared by the batch.
    Gaussian,
    /// Simplex octaves, shared by the batch; the permutations of every draw are uploaded before the chain.
    Simplex {
        /// Octaves.
        octaves: u32,
        /// Amplitude from octave to octave.
        persistence: f64,
        /// Size in pixels of the first octave's features.
        frequency: u32,
    },
    /// Every draw given by the caller, (draws·N,H,W,C): replaying a recorded chain.
    Given,
}

/// A source in a graph: where its draws come from, and how many there are.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    source: NoiseSource,
    image: Shape,
    state: Option<StateId>,
    round_f16: bool,
}

impl Noise {
    /// Prepares `draws` draws for images of this shape (N,H,W,C). Adds the state that the source needs: permutations
    /// (draws·C,1,1,256), or what the caller gives (draws·N,H,W,C).
    pub fn new(g: &mut Graph, source: NoiseSource, image: Shape, draws: usize) -> Self {
        let shape = match source {
            NoiseSource::Gaussian => None,
            NoiseSource::Simplex { .. } => Some(Shape::new(draws * image.c, 1, 1, 256)),
            NoiseSource::Given => Some(Shape { n: draws * image.n, ..image }),
        };
        Noise { source, image, state: shape.map(|s| g.state("noise", s)), round_f16: false }
    }
    /// Rounds every draw to float16 and back, ties to even; what the caller gives is taken as it is.
    pub fn rounded_to_f16(self, yes: bool) -> Self {
        Noise { round_f16: yes && self.source != NoiseSource::Given, ..self }
    }
    /// The draw of the step's number (`StepRow::draw`), in the current section: (1,H,W,C), or (N,H,W,C) when it is given.
    /// # Errors
    /// [`Error::Graph`] for settings that the kernel refuses.
    pub fn draw(&self, g: &mut Graph) -> Result<NodeId> {
        let shape = Shape { n: 1, ..self.image };
        let input: Vec<NodeId> = self.state.map(|s| g.read(s)).into_iter().collect();
        let op = match self.source {
            NoiseSource::Gaussian => Op::Gaussian(noise::Gaussian { shape, stream: 0 }),
            NoiseSource::Simplex { octaves, persistence, frequency } => {
                Op::Simplex(simplex::Simplex { shape, octaves, persistence, frequency })
            }
            NoiseSource::Given => Op::Given(noise::Given { n: self.image.n }),
        };
        let drawn = g.push("noise", op, &input)?;
        if self.round_f16 { g.map("round", drawn, Activation::RoundF16, 1.0, 0.0) } else { Ok(drawn) }
    }
    /// What a seed makes of the source's state: the permutations of simplex noise; nothing for Gaussian noise, whose seed lies
    /// in the step table, and for noise that is given.
    pub fn table(&self, g: &Graph, seed: u64) -> Option<(StateId, Tensor)> {
        let state = self.state.filter(|_| matches!(self.source, NoiseSource::Simplex { .. }))?;
        let sheets = g.states[state.0].shape.n;
        Some((state, permutation::table(&permutation::sheet_seeds(seed, sheets))))
    }
    /// The state that the caller fills.
    /// # Errors
    /// [`Error::Invalid`] for a source that makes its own noise.
    pub fn given(&self) -> Result<StateId> {
        let own = || Error::Invalid("this detector makes its own noise".into());
        self.state.filter(|_| self.source == NoiseSource::Given).ok_or_else(own)
    }
}
