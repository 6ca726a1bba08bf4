//! One call of an autoencoder, with what lies between encoder and decoder; one of a UNet that an image's embedding modulates; and one of a
//! comparer.
use super::golden::{Golden, NETWORK_TOLERANCE};
use super::once;
use crate::graph::{Graph, NodeId, StateId};
use crate::model::{Network, Overrides};
use crate::verify::measure::Deviation;
use crate::{Device, Error, Result, Tensor};

/// A result under the golden's name for it.
struct Output {
    name: &'static str,
    node: NodeId,
    /// Whole numbers, which must be the golden's.
    exact: bool,
}

/// Image to latent and back: whatever the golden holds of `mean` or `z` (the latent before it is quantised), `logvar`, `sigma`,
/// `moments` (mean and logarithm of the variance, one behind the other, before it is clamped), `sample` (of `noise`), `indices`,
/// `quantized`, and `out`, the image decoded from the mean or from the nearest codes.
pub fn autoencoder(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
    let network = Network::autoencoder(&golden.folder, &Overrides::default())?;
    let (net, ck) = (network.as_autoencoder()?, &network.checkpoint);
    let mut run = Run::new(golden);
    let (x, noise) = (run.given("x")?, golden.io.find("noise")?.map(|_| run.given("noise")).transpose()?);
    let g = &mut run.graph;
    let section = g.section("autoencoder");
    let read = g.read(x);
    let encoded = net.encode(ck, g, read)?;
    let mut outputs = Outputs { golden, found: Vec::new() };
    outputs.add(&["mean", "z", "latent"], encoded.latent)?;
    let mut latent = encoded.latent;
    match encoded.raw_log_variance {
        Some(raw) => {
            let (log_variance, deviation) = (encoded.log_variance(g)?, encoded.deviation(g)?);
            outputs.add(&["logvar"], log_variance)?;
            outputs.add(&["sigma", "std"], deviation)?;
            let moments = g.concat("moments", encoded.latent, raw)?;
            outputs.add(&["moments"], moments)?;
            if let Some(noise) = noise {
                let noise = g.read(noise);
                let sample = encoded.sample(g, noise)?;
                outputs.add(&["sample"], sample)?;
            }
        }
        None => {
            let quantised = net.quantise(ck, g, latent)?;
            outputs.add_exact("indices", quantised.indices)?;
            outputs.add(&["quantized", "quantised", "z_q"], quantised.codes)?;
            latent = quantised.codes;
        }
    }
    let decoded = net.decode(ck, g, latent)?;
    outputs.add(&["out", "decoded"], decoded)?;
    let found = outputs.found;
    network.checkpoint.settle(false)?;
    run.finish(device, section, found)
}

/// DiffAE: the image `x_start` to its embedding `cond`, and with it the noised image `x` at the times `t` to `out`.
pub fn embedded(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
    let network = golden.own_network()?;
    let (net, ck) = (network.as_unet()?, &network.checkpoint);
    let encoder = net.semantic.as_ref();
    let encoder = encoder.ok_or_else(|| Error::file(ck.path(), "holds no encoder of images"))?;
    let mut run = Run::new(golden);
    let (x, image) = (run.given("x")?, run.given("x_start")?);
    let times = golden.need("t", golden.io.numbers("t", run.graph.states[x.0].shape.n)?)?;
    let t = run.graph.state("t", times.shape);
    run.given.push((t, times));
    let g = &mut run.graph;
    let section = g.section("network");
    let (x, t, image) = (g.read(x), g.read(t), g.read(image));
    let embedding = encoder.build(ck, g, image)?;
    let mut outputs = Outputs { golden, found: Vec::new() };
    outputs.add(&["cond"], embedding)?;
    let out = net.build(ck, g, x, t, Some(embedding))?;
    outputs.add(&["out"], out)?;
    let found = outputs.found;
    network.checkpoint.settle(false)?;
    run.finish(device, section, found)
}

/// Images with reconstructions to `out`, the logits, and `prob`, the probability of an anomaly.
pub fn comparer(golden: &Golden, device: &Device) -> Result<Vec<Deviation>> {
    let network = Network::comparer(&golden.folder, &Overrides::default())?;
    let (net, ck) = (network.as_comparer()?, &network.checkpoint);
    let mut run = Run::new(golden);
    let x = run.given("x")?;
    let g = &mut run.graph;
    let section = g.section("comparer");
    let read = g.read(x);
    let logits = net.build(ck, g, read)?;
    let mut outputs = Outputs { golden, found: Vec::new() };
    outputs.add(&["out"], logits)?;
    if golden.io.find("prob")?.is_some() {
        let probability = net.probability(g, logits)?;
        outputs.add(&["prob"], probability)?;
    }
    let found = outputs.found;
    network.checkpoint.settle(false)?;
    run.finish(device, section, found)
}

/// What the golden holds, of what there is.
struct Outputs<'a> {
    golden: &'a Golden,
    found: Vec<Output>,
}

impl Outputs<'_> {
    fn add(&mut self, names: &[&'static str], node: NodeId) -> Result<()> {
        for &name in names {
            if self.golden.io.find(name)?.is_some() {
                self.found.push(Output { name, node, exact: false });
            }
        }
        Ok(())
    }
    fn add_exact(&mut self, name: &'static str, node: NodeId) -> Result<()> {
        self.add(&[name], node)?;
        self.found.iter_mut().filter(|o| o.name == name).for_each(|o| o.exact = true);
        Ok(())
    }
}

/// A graph with the golden's tensors as states.
struct Run<'a> {
    golden: &'a Golden,
    graph: Graph,
    given: Vec<(StateId, Tensor)>,
}

impl<'a> Run<'a> {
    fn new(golden: &'a Golden) -> Self {
        Run { golden, graph: Graph::new(), given: Vec::new() }
    }
    fn given(&mut self, name: &str) -> Result<StateId> {
        let tensor = self.golden.io.image(name)?;
        let state = self.graph.state(name, tensor.shape);
        self.given.push((state, tensor));
        Ok(state)
    }
    fn finish(
        mut self,
        device: &Device,
        section: crate::graph::SectionId,
        outputs: Vec<Output>,
    ) -> Result<Vec<Deviation>> {
        if outputs.is_empty() {
            return Err(Error::file(self.golden.io.path(), "holds no output of this network"));
        }
        let g = &mut self.graph;
        let mut states = Vec::with_capacity(outputs.len());
        for output in &outputs {
            let state = g.state(output.name, g.shape(output.node));
            g.write(state, output.node)?;
            states.push(state);
        }
        let found = once::run(device, &self.graph, section, &self.given, &states)?;
        let compare = |(o, found): (&Output, &Tensor)| match o.exact {
            true => self.golden.compare_exactly(o.name, found),
            false => self.golden.compare(o.name, found, NETWORK_TOLERANCE),
        };
        outputs.iter().zip(&found).map(compare).collect()
    }
}
