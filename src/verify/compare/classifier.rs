//! One call of a classifier of noised images, with the gradient of a class's log probability.
use super::golden::{GRADIENT_TOLERANCE, Golden, NETWORK_TOLERANCE};
use super::once;
use crate::diffusion::guidance_by;
use crate::graph::Graph;
use crate::model::{Network, Overrides};
use crate::verify::measure::Deviation;
use crate::{Device, Error, Result, Tensor};

/// d/dx of the sum over samples of log softmax(out)\[y\].
const GRADIENT: &str = "grad_x_log_p";

/// Logits, and the gradient where the golden has one, against the golden's.
pub fn run(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
    let network = Network::classifier(&golden.folder, &Overrides::default())?;
    let x = golden.io.image("x")?;
    let t = golden.need("t", golden.io.numbers("t", x.shape.n)?)?;
    let gradient = golden.io.find(GRADIENT)?.is_some();
    let y = if gradient { Some(classes(golden, &network, x.shape.n)?) } else { None };

    let mut g = Graph::new();
    let inputs = [("x", Some(x)), ("t", Some(t)), ("y", y)];
    let inputs: Vec<_> =
        inputs.into_iter().filter_map(|(name, tensor)| tensor.map(|t| (g.state(name, t.shape), t))).collect();
    let section = g.section("classifier");
    let nodes: Vec<_> = inputs.iter().map(|(state, _)| g.read(*state)).collect();
    let logits = network.build(&mut g, &nodes[..2])?;
    network.checkpoint.settle(false)?;
    let mut outputs = vec![("out", logits, NETWORK_TOLERANCE)];
    if let Some(&y) = nodes.get(2) {
        outputs.push((GRADIENT, guidance_by(&mut g, logits, nodes[0], y, 1.0)?, GRADIENT_TOLERANCE));
    }
    let mut states = Vec::with_capacity(outputs.len());
    for &(name, node, _) in &outputs {
        let state = g.state(name, g.shape(node));
        g.write(state, node)?;
        states.push(state);
    }
    let found = once::run(device, &g, section, &inputs, &states)?;
    outputs.iter().zip(&found).map(|((name, _, tolerance), found)| golden.compare(name, found, *tolerance)).collect()
}

/// The class of each sample, which must be one of the network's.
fn classes(golden: &Golden, network: &Network, n: usize) -> Result<Tensor> {
    let y = golden.need("y", golden.io.numbers("y", n)?)?;
    let known = network.as_classifier()?.classes();
    match y.data.iter().find(|v| v.fract() != 0.0 || !(0.0..known as f32).contains(*v)) {
        Some(v) => {
            Err(Error::file(golden.io.path(), format!("tensor `y` holds {v}, which is none of {known} classes")))
        }
        None => Ok(y),
    }
}
