//! Scores of rows by a trained network.
use super::{Kind, Network, schedule};
use crate::diffusion::{Method, Prediction, Quiet, Sampler, Timesteps, Variance};
use crate::graph::{Graph, NodeId, SectionId, StateId};
use crate::kernels::{Op, StepRow, sampler::SamplerStep, score};
use crate::{Device, Result, Session, Shape, Tensor};

/// Rows of one launch.
const CHUNK: usize = 8192;
/// Values of one launch at most: a state stays within WebGPU's default binding.
const ELEMENTS: usize = 1 << 24;
/// Steps that the baseline denoises a row: from t = 249 on, taking the row as it is for one at that time, as the original does.
const DENOISED: usize = 250;

impl Network {
    /// Scores of standardised rows, higher being more anomalous. DTE-C: the mean of the span's number under its softmax, 0 to
    /// `BINS − 1`. DTE-IG: ‖g‖², the scale (the paper's statistic; its code has g, whose sign the loss does not see). The baseline:
    /// the mean squared difference between a row and what 250 steps of denoising make of it, which add no noise: the published
    /// numbers are those of the means alone.
    /// # Errors
    /// [`crate::Error::Invalid`] for rows of another width; whatever the device reports.
    pub async fn score(&self, device: &Device, rows: &[f32]) -> Result<Vec<f64>> {
        self.check_width(rows.len())?;
        let d = self.columns;
        let count = CHUNK.min(ELEMENTS / d.next_multiple_of(4).max(512)).clamp(1, (rows.len() / d).max(1));
        let mut run = self.program(device, Shape::new(1, count, 1, d)).await?;
        let mut scores = Vec::with_capacity(rows.len() / d);
        for chunk in rows.chunks(count * d) {
            run.fill(chunk, d, count)?;
            let found = run.pass(count).await?;
            let rows = found.chunks_exact(found.len() / count).take(chunk.len() / d);
            scores.extend(rows.map(|row| self.statistic(row)));
        }
        Ok(scores)
    }

    /// From the outputs for a row to its score.
    fn statistic(&self, outputs: &[f32]) -> f64 {
        let z = outputs.iter().map(|&v| f64::from(v));
        match self.kind {
            Kind::Categorical => {
                let top = z.clone().fold(f64::NEG_INFINITY, f64::max);
                let e = z.map(|v| (v - top).exp());
                e.clone().zip(0..).map(|(e, i)| e * f64::from(i)).sum::<f64>() / e.sum::<f64>()
            }
            Kind::InverseGamma => z.map(|g| g * g).sum(),
            Kind::Residual => z.sum(),
        }
    }

    async fn program(&self, device: &Device, shape: Shape) -> Result<Program> {
        let mut g = Graph::new();
        let input = g.state("rows", shape);
        let (section, constants, steps, output);
        let mut schedule_ = Vec::new();
        if self.kind == Kind::Residual {
            let sampler = sampler()?;
            steps = sampler.rows(&Timesteps::all(DENOISED)?)?;
            let x = g.state("x", shape);
            let start = g.section("start");
            let rows = g.read(input);
            let copy = g.map("start", rows, Default::default(), 1.0, 0.0)?;
            g.write(x, copy)?;
            section = g.section("denoise");
            let now = g.read(x);
            let (prediction, c) = self.build(&mut g, now)?;
            constants = c;
            let next = Op::SamplerStep(SamplerStep { learned_range: false, noisy: false });
            let next = g.push("step", next, &[now, prediction])?;
            g.write(x, next)?;
            let finish = g.section("finish");
            let (before, after) = (g.read(input), g.read(x));
            let residual = Op::Residual(score::Residual { kind: score::ResidualKind::Squared });
            let map = g.push("residual", residual, &[before, after])?;
            output = write(&mut g, map)?;
            schedule_.push((start, 0));
            schedule_.extend((0..DENOISED).map(|i| (section, i)));
            schedule_.push((finish, 0));
        } else {
            section = g.section("network");
            let rows = g.read(input);
            let (node, c) = self.build(&mut g, rows)?;
            (constants, steps) = (c, vec![StepRow::default()]);
            output = write(&mut g, node)?;
            schedule_.push((section, 0));
        }
        let mut session = device.session(&g, steps.len()).await?;
        for (state, tensor) in &constants {
            session.upload(*state, tensor)?;
        }
        Ok(Program { session, input, output, steps, schedule: schedule_ })
    }
}

/// A state that takes a node's value.
fn write(g: &mut Graph, node: NodeId) -> Result<StateId> {
    let state = g.state("scores", g.shape(node));
    g.write(state, node)?;
    Ok(state)
}

/// Ancestral, ε-prediction, x0 not clamped.
fn sampler() -> Result<Sampler> {
    let method = Method::Ddpm(Variance::FixedSmall);
    let guided = Sampler::guided(schedule(Kind::Residual)?, Prediction::Epsilon, method);
    Ok(Sampler { clip: None, quiet: Quiet::AtEnd, ..guided })
}

struct Program {
    session: Session,
    input: StateId,
    output: StateId,
    steps: Vec<StepRow>,
    schedule: Vec<(SectionId, usize)>,
}

impl Program {
    /// Takes rows of width d, filled up to `count` of them.
    fn fill(&mut self, rows: &[f32], d: usize, count: usize) -> Result<()> {
        // A tensor is NCHW: a column after the other.
        let mut columns = vec![0.0; count * d];
        for (i, row) in rows.chunks_exact(d).enumerate() {
            row.iter().enumerate().for_each(|(c, &v)| columns[c * count + i] = v);
        }
        self.session.upload(self.input, &Tensor::new(Shape::new(1, count, 1, d), columns)?)
    }
    /// The outputs, a row after the other.
    async fn pass(&mut self, count: usize) -> Result<Vec<f32>> {
        self.session.set_steps(&self.steps)?;
        self.session.run(&self.schedule, |_| true).await?;
        let found = self.session.read(self.output).await?;
        Ok(super::transposed(&found.data, count))
    }
}
