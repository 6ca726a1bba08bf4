//! Training: the one place where weights change. A step draws a minibatch, diffuses its rows to random times, and runs the
//! network, its loss's gradient and Adam, as one section of a graph on any device.
mod backward;
mod layers;
#[cfg(test)]
mod tests;

use super::RandomState;
use super::networks::{Kind, Network, Part, inverse_gamma_shape, schedule};
use crate::diffusion::Schedule;
use crate::graph::{Graph, NodeId, SectionId, StateId};
use crate::kernels::noise::Gaussian;
use crate::kernels::train::{Adam, Diffuse, Gather, Loss, LossKind, Times};
use crate::kernels::{Op, StepRow};
use crate::{Device, Error, Result, Shape, Tensor};
use backward::backward;
use layers::{Layers, Parameter};

/// How a network is trained: by Adam, at a rate that falls to zero along half a cosine (Loshchilov and Hutter, ICLR 2017). Batch and
/// penalty are the paper's defaults, which trains at a steady 1e-4 for 400 epochs; the falling rate reaches the same AUROC in a
/// small part of the steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// Passes over the rows.
    pub epochs: usize,
    /// Steps of Adam at most. By default 4000 (8000 for DTE-IG), or 60 epochs if these are more.
    pub max_steps: Option<usize>,
    /// Rows of a step.
    pub batch: usize,
    /// Learning rate at the beginning. By default 3e-4 for DTE-IG and 1e-3 for the others.
    pub rate: Option<f64>,
    /// L2 penalty (added to the gradient). DTE-IG has none, as its later public version.
    pub decay: f32,
    /// Decides weights, order and noise.
    pub seed: u32,
}

impl Default for Recipe {
    fn default() -> Self {
        Recipe { epochs: 400, max_steps: None, batch: 64, rate: None, decay: 5e-4, seed: 0 }
    }
}

/// By default a network is trained for no more steps than this, or no more epochs than [`EPOCHS`] where these are more steps. DTE-IG
/// comes to twice as many steps.
const STEPS: usize = 4000;
/// See [`STEPS`].
const EPOCHS: usize = 60;

impl Recipe {
    /// Steps of Adam for so many rows.
    fn steps(&self, kind: Kind, rows: usize) -> usize {
        let (batches, steps) = (self.batches(kind, rows), if kind == Kind::InverseGamma { 2 * STEPS } else { STEPS });
        (self.epochs * batches).min(self.max_steps.unwrap_or(steps.max(EPOCHS * batches)))
    }
    /// Steps of an epoch. The baseline leaves out what does not fill a minibatch.
    fn batches(&self, kind: Kind, rows: usize) -> usize {
        let whole = if kind == Kind::Residual { rows / self.batch } else { rows.div_ceil(self.batch) };
        whole.max(1)
    }
    /// Learning rate of a network's first step.
    fn first_rate(&self, kind: Kind) -> f64 {
        self.rate.unwrap_or(if kind == Kind::InverseGamma { 3e-4 } else { 1e-3 })
    }
}

/// A training step as a graph.
struct Step {
    graph: Graph,
    rows: StateId,
    order: StateId,
    /// Sum of each row's losses.
    loss: StateId,
    section: SectionId,
    parameters: Vec<Parameter>,
}

impl Step {
    fn new(kind: Kind, count: usize, columns: usize, recipe: &Recipe) -> Result<Step> {
        let b = recipe.batch;
        let mut g = Graph::new();
        let rows = g.state("rows", Shape::new(count, 1, 1, columns));
        let order = g.state("order", Shape::new(1, 1, 1, count));
        let loss = g.state("loss", Shape::new(b, 1, 1, 1));
        let section = g.section("step");
        let (all, places) = (g.read(rows), g.read(order));
        let x0 = g.push("minibatch", Op::Gather(Gather { batch: b }), &[all, places])?;
        let shape = g.shape(x0);
        let noise = g.push("noise", Op::Gaussian(Gaussian { shape, stream: 0 }), &[])?;
        let levels = schedule(kind)?;
        let steps = levels.steps();
        let t = g.push("times", Op::Times(Times { batch: b, steps, stream: 1 }), &[])?;
        let table = g.weight("schedule", table(kind, &levels));
        let x = g.push("diffuse", Op::Diffuse(Diffuse { steps, schedule: table }), &[x0, noise, t])?;
        let mut layers = Layers { g: &mut g, parameters: Vec::new(), stream: 1 };
        let output = layers.network(kind, x, t)?;
        let parameters = layers.parameters;
        let decay = if kind == Kind::InverseGamma { 0.0 } else { recipe.decay };
        let (kind, goal) = loss_of(&mut g, kind, &levels, columns, [t, noise])?;
        let one = g.push("loss", Op::Loss(Loss { kind, gradient: false }), &[output, goal])?;
        let sum = g.read(loss);
        let sum = g.add("losses", sum, one)?;
        g.write(loss, sum)?;
        let gradient = g.push("loss (gradient)", Op::Loss(Loss { kind, gradient: true }), &[output, goal])?;
        for (state, gradient) in backward(&mut g, output, gradient)? {
            let adam = g.push("adam", Op::Adam(Adam { decay }), &[gradient])?;
            g.write(state, adam)?;
        }
        Ok(Step { graph: g, rows, order, loss, section, parameters })
    }
}

