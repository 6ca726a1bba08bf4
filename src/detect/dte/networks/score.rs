//! Scores of rows by a trained network.
use super::{Network, NetworkKind, schedule};
use crate::Result;
use crate::detect::Phase;
use crate::diffusion::{Method, Prediction, Quiet, Sampler, Timesteps, Variance, chain_step};
use crate::graph::{Graph, SectionId, StateId};
use crate::kernels::{Op, StepRow, score};

use super::build::Constant;

/// Steps that the baseline denoises a row: from t = 249 on, taking the row as it is for one at that time, as the original does.
const DENOISED: usize = 250;

/// What a network adds to a job.
pub(in crate::detect::dte) struct Added {
    pub phases: Vec<Phase>,
    pub constants: Vec<Constant>,
    /// The section with the network.
    pub network: SectionId,
    /// (1,N,1,K), see [`Network::statistic`].
    pub output: StateId,
}

impl Network {
    /// Adds what scores the rows (1,N,1,D) of `input`; its rows of the step table go behind those that there are.
    pub(in crate::detect::dte) fn add(&self, g: &mut Graph, input: StateId, rows: &mut Vec<StepRow>) -> Result<Added> {
        if self.kind == NetworkKind::Residual {
            return self.add_denoising(g, input, rows);
        }
        let network = g.section("network");
        let x = g.read(input);
        let (node, constants) = self.build(g, x)?;
        let output = g.state("scores", g.shape(node));
        g.write(output, node)?;
        let phases = vec![Phase { section: network, row: rows.len() }];
        rows.push(StepRow::default());
        Ok(Added { phases, constants, network, output })
    }
    /// The baseline: the rows denoised, and their squared differences.
    fn add_denoising(&self, g: &mut Graph, input: StateId, rows: &mut Vec<StepRow>) -> Result<Added> {
        let (sampler, first) = (sampler()?, rows.len());
        rows.extend(sampler.rows(&Timesteps::all(DENOISED)?)?);
        let x = g.state("x", g.states[input.0].shape);
        let start = g.section("start");
        let given = g.read(input);
        let copy = g.map("start", given, Default::default(), 1.0, 0.0)?;
        g.write(x, copy)?;
        let mut constants = Vec::new();
        let network = chain_step(g, "denoise", x, &sampler, None, |g, now| {
            let (prediction, made) = self.build(g, now)?;
            constants = made;
            Ok(prediction)
        })?;
        let finish = g.section("finish");
        let (before, after) = (g.read(input), g.read(x));
        let residual = Op::Residual(score::Residual { kind: score::ResidualKind::Squared });
        let map = g.push("residual", residual, &[before, after])?;
        let output = g.state("scores", g.shape(map));
        g.write(output, map)?;
        let mut phases = vec![Phase { section: start, row: first }];
        phases.extend((first..first + DENOISED).map(|row| Phase { section: network, row }));
        phases.push(Phase { section: finish, row: first });
        Ok(Added { phases, constants, network, output })
    }
    /// From a row's outputs to its score, higher being more anomalous. DTE-C: the mean of the span's number under its softmax, 0
    /// to `BINS − 1`. DTE-IG: ‖g‖², the scale (the paper's statistic; its code has g, whose sign the loss does not see). The
    /// baseline: the mean squared difference between a row and what 250 steps of denoising make of it, which add no noise: the
    /// published numbers are those of the means alone.
    pub(in crate::detect::dte) fn statistic(&self, outputs: &[f32]) -> f64 {
        let z = outputs.iter().map(|&v| f64::from(v));
        match self.kind {
            NetworkKind::Categorical => {
                let top = z.clone().fold(f64::NEG_INFINITY, f64::max);
                let e = z.map(|v| (v - top).exp());
                e.clone().zip(0..).map(|(e, i)| e * f64::from(i)).sum::<f64>() / e.sum::<f64>()
            }
            NetworkKind::InverseGamma => z.map(|g| g * g).sum(),
            NetworkKind::Residual => z.sum(),
        }
    }
}

/// Ancestral, ε-prediction, x0 not clamped.
fn sampler() -> Result<Sampler> {
    let method = Method::Ddpm(Variance::FixedSmall);
    let guided = Sampler::guided(schedule(NetworkKind::Residual)?, Prediction::Epsilon, method);
    Ok(Sampler { clip: None, quiet: Quiet::AtEnd, ..guided })
}
