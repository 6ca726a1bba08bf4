//! The network that `inspect`, `bench` and `shaders` are about, and the graph of what it runs in.
use super::NetworkArgs;
use crate::detect::{DetectorConfig, ModelFolder, anoddpm::Program, config::Input};
use crate::graph::{Graph, SectionId};
use crate::kernels::{Op, StepRow, embedding};
use crate::model::{Checkpoint, Config, UnetSpec, locate, read};
use crate::{Error, Result, Shape};
use std::path::{Path, PathBuf};

/// The largest side that a graph is planned for.
const MAX_SIDE: usize = 16384;

/// A side, or `HEIGHTxWIDTH`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    height: usize,
    width: usize,
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

/// An opened model folder or file.
pub(super) struct Network {
    pub path: PathBuf,
    pub checkpoint: Checkpoint,
    pub spec: UnetSpec,
    /// `detector.json`, where there is one.
    pub detector: Option<DetectorConfig>,
    pub height: usize,
    pub width: usize,
    /// Nothing says the size: it is a guess.
    pub guessed: bool,
}

/// What a step of the network runs in.
pub(super) struct Work {
    pub graph: Graph,
    /// The section with the network.
    pub body: SectionId,
    /// A row of the step table for it.
    pub row: StepRow,
}

impl Network {
    /// Opens a folder (with `detector.json`, or with a checkpoint and perhaps its `config.json`) or a safetensors file.
    pub fn open(path: &Path, flags: &NetworkArgs, size: Option<Size>) -> Result<Self> {
        if !path.exists() {
            return Err(Error::file(path, "there is no such model folder or file"));
        }
        let settings = path.join("detector.json");
        let detector = settings.is_file().then(|| DetectorConfig::read(&settings)).transpose()?;
        let file = match detector.as_ref().and_then(|d| d.network.as_ref()) {
            Some(name) => path.join(name),
            None => locate(path)?,
        };
        let checkpoint = Checkpoint::open(&file)?;
        let over = flags.overrides(detector.as_ref().map(|d| d.unet).unwrap_or_default());
        let spec = read(&checkpoint, &Config::beside(&file)?, &over)?;
        let said = detector.as_ref().map(|d| (d.input.height, d.input.width)).or(spec.sample_size);
        let step = 1usize.checked_shl(spec.halvings()).unwrap_or(1);
        let guess = 64usize.next_multiple_of(step);
        let (height, width) = size.map(|s| (s.height, s.width)).or(said).unwrap_or((guess, guess));
        if height.max(width) > MAX_SIDE {
            return Err(Error::file(path, format!("an input of {height} x {width}; up to {MAX_SIDE} can be planned")));
        }
        let guessed = size.is_none() && said.is_none();
        Ok(Network { path: path.to_owned(), checkpoint, spec, detector, height, width, guessed })
    }

    /// The whole detector where the network fits one, otherwise one step of the network alone.
    pub fn work(self, strict: bool) -> Result<Work> {
        let channels = self.spec.in_channels();
        let fits = self.spec.class.is_none() && matches!(channels, 1 | 3) && self.spec.out_channels() == channels;
        if self.detector.is_none() && !fits {
            let work = self.alone()?;
            self.checkpoint.settle(strict)?;
            return Ok(work);
        }
        let input = Input { width: self.width, height: self.height, channels, range: [-1.0, 1.0] };
        let mut config = self.detector.unwrap_or_else(|| DetectorConfig::as_published(input));
        (config.input.height, config.input.width) = (self.height, self.width);
        let source = config.noise.into();
        let Network { path, checkpoint, spec, .. } = self;
        let folder = ModelFolder { path, config, checkpoint, spec, sha256: String::new() };
        let program = Program::new(&folder, 1, source)?;
        folder.checkpoint.settle(strict)?;
        let row = program.rows(0).get(1).copied().unwrap_or_default();
        let named = |name: &str| program.graph.sections.iter().position(|s| s == name);
        let body = named("body").ok_or_else(|| Error::Invalid("the detector has no section `body`".into()))?;
        Ok(Work { graph: program.graph, body: SectionId(body), row })
    }

    fn alone(&self) -> Result<Work> {
        let mut g = Graph::new();
        let vector = Shape::new(1, 1, 1, 1);
        let image = Shape::new(1, self.height, self.width, self.spec.in_channels());
        let x = g.state("x", image);
        let y = self.spec.class.is_some().then(|| g.state("y", vector));
        let body = g.section("body");
        let now = g.read(x);
        let t = g.push("time", Op::StepTime(embedding::StepTime { n: 1 }), &[])?;
        let class = y.map(|y| g.read(y));
        let node = self.spec.build(&self.checkpoint, &mut g, now, t, class)?;
        let out = g.state("out", g.shape(node));
        g.write(out, node)?;
        Ok(Work { graph: g, body, row: StepRow { t: 100.0, ..StepRow::default() } })
    }
}
