//! AnoDDPM (Wyatt et al., CVPR Workshops 2022): noise the image to level lambda, denoise it, and look at what changed.
//!
//! One graph holds everything: `start` noises, `body` is one step back (run for every row of the step table), `gather`
//! adds a finished reconstruction to the mean over runs, `finish` makes the map. Between the upload of a batch and the
//! read-back of its results nothing leaves the device.
use super::config::{BlurConfig, NoiseConfig};
use super::{DetectorConfig, ModelFolder};
use crate::diffusion::{permutation, seed as seed_rows};
use crate::graph::{Graph, NodeId, SectionId, StateId};
use crate::kernels::{Op, StepRow, embedding, noise, pointwise::Activation, sampler, score, simplex};
use crate::{Device, Error, Result, Session, Shape, Tensor};

/// Where a chain's noise comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NoiseSource {
    /// N(0,1) by Philox; one image's noise is shared by the batch.
    Gaussian,
    /// Simplex octaves; the permutations of every draw are uploaded before the chain.
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

impl From<NoiseConfig> for NoiseSource {
    fn from(c: NoiseConfig) -> Self {
        match c {
            NoiseConfig::Gaussian {} => NoiseSource::Gaussian,
            NoiseConfig::Simplex { octaves, persistence, frequency } => {
                NoiseSource::Simplex { octaves, persistence, frequency }
            }
        }
    }
}

/// The detector's graph and the handles into it.
pub struct Program {
    /// All sections.
    pub graph: Graph,
    /// (N,H,W,C), in the network's range: the images.
    pub image: StateId,
    /// Permutations (sheets,1,1,256) or given noise (draws·N,H,W,C); none for Gaussian noise.
    pub noise: Option<StateId>,
    /// (N,H,W,C): the mean reconstruction.
    pub reconstruction: StateId,
    /// (N,H,W,1): the map.
    pub map: StateId,
    /// (N,1,1,3): mean, maximum, minimum of the map.
    pub reduced: StateId,
    clear: SectionId,
    start: SectionId,
    body: SectionId,
    gather: SectionId,
    finish: SectionId,
    rows: Vec<StepRow>,
    schedule: Vec<(SectionId, usize)>,
}

impl Program {
    /// Builds the program for batches of `n`.
    /// # Errors
    /// Shapes that do not fit, settings out of range.
    pub fn new(model: &ModelFolder, n: usize, source: NoiseSource) -> Result<Program> {
        let c = &model.config;
        let shape = Shape::new(n, c.input.height, c.input.width, c.input.channels);
        let sampler = c.sampler()?;
        let steps = c.timesteps()?;
        let noisy = sampler.noisy();
        let mut g = Graph::new();
        let image = g.state("image", shape);
        let x = g.state("x", shape);
        let reconstruction = g.state("reconstruction", shape);
        let map = g.state("map", shape.with_c(1));
        let reduced = g.state("reduced", Shape::new(n, 1, 1, 3));
        let draws_per_run = if noisy { 1 + steps.list.len() } else { 1 };
        let noise = noise_shape(source, shape, c.runs * draws_per_run).map(|s| g.state("noise", s));

        let clear = g.section("clear");
        let zero = g.read(image);
        let zero = g.map("clear", zero, Activation::Identity, 0.0, 0.0)?;
        g.write(reconstruction, zero)?;

        let start = g.section("start");
        let z = draw(&mut g, source, noise, shape)?;
        let x0 = g.read(image);
        let noised = g.push("noising", Op::NoiseTo(sampler::NoiseTo), &[x0, z])?;
        g.write(x, noised)?;

        let body = g.section("body");
        let now = g.read(x);
        let t = g.push("time", Op::StepTime(embedding::StepTime { n }), &[])?;
        let prediction = model.spec.build(&model.checkpoint, &mut g, now, t, None)?;
        let mut inputs = vec![now, prediction];
        if noisy {
            inputs.push(draw(&mut g, source, noise, shape)?);
        }
        let step = sampler::SamplerStep { learned_range: sampler.variance_channels, noisy };
        let next = g.push("step", Op::SamplerStep(step), &inputs)?;
        g.write(x, next)?;

        let gather = g.section("gather");
        let (mean, last) = (g.read(reconstruction), g.read(x));
        let mean = g.push("gather", Op::Accumulate(sampler::Accumulate), &[mean, last])?;
        g.write(reconstruction, mean)?;

        let finish = g.section("finish");
        let (before, after) = (g.read(image), g.read(reconstruction));
        let residual = g.push("residual", Op::Residual(score::Residual { kind: c.residual }), &[before, after])?;
        let blurred = blur(&mut g, residual, c.blur)?;
        g.write(map, blurred)?;
        let numbers = g.push("reduce", Op::Reduce(score::Reduce), &[blurred])?;
        g.write(reduced, numbers)?;

        let mut p = Program {
            graph: g,
            image,
            noise,
            reconstruction,
            map,
            reduced,
            clear,
            start,
            body,
            gather,
            finish,
            rows: Vec::new(),
            schedule: Vec::new(),
        };
        p.lay_out(c, draws_per_run)?;
        Ok(p)
    }