/// (signal, noise, 0, 0) for each time. Time estimation adds the noise and leaves the signal as it is.
fn table(kind: Kind, levels: &Schedule) -> Vec<f32> {
    let row = |a: &f64| {
        let signal = if kind == Kind::Residual { a.sqrt() } else { 1.0 };
        [signal as f32, (1.0 - a).sqrt() as f32, 0.0, 0.0]
    };
    levels.alpha_bars.iter().flat_map(row).collect()
}

fn loss_of(
    g: &mut Graph,
    kind: Kind,
    levels: &Schedule,
    columns: usize,
    [t, noise]: [NodeId; 2],
) -> Result<(LossKind, NodeId)> {
    let steps = levels.steps();
    Ok(match kind {
        Kind::Categorical => (LossKind::Categorical { steps }, t),
        Kind::InverseGamma => {
            let variances: Vec<f32> = levels.alpha_bars.iter().map(|a| (1.0 - a) as f32).collect();
            let variances = g.vector("variances", &variances);
            (LossKind::InverseGamma { shape: inverse_gamma_shape(columns)?, steps, variances }, t)
        }
        Kind::Residual => (LossKind::MeanSquare, noise),
    })
}

/// Trains a network on standardised rows, `columns` values each. `progress` hears after each epoch how many there were and the
/// epoch's mean loss, and answers whether to go on.
/// # Errors
/// [`Error::Invalid`] without a whole row, for settings out of range, or when the loss is no number any more;
/// [`Error::Interrupted`]; whatever the device reports.
pub async fn train(
    device: &Device,
    kind: Kind,
    (rows, columns): (&[f32], usize),
    recipe: &Recipe,
    mut progress: impl FnMut(usize, f64) -> bool,
) -> Result<Network> {
    let (some, first) = (recipe.epochs > 0 && recipe.batch > 0 && recipe.max_steps != Some(0), recipe.first_rate(kind));
    if !(some && first > 0.0 && first.is_finite()) {
        let fault = "training needs at least one epoch, one step, one row in a batch and a positive learning rate";
        return Err(Error::Invalid(fault.into()));
    }
    if columns == 0 || rows.is_empty() || !rows.len().is_multiple_of(columns) {
        return Err(Error::Invalid(format!("{} values do not make rows of {columns} columns", rows.len())));
    }
    let count = rows.len() / columns;
    let step = Step::new(kind, count, columns, recipe)?;
    let (batches, total) = (recipe.batches(kind, count), recipe.steps(kind, count));
    let rate = |i: usize| first * 0.5 * (1.0 + (std::f64::consts::PI * i as f64 / total as f64).cos());
    let mut session = device.session(&step.graph, batches).await?;
    session.upload(step.rows, &Tensor::new(Shape::new(count, 1, 1, columns), rows.to_vec())?)?;
    let shape = |s: StateId| step.graph.states[s.0].shape;
    for (i, p) in step.parameters.iter().enumerate() {
        session.upload(p.state, &p.initial(shape(p.state), recipe.seed.into(), i as u32))?;
        if let Some(r) = p.running {
            let mut start = Tensor::zeros(shape(r));
            start.data[shape(r).c..].fill(1.0);
            session.upload(r, &start)?;
        }
    }
    let mut random = RandomState::new(recipe.seed);
    let mut done = 0;
    for epoch in 0..recipe.epochs {
        let now = batches.min(total - done);
        let order: Vec<f32> = random.permutation(count).into_iter().map(|i| i as f32).collect();
        session.upload(step.order, &Tensor::new(shape(step.order), order)?)?;
        let row = |i: usize| StepRow {
            seed_lo: recipe.seed,
            seed_hi: epoch as u32,
            draw: i as u32,
            ..StepRow::adam((done + i) as u64, rate(done + i))
        };
        session.set_steps(&(0..now).map(row).collect::<Vec<_>>())?;
        session.upload(step.loss, &Tensor::zeros(shape(step.loss)))?;
        let launches: Vec<_> = (0..now).map(|i| (step.section, i)).collect();
        session.run(&launches, |_| true).await?;
        done += now;
        let sum: f64 = session.read(step.loss).await?.data.iter().map(|&v| f64::from(v)).sum();
        let loss = sum / (now * recipe.batch) as f64;
        if !loss.is_finite() {
            return Err(Error::Invalid(format!("the loss is no number any more in epoch {epoch}: use a lower rate")));
        }
        if !progress(epoch + 1, loss) {
            return Err(Error::Interrupted);
        }
        if done >= total {
            break;
        }
    }
    let mut parts = Vec::new();
    for p in &step.parameters {
        let mut values = session.read(p.state).await?.data;
        values.truncate(values.len() / 3);
        let running = match p.running {
            Some(r) => Some(session.read(r).await?.data),
            None => None,
        };
        parts.push(Part { name: p.name.clone(), columns: shape(p.state).c, values, running });
    }
    Network::new(kind, columns, parts)
}
