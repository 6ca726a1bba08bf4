//! A network with its weights: opened, checked, and put into a graph in one way, whatever it is.
use super::{
    Architecture, Autoencoder, Checkpoint, ClassifierSpec, Comparer, Config, Cost, Member, Overrides, ResNet, Summary,
    UnetSpec, is_autoencoder, is_classifier, is_comparer, is_resnet, read, read_autoencoder, read_classifier,
};
use crate::graph::{Graph, NodeId, SectionId, StateId, Wrt, gradients};
use crate::{Error, Result, Shape};
use std::path::Path;

/// A network and its checkpoint.
pub struct Network {
    /// The weights.
    pub checkpoint: Checkpoint,
    /// What they make.
    pub architecture: Architecture,
}

/// A network alone in a graph: one section from its inputs to its output.
pub struct Call {
    /// The graph.
    pub graph: Graph,
    /// Its only section.
    pub section: SectionId,
    /// Image (N,H,W,C), of a comparer with its reconstructions behind it; of a UNet and of a classifier also times (N,1,1,1) and,
    /// where a UNet is conditional, classes (N,1,1,1) or embeddings of images (N,1,1,width).
    pub inputs: Vec<StateId>,
    /// The output.
    pub out: StateId,
}

/// A network alone in a graph, forwards and backwards in one section.
pub struct GradientCall {
    /// The network and what goes in and comes out.
    pub call: Call,
    /// The gradient of a scalar at the output, given: its shape.
    pub of_out: StateId,
    /// The gradient of this scalar at the image, (N,H,W,C).
    pub of_image: StateId,
}

impl Call {
    /// Adds the gradient with respect to the image, for which values may take `memory` bytes (see [`Graph::memory`]).
    /// # Errors
    /// As [`gradients`].
    pub fn with_gradient(mut self, memory: Option<u64>) -> Result<GradientCall> {
        let g = &mut self.graph;
        let output = g.writes.iter().find(|w| w.1 == self.out).map(|w| w.0);
        let output = output.ok_or_else(|| Error::Invalid("this network has no output".into()))?;
        let of_out = g.state("gradient of the output", g.shape(output));
        let of_image = g.state("gradient of the image", g.states[self.inputs[0].0].shape);
        let given = g.read(of_out);
        let found = gradients(g, (output, given), &[Wrt::State(self.inputs[0])])?;
        g.write(of_image, found[0])?;
        g.memory = memory;
        Ok(GradientCall { call: self, of_out, of_image })
    }
}

