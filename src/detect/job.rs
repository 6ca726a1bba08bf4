//! What one batch of a system runs, and a device that runs it.
use crate::diffusion::Noise;
use crate::graph::{Graph, SectionId, StateId};
use crate::kernels::StepRow;
use crate::{Device, Error, Result, Session, Tensor};

/// A system's graph for batches of one size, with everything that running it takes.
pub struct Job {
    /// All sections.
    pub graph: Graph,
    /// What the caller gives: images (N,H,W,C) in the networks' range, or rows (N,1,1,D) or (1,N,1,D).
    pub input: StateId,
    /// The noise, where there is any.
    pub noise: Option<Noise>,
    /// States that are filled once.
    pub constants: Vec<(StateId, Tensor)>,
    /// Sections with their rows of the step table, in the order they run.
    pub phases: Vec<Phase>,
    /// What a batch leaves behind.
    pub outputs: Outputs,
    /// The section with the network.
    pub network: SectionId,
    rows: Vec<StepRow>,
}

/// One run of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Which.
    pub section: SectionId,
    /// Its row of the step table.
    pub row: usize,
}

/// States that hold results when all phases are done.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// (N,H,W,1): the anomaly map.
    pub map: Option<StateId>,
    /// (N,H,W,C), in the networks' range: the mean reconstruction.
    pub reconstruction: Option<StateId>,
    /// (N,H,W,C), in the networks' range: the picture between image and reconstruction, of a system that makes one.
    pub interpolated: Option<StateId>,
    /// (N,h,w,1): 1 where latents were painted anew, of a system with a mask of latents, else 0.
    pub latent_mask: Option<StateId>,
    /// (N,1,1,3): mean, maximum and minimum of the map.
    pub summary: Option<StateId>,
    /// (N,1,1,K) or (1,N,1,K): numbers from which a system without maps makes its score, on the host.
    pub statistics: Vec<StateId>,
    /// Of a job that differentiates.
    pub slope: Option<Slope>,
}

/// Where a job that differentiates leaves the score and its gradient (see [`super::ModelFolder::differentiable`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slope {
    /// (N,1,1,1): the score of each image, at the networks' size.
    pub score: StateId,
    /// (N,H,W,C): its gradient with respect to the job's input, which is the image in the networks' range.
    pub gradient: StateId,
}

impl Job {
    /// A job without constants.
    pub fn new(
        graph: Graph,
        input: StateId,
        noise: Option<Noise>,
        (phases, rows): (Vec<Phase>, Vec<StepRow>),
        outputs: Outputs,
        network: SectionId,
    ) -> Self {
        Job { graph, input, noise, constants: Vec::new(), phases, outputs, network, rows }
    }
    /// Rows of the step table under a seed.
    pub fn rows(&self, seed: u64) -> Vec<StepRow> {
        let mut rows = self.rows.clone();
        for row in &mut rows {
            (row.seed_lo, row.seed_hi) = (seed as u32, (seed >> 32) as u32);
        }
        rows
    }
    /// The same with states that are filled once.
    pub fn with_constants(self, constants: Vec<(StateId, Tensor)>) -> Self {
        Job { constants, ..self }
    }
    /// Floating-point operations of one batch.
    pub fn flops(&self) -> u64 {
        self.phases.iter().map(|p| self.graph.flops(p.section)).sum()
    }
    /// The phases as a session takes them.
    pub fn schedule(&self) -> Vec<(SectionId, usize)> {
        self.phases.iter().map(|p| (p.section, p.row)).collect()
    }
    /// The map, which a host or a report needs.
    /// # Errors
    /// [`Error::Invalid`] for a system that gives scores alone.
    pub fn map(&self) -> Result<StateId> {
        self.outputs.map.ok_or_else(|| Error::Invalid("this system gives a score and no map".into()))
    }
}