    /// Rows of the step table and the order of the sections: for each run its noising, its steps, its gathering.
    fn lay_out(&mut self, c: &DetectorConfig, draws_per_run: usize) -> Result<()> {
        let sampler = c.sampler()?;
        let back = sampler.rows(&c.timesteps()?)?;
        self.schedule.push((self.clear, 0));
        for run in 0..c.runs {
            let first = self.rows.len();
            let mut noising = sampler.noising(c.lambda - 1)?;
            noising.weight = 1.0 / c.runs as f32;
            self.rows.push(noising);
            self.rows.extend(&back);
            seed_rows(&mut self.rows[first..], 0, (run * draws_per_run) as u32);
            self.schedule.push((self.start, first));
            self.schedule.extend((0..back.len()).map(|i| (self.body, first + 1 + i)));
            self.schedule.push((self.gather, first));
        }
        self.schedule.push((self.finish, 0));
        Ok(())
    }
    /// Rows of the step table under a seed.
    pub fn rows(&self, seed: u64) -> Vec<StepRow> {
        let mut rows = self.rows.clone();
        for row in &mut rows {
            (row.seed_lo, row.seed_hi) = (seed as u32, (seed >> 32) as u32);
        }
        rows
    }
    /// The permutations of simplex noise under a seed, and the state that takes them.
    pub fn permutations(&self, source: NoiseSource, seed: u64) -> Option<(StateId, Tensor)> {
        let state = self.noise.filter(|_| matches!(source, NoiseSource::Simplex { .. }))?;
        let sheets = self.graph.states[state.0].shape.n;
        Some((state, permutation::table(&permutation::sheet_seeds(seed, sheets))))
    }
    /// Sections with their rows, in the order they run.
    pub fn schedule(&self) -> &[(SectionId, usize)] {
        &self.schedule
    }
    /// Floating-point operations of one batch.
    pub fn flops(&self) -> u64 {
        self.schedule.iter().map(|(s, _)| self.graph.flops(*s)).sum()
    }
}

/// The shape of the state that a noise source needs.
fn noise_shape(source: NoiseSource, image: Shape, draws: usize) -> Option<Shape> {
    match source {
        NoiseSource::Gaussian => None,
        NoiseSource::Simplex { .. } => Some(Shape::new(draws * image.c, 1, 1, 256)),
        NoiseSource::Given => Some(Shape { n: draws * image.n, ..image }),
    }
}

/// One draw, of the step's number.
fn draw(g: &mut Graph, source: NoiseSource, state: Option<StateId>, image: Shape) -> Result<NodeId> {
    let shape = Shape { n: 1, ..image };
    let input: Vec<NodeId> = state.map(|s| g.read(s)).into_iter().collect();
    let op = match source {
        NoiseSource::Gaussian => Op::Gaussian(noise::Gaussian { shape, stream: 0 }),
        NoiseSource::Simplex { octaves, persistence, frequency } => {
            Op::Simplex(simplex::Simplex { shape, octaves, persistence, frequency })
        }
        NoiseSource::Given => Op::Given(noise::Given { n: image.n }),
    };
    g.push("noise", op, &input)
}