impl Network {
    /// Opens whichever network a file holds, of a denoiser and an autoencoder the denoiser, or the only one of a folder. A manifest of
    /// keys and shapes is a network of random weights, whose heads are one where nothing says how many.
    /// # Errors
    /// As [`Network::unet`] and the other functions that open a network.
    pub fn open(path: &Path, overrides: &Overrides) -> Result<Self> {
        let checkpoint = Checkpoint::outline(path, overrides.weights, Member::Main)?;
        if checkpoint.is_manifest() {
            let path = checkpoint.path().display();
            tracing::warn!(
                "{path}: lists keys and shapes alone: an attention has one head where no config says how many"
            );
        }
        if is_classifier(&checkpoint) {
            return Self::of_classifier(checkpoint, overrides);
        }
        match () {
            () if is_autoencoder(&checkpoint) => Self::of_autoencoder(checkpoint, overrides),
            () if is_comparer(&checkpoint) => Self::of_comparer(checkpoint),
            () if is_resnet(&checkpoint) => Self::of_resnet(checkpoint),
            () => Self::of_unet(checkpoint, overrides),
        }
    }
    /// Opens a UNet: a file, or the only one that a folder holds, with the `config.json` beside it or, where there is none, the
    /// hyper-parameters in it. `overrides` go before what these say.
    /// # Errors
    /// As [`Checkpoint::open_copy`] and [`read`].
    pub fn unet(path: &Path, overrides: &Overrides) -> Result<Self> {
        Self::of_unet(Checkpoint::open_copy(path, overrides.weights)?, overrides)
    }
    /// Opens a classifier of noised images, guided-diffusion's `EncoderUNetModel`, as [`Network::unet`] opens a UNet; its config is
    /// [`Config::of_classifier`].
    /// # Errors
    /// As [`Checkpoint::open_copy`] and [`read_classifier`].
    pub fn classifier(path: &Path, overrides: &Overrides) -> Result<Self> {
        Self::of_classifier(Checkpoint::open_copy(path, overrides.weights)?, overrides)
    }
    /// Opens a ResNet in torchvision's layout; its config is [`Config::of_features`].
    /// # Errors
    /// As [`Checkpoint::open`] and [`ResNet::read`].
    pub fn resnet(path: &Path) -> Result<Self> {
        Self::of_resnet(Checkpoint::open(path)?)
    }
    /// Opens an autoencoder: a file, or the only one that a folder holds; of a file that holds a denoiser too, such as
    /// latent-diffusion's, the autoencoder in it. Its config is [`Config::of_autoencoder`].
    /// # Errors
    /// As [`Checkpoint::open_member`] and [`read_autoencoder`].
    pub fn autoencoder(path: &Path, overrides: &Overrides) -> Result<Self> {
        Self::of_autoencoder(Checkpoint::open_member(path, overrides.weights, Member::Autoencoder)?, overrides)
    }
    /// The autoencoder that a file holds beside this network, if it does.
    /// # Errors
    /// As [`Network::autoencoder`].
    pub fn autoencoder_beside(&self) -> Result<Option<Self>> {
        if !self.checkpoint.has_autoencoder_beside() || matches!(self.architecture, Architecture::Autoencoder(_)) {
            return Ok(None);
        }
        let checkpoint = Checkpoint::outline(self.checkpoint.path(), None, Member::Autoencoder)?;
        Self::of_autoencoder(checkpoint, &Overrides::default()).map(Some)
    }
    /// Opens a network that compares images with reconstructions; its config is [`Config::of_comparer`].
    /// # Errors
    /// As [`Checkpoint::open_copy`] and [`Comparer::read`].
    pub fn comparer(path: &Path, overrides: &Overrides) -> Result<Self> {
        Self::of_comparer(Checkpoint::open_copy(path, overrides.weights)?)
    }
    fn of_unet(checkpoint: Checkpoint, overrides: &Overrides) -> Result<Self> {
        let config = Config::of(&checkpoint)?;
        tell(&checkpoint, &config);
        let spec = read(&checkpoint, &config, overrides)?;
        Ok(Network { checkpoint, architecture: Architecture::Unet(spec) })
    }
    fn of_classifier(checkpoint: Checkpoint, overrides: &Overrides) -> Result<Self> {
        let config = Config::of_classifier(&checkpoint)?;
        tell(&checkpoint, &config);
        let spec = read_classifier(&checkpoint, &config, overrides)?;
        Ok(Network { checkpoint, architecture: Architecture::Classifier(spec) })
    }
    fn of_resnet(checkpoint: Checkpoint) -> Result<Self> {
        let net = ResNet::read(&checkpoint, &Config::of_features(&checkpoint)?)?;
        Ok(Network { checkpoint, architecture: Architecture::ResNet(net) })
    }
    fn of_autoencoder(checkpoint: Checkpoint, overrides: &Overrides) -> Result<Self> {
        let config = Config::of_autoencoder(&checkpoint)?;
        tell(&checkpoint, &config);
        let net = read_autoencoder(&checkpoint, &config, overrides)?;
        Ok(Network { checkpoint, architecture: Architecture::Autoencoder(net) })
    }
    fn of_comparer(checkpoint: Checkpoint) -> Result<Self> {
        let net = Comparer::read(&checkpoint, &Config::of_comparer(&checkpoint)?)?;
        Ok(Network { checkpoint, architecture: Architecture::Comparer(net) })
    }
    /// The description of a UNet.
    /// # Errors
    /// [`Error::File`] when it is something else.
    pub fn as_unet(&self) -> Result<&UnetSpec> {
        match &self.architecture {
            Architecture::Unet(spec) => Ok(spec),
            other => Err(self.another(other, "a UNet")),
        }
    }
    /// The description of a classifier.
    /// # Errors
    /// [`Error::File`] when it is something else.
    pub fn as_classifier(&self) -> Result<&ClassifierSpec> {
        match &self.architecture {
            Architecture::Classifier(spec) => Ok(spec),
            other => Err(self.another(other, "a classifier")),
        }
    }
    /// The description of an autoencoder.
    /// # Errors
    /// [`Error::File`] when it is something else.
    pub fn as_autoencoder(&self) -> Result<&Autoencoder> {
        match &self.architecture {
            Architecture::Autoencoder(net) => Ok(net),
            other => Err(self.another(other, "an autoencoder")),
        }
    }
    /// The description of a comparer.
    /// # Errors
    /// [`Error::File`] when it is something else.
    pub fn as_comparer(&self) -> Result<&Comparer> {
        match &self.architecture {
            Architecture::Comparer(net) => Ok(net),
            other => Err(self.another(other, "a comparer")),
        }
    }
    fn another(&self, what: &Architecture, needed: &str) -> Error {
        Error::file(self.checkpoint.path(), format!("is {what}, and {needed} is needed"))
    }
    /// Adds it to a graph, on its inputs in the order of [`Call::inputs`].
    /// # Errors
    /// As [`UnetSpec::build`] and the functions of that name of the others; [`Error::Invalid`] for another number of inputs.
    pub fn build(&self, g: &mut Graph, inputs: &[NodeId]) -> Result<NodeId> {
        match (&self.architecture, inputs) {
            (Architecture::Unet(u), &[x, t]) => u.build(&self.checkpoint, g, x, t, None),
            (Architecture::Unet(u), &[x, t, y]) => u.build(&self.checkpoint, g, x, t, Some(y)),
            (Architecture::Classifier(c), &[x, t]) => c.build(&self.checkpoint, g, x, t),
            (Architecture::ResNet(r), &[x]) => r.build(&self.checkpoint, g, x),
            (Architecture::Autoencoder(a), &[x]) => a.build(&self.checkpoint, g, x),
            (Architecture::Comparer(c), &[x]) => c.build(&self.checkpoint, g, x),
            _ => Err(Error::Invalid(format!("{} inputs are not what this network takes", inputs.len()))),
        }
    }
    /// Puts it alone into a graph, for images of shape (N,H,W,C). All weights are read, and tensors that it does not use are
    /// named in a warning.
    /// # Errors
    /// As [`Network::build`].
    pub fn call(&self, image: Shape) -> Result<Call> {
        let mut g = Graph::new();
        let one = Shape::new(image.n, 1, 1, 1);
        let mut inputs = vec![g.state("x", image)];
        match &self.architecture {
            Architecture::Unet(spec) => {
                inputs.push(g.state("t", one));
                inputs.extend(spec.class.is_some().then(|| g.state("y", one)));
                let embedding = spec.condition().map(|width| one.with_c(width));
                inputs.extend(embedding.map(|shape| g.state("z", shape)));
            }
            Architecture::Classifier(_) => inputs.push(g.state("t", one)),
            Architecture::ResNet(_) | Architecture::Autoencoder(_) | Architecture::Comparer(_) => {}
        }
        let section = g.section("network");
        let nodes: Vec<NodeId> = inputs.iter().map(|&s| g.read(s)).collect();
        let node = match &self.architecture {
            // One that was cut short gives maps alone.
            Architecture::ResNet(net) if net.is_cut() => {
                net.maps(&self.checkpoint, &mut g, nodes[0], &[net.layers()])?[0]
            }
            _ => self.build(&mut g, &nodes)?,
        };
        self.checkpoint.settle(false)?;
        let out = g.state("out", g.shape(node));
        g.write(out, node)?;
        Ok(Call { graph: g, section, inputs, out })
    }
    /// Keys and shapes of the tensors that it uses.
    pub fn params(&self) -> Vec<super::Param> {
        self.architecture.params()
    }
    /// Numbers that are trained, see [`Architecture::parameters`].
    pub fn parameters(&self) -> usize {
        self.architecture.parameters()
    }
    /// Channels of its image.
    pub fn in_channels(&self) -> usize {
        self.architecture.in_channels()
    }
    /// Reads every weight once, so that bad values and surplus tensors are heard of before any work is done.
    /// # Errors
    /// NaN or infinite weights; with `strict`, tensors that the network does not use.
    pub fn settle(&self, strict: bool) -> Result<()> {
        for (key, shape) in self.params() {
            self.checkpoint.take(&key, &shape)?;
        }
        self.checkpoint.settle(strict)
    }
    /// The checkpoint and the network, summed up. Hashes the file.
    pub fn summary(&self) -> Summary {
        Summary::new(self)
    }
    /// What one call for images of shape (N,H,W,C) takes, with the fused plan. Reads all weights.
    /// # Errors
    /// As [`Network::call`].
    pub fn cost(&self, image: Shape) -> Result<Cost> {
        Ok(Cost::of(&self.call(image)?.graph, image))
    }
    /// What one call takes, and what it takes with the gradient with respect to the image, whose values may take `memory` bytes.
    /// # Errors
    /// As [`Network::call`]; the second as [`Call::with_gradient`].
    pub fn costs(&self, image: Shape, memory: Option<u64>) -> Result<(Cost, Result<Cost>)> {
        let call = self.call(image)?;
        let forwards = Cost::of(&call.graph, image);
        Ok((forwards, call.with_gradient(memory).map(|both| Cost::of(&both.call.graph, image))))
    }
}

/// Says which settings are the checkpoint's own.
fn tell(checkpoint: &Checkpoint, config: &Config) {
    if let Some(own) = config.own() {
        tracing::warn!("{}: its own hyper-parameters say {own}", checkpoint.path().display());
    }
}
