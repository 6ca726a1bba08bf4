//! ResNets as torchvision stores them (He, Zhang, Ren, Sun, CVPR 2016; the wide ones: Zagoruyko, Komodakis, BMVC 2016),
//! described by their keys and shapes alone, as extractors of features: the last layer's global average, without `fc`.
mod build;
mod settings;
#[cfg(test)]
mod tests;

use super::conv_norm::ConvNorm;
use super::{Checkpoint, Config, Param};
use crate::{Error, Result};
use settings::Settings;
use std::fmt;

/// A residual block.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    /// Two of 3×3, or 1×1, 3×3 and 1×1.
    pub convs: Vec<ConvNorm>,
    /// What brings the block's input to its output's shape, where they differ.
    pub downsample: Option<ConvNorm>,
}

/// The kind of its residual blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Two 3×3 convolutions.
    Basic,
    /// 1×1, 3×3 and 1×1; the stride is on the 3×3 (torchvision's, "v1.5") or, as first published, on the first 1×1.
    Bottleneck,
}

/// A residual network without its classifier.
#[derive(Clone, Debug, PartialEq)]
pub struct ResNet {
    /// The kind of its blocks.
    pub block: BlockKind,
    /// What an image is to be standardised by; none where nobody says it, for others than colour images.
    pub standard: Option<Standard>,
    pub(super) stem: ConvNorm,
    pub(super) layers: Vec<Vec<Block>>,
}

/// How images of values in 0..1 are standardised for the network, channel by channel: `(x − mean)/std`.
#[derive(Clone, Debug, PartialEq)]
pub struct Standard {
    /// Subtracted.
    pub mean: Vec<f32>,
    /// Divides after that.
    pub std: Vec<f32>,
}

/// Layers of a whole network.
const LAYERS: usize = 4;

/// What torchvision calls the depths.
const DEPTHS: [(BlockKind, [usize; 4], usize); 5] = [
    (BlockKind::Basic, [2, 2, 2, 2], 18),
    (BlockKind::Basic, [3, 4, 6, 3], 34),
    (BlockKind::Bottleneck, [3, 4, 6, 3], 50),
    (BlockKind::Bottleneck, [3, 4, 23, 3], 101),
    (BlockKind::Bottleneck, [3, 8, 36, 3], 152),
];

impl ResNet {
    /// Recognises the network: its blocks are counted by their keys, all widths come from the shapes. Paddings and pooling are
    /// torchvision's, as no tensor tells them; so are the place of the stride, the BatchNorms' epsilon and the standardisation
    /// (ImageNet's), where the config does not say `downsample_in_bottleneck` (true: on the first 1×1 of a layer), `batch_norm_eps`,
    /// `image_mean` and `image_std`. A network may end before its last layer; it gives maps then, and no features.
    /// # Errors
    /// [`Error::MissingTensor`] or [`Error::TensorShape`] where the keys do not make such a network; [`Error::File`] for
    /// another stem, with its name for a ResNeXt, whose convolutions are grouped, and for settings that are none.
    pub fn read(ck: &Checkpoint, cfg: &Config) -> Result<Self> {
        let settings = Settings::read(cfg)?;
        let stem = settings.of(ConvNorm::read(ck, "conv1", "bn1", 2)?);
        if stem.shape[2..] != [7, 7] {
            let fault = format!("tensor `conv1.weight` is {:?}; a ResNet begins with a 7x7 convolution", stem.shape);
            return Err(Error::file(ck.path(), fault));
        }
        let block = if ck.contains("layer1.0.conv3.weight") { BlockKind::Bottleneck } else { BlockKind::Basic };
        let mut width = stem.shape[0];
        let mut layers = Vec::new();
        // A network that was cut short has no classifier, either.
        let cut = |layer: usize| {
            layer > 1 && !ck.has_under("fc.") && !(layer..=LAYERS).any(|l| ck.has_under(&format!("layer{l}.")))
        };
        for layer in (1..=LAYERS).take_while(|&layer| !cut(layer)) {
            let count = (0..).take_while(|j| ck.has_under(&format!("layer{layer}.{j}."))).count().max(1);
            let mut blocks = Vec::new();
            for j in 0..count {
                let stride = if layer > 1 && j == 0 { 2 } else { 1 };
                let read = Block::read(ck, &format!("layer{layer}.{j}"), block, (width, stride), &settings)?;
                width = read.out();
                blocks.push(read);
            }
            layers.push(blocks);
        }
        let net = ResNet { block, standard: settings.standard(cfg, stem.shape[1])?, stem, layers };
        net.refuse_groups(ck)?;
        net.check(ck)?;
        Ok(net)
    }
    /// Channels of the image.
    pub fn in_channels(&self) -> usize {
        self.stem.shape[1]
    }
    /// How many layers it has: four, or fewer where it was cut short.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }
    /// Whether it was cut short, so that it gives maps and no features of an image.
    pub fn is_cut(&self) -> bool {
        self.layers() < LAYERS
    }
    /// Length of a feature vector.
    pub fn features(&self) -> usize {
        self.layers.last().and_then(|l| l.last()).map_or(0, Block::out)
    }
    /// Every convolution, in order.
    pub(super) fn convs(&self) -> impl Iterator<Item = &ConvNorm> {
        let blocks = self.layers.iter().flatten().flat_map(|b| b.convs.iter().chain(&b.downsample));
        std::iter::once(&self.stem).chain(blocks)
    }

