//! Layers as they run on a device, each against the same launch in f64 and, where there is one, a recorded output.
//!
//! "As they run" is after fusion and lowering, in the memory that the plan gives them: a layer's output is copied out of its
//! arena right after its launch. What an addition or an activation was merged into carries the convolution's name.
mod reference;
mod twin;

pub use reference::Reference;
pub use twin::{Seen, Twin};

use super::measure::difference;
use super::tensors::Tensors;
use crate::Result;
use crate::graph::{Graph, SectionId};
use serde::Serialize;

/// How far a layer is from a truth; both null in JSON when they are no numbers.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Difference {
    /// |out − ref|² / |ref|²
    pub nmse: f64,
    /// The largest |out − ref|; of a fingerprint, among the values kept.
    pub worst: f64,
}

/// One launch, examined.
#[derive(Clone, Debug, Serialize)]
pub struct Layer {
    /// The section that it belongs to.
    pub section: String,
    /// The checkpoint's key, or the stage's name.
    pub name: String,
    /// The kernel with its tile.
    pub kernel: String,
    /// (N,C,H,W).
    pub shape: [usize; 4],
    /// Against the kernel's CPU half in f64, all values.
    pub truth: Difference,
    /// Against what was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Difference>,
    /// The largest NMSE that passes.
    pub tolerance: f64,
    /// On the device alone, where it can tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<f64>,
    /// Within tolerance of both.
    pub ok: bool,
}

impl Layer {
    /// The larger of the two NMSE; NaN when either is.
    pub fn nmse(&self) -> f64 {
        let recorded = self.recorded.map_or(0.0, |e| e.nmse);
        if self.truth.nmse.is_nan() || recorded.is_nan() { f64::NAN } else { self.truth.nmse.max(recorded) }
    }
}

/// The first layer in order that is beyond tolerance.
pub fn first_wrong(layers: &[Layer]) -> Option<&Layer> {
    layers.iter().find(|l| !l.ok)
}

/// Runs a section once and examines every launch. Recorded outputs are the file's tensors `section/layer`; the names of those
/// that were met are added to `met`.
pub async fn examine(
    twin: &mut Twin,
    graph: &Graph,
    (section, row): (SectionId, usize),
    recorded: Option<&Tensors>,
    tolerance: f64,
    met: &mut Vec<String>,
) -> Result<Vec<Layer>> {
    let name = graph.sections.get(section.0).cloned().unwrap_or_default();
    let (mut layers, mut fault) = (Vec::new(), None);
    twin.watch(section, row, |Seen { launch, found, truth }| {
        let shape = launch.io.output;
        let key = format!("{name}/{}", launch.name);
        let reference = match recorded.map(|file| Reference::find(file, &key)).transpose() {
            Ok(reference) => reference.flatten(),
            Err(e) => {
                fault.get_or_insert(e);
                return;
            }
        };
        let error = |(nmse, worst)| Difference { nmse, worst };
        let mut layer = Layer {
            section: name.clone(),
            name: launch.name.clone(),
            kernel: launch.kernel(),
            shape: [shape.n, shape.c, shape.h, shape.w],
            truth: error(difference(found, truth)),
            recorded: reference.map(|r| error(r.difference(shape, found))),
            tolerance,
            milliseconds: None,
            ok: false,
        };
        layer.ok = layer.nmse() <= tolerance;
        if layer.recorded.is_some() {
            met.push(key);
        }
        layers.push(layer);
    })
    .await?;
    fault.map_or(Ok(layers), Err)
}

#[cfg(test)]
mod tests;