/// Both passes of the blur.
fn blur(g: &mut Graph, map: NodeId, by: Option<BlurConfig>) -> Result<NodeId> {
    let weights = match by {
        None => return Ok(map),
        Some(BlurConfig::Gaussian { sigma }) => score::gaussian_weights(sigma, 4.0),
        Some(BlurConfig::Box { size }) => score::box_weights(size),
    };
    let radius = weights.len() / 2;
    let weight = g.vector("blur", &weights);
    let across = g.push("blur x", Op::Blur(score::Blur { weight, radius, horizontal: true }), &[map])?;
    g.push("blur y", Op::Blur(score::Blur { weight, radius, horizontal: false }), &[across])
}

/// What a batch gives, all at the network's size.
pub struct Batch {
    /// (N,H,W,1): the map, blurred as the settings say.
    pub map: Tensor,
    /// (N,H,W,C), in the network's range: the mean reconstruction.
    pub reconstruction: Tensor,
}

/// The detector, ready on a device for batches of one size.
pub struct AnoDdpm {
    program: Program,
    session: Session,
    source: NoiseSource,
    seeded: Option<u64>,
}

impl AnoDdpm {
    /// Builds the program, and puts it and its weights onto the device.
    /// # Errors
    /// As [`Program::new`] and [`Device::session`].
    pub async fn new(device: &Device, model: &ModelFolder, batch: usize) -> Result<Self> {
        Self::with_noise(device, model, batch, model.config.noise.into()).await
    }
    /// The same with another source of noise than the settings name.
    /// # Errors
    /// As [`AnoDdpm::new`].
    pub async fn with_noise(device: &Device, model: &ModelFolder, batch: usize, source: NoiseSource) -> Result<Self> {
        let program = Program::new(model, batch, source)?;
        let session = device.session(&program.graph, program.rows.len()).await?;
        Ok(AnoDdpm { program, session, source, seeded: None })
    }
    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }
    /// Sections that one batch runs: the unit of `progress`.
    pub fn steps(&self) -> usize {
        self.program.schedule.len()
    }
    /// The session, for a host that encodes by itself.
    pub fn session(&self) -> &Session {
        &self.session
    }
    /// Chooses all noise by one number. The permutations of simplex noise and the step table are uploaded; this is done
    /// again only when the seed changes.
    /// # Errors
    /// As [`Session::upload`].
    pub fn seed(&mut self, seed: u64) -> Result<()> {
        if self.seeded == Some(seed) {
            return Ok(());
        }
        self.session.set_steps(&self.program.rows(seed))?;
        if let Some((state, table)) = self.program.permutations(self.source, seed) {
            self.session.upload(state, &table)?;
        }
        self.seeded = Some(seed);
        Ok(())
    }
    /// Gives all noise of a [`NoiseSource::Given`] chain: (draws·N,H,W,C); draw 0 noises, draw 1 + i is step i's.
    /// # Errors
    /// Another source, or another shape.
    pub fn give_noise(&mut self, noise: &Tensor) -> Result<()> {
        match (self.source, self.program.noise) {
            (NoiseSource::Given, Some(state)) => self.session.upload(state, noise),
            _ => Err(Error::Invalid("this detector makes its own noise".into())),
        }
    }
    /// Heals a batch (N,H,W,C in the network's range). `progress` hears how many of [`AnoDdpm::steps`] are done and
    /// answers whether to go on.
    /// # Errors
    /// [`Error::Device`], [`Error::Interrupted`].
    pub async fn run(&mut self, images: &Tensor, seed: u64, progress: impl FnMut(usize) -> bool) -> Result<Batch> {
        self.seed(seed)?;
        self.session.upload(self.program.image, images)?;
        self.session.run(&self.program.schedule, progress).await?;
        let map = self.session.read(self.program.map).await?;
        let reconstruction = self.session.read(self.program.reconstruction).await?;
        Ok(Batch { map, reconstruction })
    }
}