    /// A 3×3 convolution that takes fewer channels than it is given works on groups of them.
    fn refuse_groups(&self, ck: &Checkpoint) -> Result<()> {
        for pair in self.layers.iter().flatten().flat_map(|b| b.convs.windows(2)) {
            let (given, takes) = (pair[0].shape[0], pair[1].shape[1]);
            if takes > 0 && takes < given && given.is_multiple_of(takes) {
                let (groups, name) =
                    (given / takes, self.depth().map_or("a ResNeXt".into(), |d| format!("resnext{d}")));
                let fault =
                    format!("is {name}_{groups}x{takes}d: grouped convolutions (`{}`) are not supported", pair[1].key);
                return Err(Error::file(ck.path(), fault));
            }
        }
        Ok(())
    }

    /// Every tensor that the network takes from its checkpoint.
    pub fn params(&self) -> Vec<Param> {
        self.convs().flat_map(ConvNorm::params).collect()
    }
    /// Widths fit together, and every tensor is there in its shape.
    fn check(&self, ck: &Checkpoint) -> Result<()> {
        let mut width = self.stem.shape[0];
        for block in self.layers.iter().flatten() {
            let mut cin = width;
            for c in &block.convs {
                ck.check(&format!("{}.weight", c.key), &[c.shape[0], cin, c.shape[2], c.shape[3]])?;
                cin = c.shape[0];
            }
            if let Some(d) = &block.downsample {
                ck.check(&format!("{}.weight", d.key), &[cin, width, 1, 1])?;
            }
            width = cin;
        }
        self.params().iter().try_for_each(|(key, shape)| ck.check(key, shape))
    }

    fn depth(&self) -> Option<usize> {
        let blocks: Vec<usize> = self.layers.iter().map(Vec::len).collect();
        DEPTHS.iter().find(|(kind, counts, _)| *kind == self.block && blocks == counts).map(|d| d.2)
    }
    /// How much wider than a plain Bottleneck's the 3×3 convolutions are, where the stem and the output are torchvision's.
    fn widening(&self) -> Option<usize> {
        let (first, stem) = (self.layers.first()?.first()?, self.stem.shape[0]);
        let planes = if self.block == BlockKind::Basic { first.out() } else { first.out() / 4 };
        let width = first.convs[0].shape[0];
        let plain = stem == 64 && planes == 64 && self.features() == 8 * first.out();
        (plain && width.is_multiple_of(64)).then_some(width / 64)
    }
}

impl fmt::Display for ResNet {
    /// torchvision's name, or the blocks of the four layers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.depth().zip(self.widening()) {
            Some((depth, 1)) => write!(f, "resnet{depth}"),
            Some((depth, wider)) => write!(f, "wide_resnet{depth}_{wider}"),
            None => {
                let counts: Vec<_> = self.layers.iter().map(|l| l.len().to_string()).collect();
                let kind = if self.block == BlockKind::Basic { "basic" } else { "bottleneck" };
                write!(f, "ResNet of {} {kind} blocks, {} features", counts.join("+"), self.features())
            }
        }
    }
}

impl Block {
    fn read(
        ck: &Checkpoint,
        at: &str,
        kind: BlockKind,
        (width, stride): (usize, usize),
        settings: &Settings,
    ) -> Result<Self> {
        // The 3×3 that carries the stride is the first of a basic block and the second of a bottleneck.
        let (kernels, strided): (&[usize], _) = match kind {
            BlockKind::Basic => (&[3, 3], 0),
            BlockKind::Bottleneck => (&[1, 3, 1], usize::from(!settings.downsample_in_bottleneck)),
        };
        let mut convs = Vec::new();
        for (i, &kernel) in kernels.iter().enumerate() {
            let (key, step) = (format!("{at}.conv{}", i + 1), if i == strided { stride } else { 1 });
            let c = ConvNorm::read(ck, &key, &format!("{at}.bn{}", i + 1), step)?;
            ck.check(&format!("{key}.weight"), &[c.shape[0], c.shape[1], kernel, kernel])?;
            convs.push(settings.of(c));
        }
        let mut block = Block { convs, downsample: None };
        let key = format!("{at}.downsample.0");
        if stride > 1 || width != block.out() || ck.contains(&format!("{key}.weight")) {
            block.downsample = Some(settings.of(ConvNorm::read(ck, &key, &format!("{at}.downsample.1"), stride)?));
        }
        Ok(block)
    }
    /// Channels of its output.
    fn out(&self) -> usize {
        self.convs.last().map_or(0, |c| c.shape[0])
    }
}
