//! The trained estimators' networks: their shapes, files and schedules.
mod build;
mod score;

use crate::diffusion::{Precision, Schedule};
use crate::model::Checkpoint;
use crate::{Error, Result};

/// The networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkKind {
    /// DTE-C: which of [`BINS`] spans of time a row looks diffused to.
    Categorical,
    /// DTE-IG: g(x), [`SCALES`] numbers whose sum of squares is the scale of an inverse gamma over the variance.
    InverseGamma,
    /// The tabular DDPM baseline: the noise in a row.
    Residual,
}

/// Spans of time that DTE-C tells apart.
pub const BINS: usize = 7;

/// Outputs of DTE-IG's network. The published one has a single g with β = g², which crosses zero where it should be large, at
/// places that chance decides; the squares of many do not vanish together, and ‖x − x₀‖² is a smooth sum of squares.
pub const SCALES: usize = 64;

/// Widths of the layers before the last, of DTE-C and DTE-IG.
pub(super) const TRUNK: [usize; 3] = [256, 512, 256];

/// Widths of the baseline's network.
pub(super) struct Widths {
    /// Of the residual stream.
    pub width: usize,
    /// Inside a block.
    pub hidden: usize,
    /// Of the time embedding.
    pub time: usize,
    /// Number of blocks.
    pub blocks: usize,
}

/// As published.
pub(super) const RESIDUAL: Widths = Widths { width: 128, hidden: 256, time: 256, blocks: 3 };

/// β linear from 1e-4 to 1e-2, both included, over `steps` steps: DTE's schedule.
/// # Errors
/// [`Error::Invalid`] for no steps.
pub fn linear_schedule(steps: usize) -> Result<Schedule> {
    Schedule::linear(steps, 1e-4, 1e-2, Precision::Double)
}

/// The schedule that a network is trained on: 400 steps for time estimation, 1000 for the baseline.
pub(super) fn schedule(kind: NetworkKind) -> Result<Schedule> {
    linear_schedule(if kind == NetworkKind::Residual { 1000 } else { 400 })
}

/// The inverse gamma's shape, d/2 − 1, of rows with d columns.
/// # Errors
/// [`Error::Invalid`] below three columns, where the distribution does not exist.
pub(super) fn inverse_gamma_shape(columns: usize) -> Result<f32> {
    if columns < 3 {
        return Err(Error::Invalid(format!("DTE-IG needs three columns at least; the table has {columns}")));
    }
    Ok(columns as f32 / 2.0 - 1.0)
}

/// A layer's parameters.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    /// The module's name.
    pub name: String,
    /// Outputs.
    pub columns: usize,
    /// Linear: the rows of Wᵀ and then b; BatchNorm: γ and then β.
    pub values: Vec<f32>,
    /// BatchNorm: running mean and then variance.
    pub running: Option<Vec<f32>>,
}

/// A trained network.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    kind: NetworkKind,
    columns: usize,
    parts: Vec<Part>,
}

/// A tensor of a file: name, shape, values.
pub(super) type Named = (String, Vec<usize>, Vec<f32>);

/// Name, inputs (none for a BatchNorm) and outputs of every layer, in the order of training.
fn layout(kind: NetworkKind, columns: usize) -> Vec<(String, Option<usize>, usize)> {
    let linear = |name: &str, from: usize, to: usize| (name.to_owned(), Some(from), to);
    let trunk = |outputs: usize| {
        let widths = [columns, TRUNK[0], TRUNK[1], TRUNK[2], outputs];
        (0..4).map(|i| linear(&format!("layers.{i}"), widths[i], widths[i + 1])).collect()
    };
    let Widths { width, hidden, time, blocks } = RESIDUAL;
    match kind {
        NetworkKind::Categorical => trunk(BINS),
        NetworkKind::InverseGamma => trunk(SCALES),
        NetworkKind::Residual => {
            let mut all = vec![
                linear("time_embed.0", time, time),
                linear("time_embed.2", time, time),
                linear("resnet.mlp.1", time, width),
                linear("resnet.first_layer", columns, width),
            ];
            for i in 0..blocks {
                let name = |part: &str| format!("resnet.blocks.{i}.{part}");
                all.push((name("normalization"), None, width));
                all.push(linear(&name("linear_first"), width, hidden));
                all.push(linear(&name("linear_second"), hidden, width));
            }
            all.push(("resnet.head.normalization".into(), None, width));
            all.push(linear("resnet.head.linear", width, columns));
            all
        }
    }
}

