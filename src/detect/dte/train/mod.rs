//! Training: the one place where weights change. A step draws a minibatch, diffuses its rows to random times, and runs the
//! network, its loss's gradient and Adam, as one section of a graph on any device.
mod layers;
mod recipe;
#[cfg(test)]
mod tests;

use super::RandomState;
use super::networks::{Network, NetworkKind, Part, inverse_gamma_shape, schedule};
use crate::diffusion::Schedule;
use crate::graph::{Graph, NodeId, SectionId, StateId, Wrt, gradients};
use crate::kernels::adam::Adam;
use crate::kernels::loss::{Loss, LossKind};
use crate::kernels::minibatch::{Diffuse, Gather, Times};
use crate::kernels::noise::Gaussian;
use crate::kernels::{Op, StepRow};
use crate::{Device, Error, Result, Shape, Tensor};
use layers::{Layers, Parameter};
use recipe::FullRecipe;
pub use recipe::Recipe;

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
    fn new(kind: NetworkKind, count: usize, columns: usize, recipe: &FullRecipe) -> Result<Step> {
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
        let (kind, goal) = loss_of(&mut g, kind, &levels, columns, [t, noise])?;
        let one = g.push("loss", Op::Loss(Loss { kind, gradient: false }), &[output, goal])?;
        let sum = g.read(loss);
        let sum = g.add("losses", sum, one)?;
        g.write(loss, sum)?;
        let gradient = g.push("loss (gradient)", Op::Loss(Loss { kind, gradient: true }), &[output, goal])?;
        let states: Vec<Wrt> = parameters.iter().map(|p| p.state.into()).collect();
        for (p, gradient) in parameters.iter().zip(gradients(&mut g, (output, gradient), &states)?) {
            let adam = g.push("adam", Adam { decay: recipe.decay }, &[gradient])?;
            g.write(p.state, adam)?;
        }
        Ok(Step { graph: g, rows, order, loss, section, parameters })
    }
}

/// (signal, noise, 0, 0) for each time. Time estimation adds the noise and leaves the signal as it is.
fn table(kind: NetworkKind, levels: &Schedule) -> Vec<f32> {
    let row = |a: &f64| {
        let signal = if kind == NetworkKind::Residual { a.sqrt() } else { 1.0 };
        [signal as f32, (1.0 - a).sqrt() as f32, 0.0, 0.0]
    };
    levels.alpha_bars.iter().flat_map(row).collect()
}

fn loss_of(
    g: &mut Graph,
    kind: NetworkKind,
    levels: &Schedule,
    columns: usize,
    [t, noise]: [NodeId; 2],
) -> Result<(LossKind, NodeId)> {
    let steps = levels.steps();
    Ok(match kind {
        NetworkKind::Categorical => (LossKind::Categorical { steps }, t),
        NetworkKind::InverseGamma => {
            let variances: Vec<f32> = levels.alpha_bars.iter().map(|a| (1.0 - a) as f32).collect();
            let variances = g.vector("variances", &variances);
            (LossKind::InverseGamma { shape: inverse_gamma_shape(columns)?, steps, variances }, t)
        }
        NetworkKind::Residual => (LossKind::MeanSquare, noise),
    })
}

/// Trains a network on standardised rows, `columns` values each. `progress` hears after each epoch how many there were and the
/// epoch's mean loss, and answers whether to go on.
/// # Errors
/// [`Error::Invalid`] without a whole row, for settings out of range, or when the loss is no number any more;
/// [`Error::Interrupted`]; whatever the device reports.
pub async fn train(
    device: &Device,
    kind: NetworkKind,
    (rows, columns): (&[f32], usize),
    recipe: &Recipe,
    mut progress: impl FnMut(usize, f64) -> bool,
) -> Result<Network> {
    let full = recipe.full(kind)?;
    if columns == 0 || rows.is_empty() || !rows.len().is_multiple_of(columns) {
        return Err(Error::Invalid(format!("{} values do not make rows of {columns} columns", rows.len())));
    }
    let count = rows.len() / columns;
    let step = Step::new(kind, count, columns, &full)?;
    let (batches, total) = (full.batches(count), full.steps(count));
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
            ..StepRow::adam((done + i) as u64, full.rate(done + i, total))
        };
        session.set_steps(&(0..now).map(row).collect::<Vec<_>>())?;
        session.upload(step.loss, &Tensor::zeros(shape(step.loss)))?;
        let launches: Vec<_> = (0..now).map(|i| (step.section, i)).collect();
        session.run(&launches, |_| true).await?;
        done += now;
        let sum: f64 = session.read(step.loss).await?.data.iter().map(|&v| f64::from(v)).sum();
        let loss = sum / (now * full.batch) as f64;
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