/// What a batch gives, at the networks' size where nothing else is said.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// (N,H,W,1): the map.
    pub map: Option<Tensor>,
    /// (N,H,W,C), in the networks' range: the mean reconstruction.
    pub reconstruction: Option<Tensor>,
    /// (N,H,W,C), in the networks' range: the picture between image and reconstruction.
    pub interpolated: Option<Tensor>,
    /// (N,h,w,1), at the size of the latents: 1 where they were painted anew, else 0.
    pub latent_mask: Option<Tensor>,
    /// (N,1,1,K) or (1,N,1,K): numbers from which a system without maps makes its score.
    pub statistics: Vec<Tensor>,
    /// (N,1,1,1): the scores, of a job that differentiates.
    pub score: Option<Tensor>,
    /// (N,H,W,C): the gradient of each score with respect to its image, of a job that differentiates.
    pub gradient: Option<Tensor>,
}

/// A job on a device, ready for batches of one size.
pub struct Runner {
    job: Job,
    session: Session,
    schedule: Vec<(SectionId, usize)>,
    seeded: Option<u64>,
}

impl Runner {
    /// Puts the job and its weights onto the device.
    /// # Errors
    /// As [`Device::session`].
    pub async fn new(device: &Device, job: Job) -> Result<Self> {
        let mut session = device.session(&job.graph, job.rows.len()).await?;
        for (state, tensor) in &job.constants {
            session.upload(*state, tensor)?;
        }
        let schedule = job.schedule();
        Ok(Runner { job, session, schedule, seeded: None })
    }
    /// The job.
    pub fn job(&self) -> &Job {
        &self.job
    }
    /// The session, for a host that encodes by itself.
    pub fn session(&self) -> &Session {
        &self.session
    }
    /// Phases that one batch runs: the unit of `progress`.
    pub fn steps(&self) -> usize {
        self.schedule.len()
    }
    /// Chooses all noise by one number. The tables that a noise needs and the step table are uploaded; this is done again only
    /// when the seed changes.
    /// # Errors
    /// As [`Session::upload`].
    pub fn seed(&mut self, seed: u64) -> Result<()> {
        if self.seeded == Some(seed) {
            return Ok(());
        }
        self.session.set_steps(&self.job.rows(seed))?;
        let table = self.job.noise.and_then(|n| n.table(&self.job.graph, seed));
        if let Some((state, table)) = table {
            self.session.upload(state, &table)?;
        }
        self.seeded = Some(seed);
        Ok(())
    }
    /// Gives all noise of a job with [`crate::diffusion::NoiseSource::Given`]: (draws·N,H,W,C); draw 0 noises, draw 1 + i is step
    /// i's.
    /// # Errors
    /// Another source, or another shape.
    pub fn give_noise(&mut self, noise: &Tensor) -> Result<()> {
        let none = || Error::Invalid("this job has no noise".into());
        let state = self.job.noise.ok_or_else(none)?.given()?;
        self.session.upload(state, noise)
    }
    /// Runs a batch. `progress` hears how many of [`Runner::steps`] are done and answers whether to go on.
    /// # Errors
    /// [`Error::Device`], [`Error::Interrupted`]; [`Error::Invalid`] for another shape than the job's input.
    pub async fn run(&mut self, input: &Tensor, seed: u64, progress: impl FnMut(usize) -> bool) -> Result<Batch> {
        self.seed(seed)?;
        self.session.upload(self.job.input, input)?;
        self.session.run(&self.schedule, progress).await?;
        let outputs = &self.job.outputs;
        let mut batch = Batch::default();
        if let Some(map) = outputs.map {
            batch.map = Some(self.session.read(map).await?);
        }
        if let Some(reconstruction) = outputs.reconstruction {
            batch.reconstruction = Some(self.session.read(reconstruction).await?);
        }
        if let Some(interpolated) = outputs.interpolated {
            batch.interpolated = Some(self.session.read(interpolated).await?);
        }
        if let Some(latent_mask) = outputs.latent_mask {
            batch.latent_mask = Some(self.session.read(latent_mask).await?);
        }
        for &state in &outputs.statistics {
            batch.statistics.push(self.session.read(state).await?);
        }
        if let Some(Slope { score, gradient }) = outputs.slope {
            batch.score = Some(self.session.read(score).await?);
            batch.gradient = Some(self.session.read(gradient).await?);
        }
        Ok(batch)
    }
}