impl Network {
    /// Numbers that it holds.
    pub fn parameters(&self) -> usize {
        self.parts.iter().map(|p| p.values.len() + p.running.as_ref().map_or(0, Vec::len)).sum()
    }
    /// From its layers, in any order.
    /// # Errors
    /// [`Error::Invalid`] when one is missing or has another size.
    pub(super) fn new(kind: NetworkKind, columns: usize, mut given: Vec<Part>) -> Result<Self> {
        let mut parts = Vec::new();
        for (name, inputs, outputs) in layout(kind, columns) {
            let at = given.iter().position(|p| p.name == name);
            let part = at.map(|i| given.swap_remove(i));
            let rows = inputs.map_or(2, |n| n + 1);
            let fits = |p: &Part| {
                let running = p.running.as_ref().map(Vec::len);
                p.values.len() == rows * outputs && running == inputs.is_none().then_some(2 * outputs)
            };
            parts.push(part.filter(fits).ok_or_else(|| Error::Invalid(format!("layer `{name}` does not fit")))?);
        }
        Ok(Network { kind, columns, parts })
    }

    /// The tensors under PyTorch's names, after a prefix, and in its layouts.
    pub(super) fn tensors(&self, prefix: &str) -> Vec<Named> {
        let mut all = Vec::new();
        for p in &self.parts {
            let (name, c) = (&p.name, p.columns);
            let (weight, bias) = p.values.split_at(p.values.len() - c);
            let mut put =
                |key: &str, shape: Vec<usize>, v: Vec<f32>| all.push((format!("{prefix}{name}.{key}"), shape, v));
            match &p.running {
                None => put("weight", vec![c, weight.len() / c], transposed(weight, c)),
                Some(_) => put("weight", vec![c], weight.to_vec()),
            }
            put("bias", vec![c], bias.to_vec());
            if let Some(r) = &p.running {
                put("running_mean", vec![c], r[..c].to_vec());
                put("running_var", vec![c], r[c..].to_vec());
            }
        }
        all
    }

    /// Reads the tensors of a file that have a prefix.
    /// # Errors
    /// A tensor that is missing, has another shape or no numbers.
    pub(super) fn read(kind: NetworkKind, columns: usize, file: &Checkpoint, prefix: &str) -> Result<Self> {
        let mut parts = Vec::new();
        for (name, inputs, c) in layout(kind, columns) {
            let take = |key: &str, shape: &[usize]| file.take(&format!("{prefix}{name}.{key}"), shape);
            let mut values = match inputs {
                Some(n) => transposed(&take("weight", &[c, n])?, n),
                None => take("weight", &[c])?,
            };
            values.extend(take("bias", &[c])?);
            let running = match inputs {
                Some(_) => None,
                None => Some([take("running_mean", &[c])?, take("running_var", &[c])?].concat()),
            };
            parts.push(Part { name, columns: c, values, running });
        }
        Ok(Network { kind, columns, parts })
    }

    fn part(&self, name: &str) -> Result<&Part> {
        let found = self.parts.iter().find(|p| p.name == name);
        found.ok_or_else(|| Error::Invalid(format!("the network has no layer `{name}`")))
    }
}

/// Rows of `columns` values → as many rows as there are columns.
fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    let rows = values.len() / columns.max(1);
    (0..values.len()).map(|i| values[i % rows * columns + i / rows]).collect()
}
