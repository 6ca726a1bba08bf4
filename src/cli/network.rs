//! What `inspect`, `bench` and `shaders` are about: a model folder with its system, or a network alone.
use super::NetworkArgs;
use crate::detect::config::InputConfig;
use crate::detect::networks::{Networks, Role};
use crate::detect::{DetectorConfig, Job, ModelFolder, Phase, dte};
use crate::graph::{Graph, SectionId, StateId};
use crate::kernels::StepRow;
use crate::model::Network;
use crate::{Error, Result, Shape, Tensor};
use std::path::Path;

/// The largest side that a graph is planned for.
const MAX_SIDE: usize = 16384;

/// A side, or `HEIGHTxWIDTH`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub height: usize,
    pub width: usize,
}

impl std::str::FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (h, w) = text.split_once('x').unwrap_or((text, text));
        let side = |s: &str| s.parse().ok().filter(|n| (1..=MAX_SIDE).contains(n));
        match side(h).zip(side(w)) {
            Some((height, width)) => Ok(Size { height, width }),
            None => Err(format!("a size is 1 to {MAX_SIDE}, or HEIGHTxWIDTH")),
        }
    }
}

/// What a path turned out to be.
#[allow(clippy::large_enum_variant)]
pub(super) enum Subject {
    /// A model folder.
    Detector(ModelFolder),
    /// A network without settings, at the size that something says or that is guessed.
    Network { network: Network, size: Size, guessed: bool },
}

/// A graph to be timed or written out.
pub(super) struct Work {
    pub graph: Graph,
    /// The section with the network.
    pub body: SectionId,
    /// The step table.
    pub rows: Vec<StepRow>,
    /// What one image runs, by rows of that table.
    pub phases: Vec<Phase>,
    /// States whose content matters, such as the permutations of a noise.
    pub filled: Vec<(StateId, Tensor)>,
}

impl Subject {
    /// Opens a folder (with `detector.json`, of `residua dte fit`, or with a checkpoint and perhaps its `config.json`) or a
    /// checkpoint.
    pub fn open(path: &Path, flags: &NetworkArgs, size: Option<Size>) -> Result<Self> {
        if path.join("detector.json").is_file() || dte::Model::is_in(path) {
            let adjust = |config: &mut DetectorConfig| match (size, &mut config.input) {
                (Some(_), None) => Err(Error::Invalid("--size is for images; this model takes rows".into())),
                (Some(size), Some(input)) => {
                    (input.height, input.width) = (size.height, size.width);
                    Ok(())
                }
                (None, _) => Ok(()),
            };
            return Ok(Subject::Detector(ModelFolder::open_with(path, |base| flags.overrides(base), None, adjust)?));
        }
        if !path.exists() {
            return Err(Error::file(path, "there is no such model folder or file"));
        }
        let network = Network::open(path, &flags.overrides(Default::default()))?;
        let said = network.architecture.sample_size();
        let guess = 64usize.next_multiple_of(network.architecture.step().clamp(1, MAX_SIDE));
        let of = |(height, width): (usize, usize)| Size { height, width };
        let chosen = size.or(said.map(of)).unwrap_or(of((guess, guess)));
        if chosen.height.max(chosen.width) > MAX_SIDE {
            let fault = format!("an input of {} x {}; up to {MAX_SIDE} can be planned", chosen.height, chosen.width);
            return Err(Error::file(path, fault));
        }
        Ok(Subject::Network { network, size: chosen, guessed: size.is_none() && said.is_none() })
    }
    /// The shape of one image, or of one row.
    pub fn shape(&self) -> Result<Shape> {
        match self {
            Subject::Network { network, size, .. } => Ok(Shape::new(1, size.height, size.width, network.in_channels())),
            Subject::Detector(model) => match &model.config.input {
                Some(i) => Ok(Shape::new(1, i.height, i.width, i.channels)),
                None => Ok(Shape::new(1, 1, 1, model.networks.estimator()?.model.columns)),
            },
        }
    }
    /// The shape of what the first network takes of one image: its latent, where there is an autoencoder before it.
    pub fn network_shape(&self) -> Result<Shape> {
        match self {
            Subject::Detector(model) if model.config.system.takes_image() => model.denoised(1),
            _ => self.shape(),
        }
    }
    /// The whole job of a detector, or of AnoDDPM as published where a network fits it; otherwise one call of the network.
    pub fn work(self, strict: bool) -> Result<Work> {
        let shape = self.shape()?;
        match self {
            Subject::Detector(mut model) => {
                // The kernels do not wait for a measurement of normal images, or for one at this size.
                if model.ready().is_err() {
                    model.config.system.set_to_run_without()?;
                }
                let job = model.job(1)?;
                model.settle(strict)?;
                Ok(of_job(job))
            }
            Subject::Network { network, .. } => {
                let fits = |n: &Network| {
                    let unet = n.as_unet().ok()?;
                    Some(unet.class.is_none() && unet.out_channels() == unet.in_channels() && unet.in_channels() <= 4)
                };
                if fits(&network) == Some(true) {
                    let input = InputConfig { width: shape.w, height: shape.h, ..InputConfig::square(1, shape.c) };
                    let path = network.checkpoint.path().to_owned();
                    let mut networks = Networks::default();
                    networks.graphs.insert(Role::Denoiser, network);
                    let model = ModelFolder::of(&path, DetectorConfig::as_published(input), networks)?;
                    let job = model.job(1)?;
                    model.networks.denoiser()?.checkpoint.settle(strict)?;
                    return Ok(of_job(job));
                }
                let call = network.call(shape)?;
                network.checkpoint.settle(strict)?;
                // A time in the middle, and the first class.
                let filled = call.inputs.iter().skip(1).copied().zip([one(100.0), one(0.0)]).collect();
                let (body, rows) = (call.section, vec![StepRow::default()]);
                Ok(Work { graph: call.graph, body, rows, phases: vec![Phase { section: body, row: 0 }], filled })
            }
        }
    }
}

fn one(value: f32) -> Tensor {
    Tensor { shape: Shape::new(1, 1, 1, 1), data: vec![value] }
}

fn of_job(job: Job) -> Work {
    let (rows, phases) = (job.rows(0), job.phases.clone());
    let table = job.noise.and_then(|n| n.table(&job.graph, 0));
    let Job { graph, network: body, constants, .. } = job;
    Work { graph, body, rows, phases, filled: constants.into_iter().chain(table).collect() }
}
