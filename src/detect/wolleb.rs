//! Wolleb, Bieder, Sandkühler and Cattin (MICCAI 2022, arXiv 2203.04306): an image is encoded by DDIM without noise to level L and
//! decoded under the gradient of a classifier, towards healthy; what changed is anomalous.
//!
//! `start` puts the image where the chain begins. Every step is two sections: `predict` asks the UNet, and `encode` goes one level
//! up, or `decode` one level down with the gradient of the classifier, so that the UNet's weights are on the device once. `finish`
//! makes the map. Where the public code and the paper part, see its `levels`.
use super::ModelFolder;
use super::config::{BlurConfig, InputConfig, NoisePer, ScheduleConfig, VarianceKind, Variant, must};
use super::job::{Job, Phase};
use super::map::{self, MapStates};
use super::settings::{Range, Setting};
use crate::diffusion::{Method, Noise, NoiseSource, Sampler, chain_step, guidance, guided_step, noise_to, step_time};
use crate::graph::{Graph, NodeId};
use crate::kernels::score::ResidualKind;
use crate::kernels::{StepRow, min_max::MinMax, pointwise::Activation};
use crate::{Error, Result, Shape};
use serde::{Deserialize, Serialize};

mod levels;
#[cfg(test)]
mod tests;

/// Its settings; absent ones are as published for BRATS2020.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wolleb {
    /// `published`: the image is noised to the first level, and encoding and decoding are two levels apart, as in the public code.
    /// `paper`: neither.
    pub variant: Variant,
    /// The noise schedule that both networks were trained with.
    pub schedule: ScheduleConfig,
    /// What shares the noise of the start. The public code draws one for each image; the paper draws none.
    pub noise_per: NoisePer,
    /// L, the level that is encoded to, counted in steps of the (respaced) schedule: at least 2 as published, 1 as in the paper.
    pub noise_level: usize,
    /// s, the scale of the gradient; 0 does not guide.
    pub scale: f64,
    /// The names of the classes in the order of the networks' indices. Public code disagrees on it: healthy is 0 for BRATS, but 1
    /// for CheXpert, whose folders are sorted by name, and in MONAI's port. So classes have names here, and no index is chosen.
    pub classes: Vec<String>,
    /// The class that the image is guided to. A UNet that knows classes is fed it in both directions, as the public code does.
    pub target: String,
    /// guided-diffusion's respacing: `ddimN`, or counts for equal sections such as `100` and `10,15,20`. Both networks are fed the
    /// timesteps of training. None takes every step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub respacing: Option<String>,
    /// Clamp the UNet's estimate of the clean image to ±1, as the public code does for images in 0..1 too; what guidance makes of
    /// it is not clamped.
    pub clip: bool,
    /// From image and reconstruction to the map.
    pub difference: Difference,
    /// Smoothing of the map at the network's size; published is none.
    pub blur: Option<BlurConfig>,
    /// Each map has its own threshold for pixels, by Otsu's method, as in the published evaluation; it goes before
    /// `threshold.pixel`. It finds something in every image, in a healthy one too, and so is not chosen unasked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub otsu: bool,
}

/// How image and reconstruction are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// The sum over the channels of the absolute difference, in units of the image's own range (BRATS2020).
    #[default]
    Sum,
    /// The same after each channel of both, by its own minimum and maximum, became 0..1 (CheXpert, which has one channel).
    MinMax,
}

impl Default for Wolleb {
    fn default() -> Self {
        Wolleb {
            variant: Variant::Published,
            schedule: ScheduleConfig { variance: VarianceKind::LearnedRange, ..ScheduleConfig::default() },
            noise_per: NoisePer::Image,
            noise_level: 500,
            scale: 100.0,
            classes: vec!["healthy".into(), "diseased".into()],
            target: "healthy".into(),
            respacing: None,
            clip: true,
            difference: Difference::Sum,
            blur: None,
            otsu: false,
        }
    }
}

/// Its settings by name.
pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "variant",
        Range::Words(&["published", "paper"]),
        "published noises the image first and decodes two levels below where encoding ends",
    ),
    Setting::new(
        "noise_level",
        Range::Count(1, 100_000),
        "L: how far an image is encoded, in steps of the respaced schedule",
    ),
    Setting::new("scale", Range::Number(0.0, 1e6), "s: how strongly the classifier guides"),
    Setting::new("classes", Range::Names, "names of the classes, in the order of the networks' indices"),
    Setting::new("target", Range::Name, "the class that images are guided to"),
    Setting::new("respacing", Range::Respacing, "the timesteps that are visited"),
    Setting::new("clip", Range::Flag, "clamp the UNet's estimate of the clean image to -1..1"),
    Setting::new("difference", Range::Words(&["sum", "min_max"]), "from image and reconstruction to the map"),
    Setting::new("blur", Range::Blur, "smoothing of the map, in pixels of the network's input"),
    Setting::new("otsu", Range::Flag, "each map has its own threshold for pixels, by Otsu's method"),
    Setting::new(
        "noise_per",
        Range::Words(&["run", "volume", "image"]),
        "what shares the noise of the start (published)",
    ),
];

/// The most classes that are told apart by name.
const MAX_CLASSES: usize = 1000;

impl Wolleb {
    /// Calls of the UNet for an image; 0 for levels that there are not.
    pub fn passes(&self) -> usize {
        self.chain().map_or(0, |c| c.encode.len() + c.decode.len())
    }
    /// What shares one noise: nothing needs to where none is drawn.
    pub(super) fn noise_per(&self) -> NoisePer {
        if self.variant == Variant::Paper { NoisePer::Run } else { self.noise_per }
    }
    /// What a setting may be under the others.
    pub(super) fn range(&self, setting: &Setting) -> Range {
        match (setting.range, self.levels()) {
            (Range::Count(..), Ok(levels)) if setting.name == "noise_level" => {
                Range::Count(*levels.allowed.start(), *levels.allowed.end())
            }
            (range, _) => range,
        }
    }
    pub(super) fn check(&self, input: Option<&InputConfig>) -> Result<()> {
        let fits = (2..=MAX_CLASSES).contains(&self.classes.len());
        must(fits, "classes", "a list of two or more names, in the order of the networks' indices")?;
        let twice = self.classes.iter().enumerate().any(|(i, c)| self.classes[..i].contains(c));
        let named = self.classes.iter().all(|c| Range::is_name(c));
        must(named && !twice, "classes", "names that differ, of letters, digits, `_`, `-` and `.`")?;
        self.class()?;
        must(self.scale >= 0.0 && self.scale <= 1e6, "scale", "0 to 1000000")?;
        self.blur.map_or(Ok(()), BlurConfig::check)?;
        if let Some(input) = input
            && self.difference == Difference::MinMax
        {
            // A single pixel is its own minimum and maximum.
            must(input.width * input.height > 1, "difference", "`sum` for an input of one pixel")?;
        }
        let (sampler, chain) = (self.sampler()?, self.chain()?);
        sampler.hops(&chain.encode)?;
        sampler.guided_hops(&chain.decode, self.scale).map(drop)
    }
    /// What results take for granted, in sentences.
    pub(super) fn taken(&self) -> Vec<String> {
        let (names, target) = (self.classes.join(", "), &self.target);
        let index = self.class().map_or_else(|_| "none".into(), |i| i.to_string());
        let guided =
            format!("Images are guided to `{target}`, which is class {index} of the networks' classes {names}.");
        let otsu = self.otsu.then(|| "Each map has its own threshold for pixels, by Otsu's method.".into());
        [Some(guided), otsu].into_iter().flatten().collect()
    }
    /// The index of the class that images are guided to.
    /// # Errors
    /// [`Error::Invalid`] for a name that is not among the classes.
    pub fn class(&self) -> Result<usize> {
        let found = self.classes.iter().position(|c| *c == self.target);
        found.ok_or_else(|| {
            let known = self.classes.join(", ");
            Error::Invalid(format!("`target` is `{}`, which is none of `classes`: {known}", self.target))
        })
    }
    /// Deterministic DDIM, as guided-diffusion has it.
    /// # Errors
    /// [`Error::Invalid`] for a schedule that is none.
    pub fn sampler(&self) -> Result<Sampler> {
        let method = Method::Ddim { eta: 0.0, clipped_epsilon: true };
        Ok(Sampler {
            clip: self.clip.then_some(1.0),
            variance_channels: self.schedule.variance == VarianceKind::LearnedRange,
            ..Sampler::guided(self.schedule.schedule()?, self.schedule.prediction.into(), method)
        })
    }
    /// Networks of the input's channels and of as many classes as have names.
    pub(super) fn agree(&self, model: &ModelFolder) -> Result<()> {
        let learned = self.schedule.variance == VarianceKind::LearnedRange;
        super::networks::agree(model, learned, true)?;
        let (unet, classifier) = (model.networks.denoiser()?, model.networks.classifier()?);
        let (input, names) = (model.config.image()?, self.classes.join(", "));
        let count = |what: &str, path: &std::path::Path, classes: usize| {
            let fault = format!("the {what} knows {classes} classes, but `system.classes` names {names}");
            if classes == self.classes.len() { Ok(()) } else { Err(Error::file(path, fault)) }
        };
        if let Some(class) = &unet.as_unet()?.class {
            count("UNet", unet.checkpoint.path(), class.classes)?;
        }
        let spec = classifier.as_classifier()?;
        count("classifier", classifier.checkpoint.path(), spec.classes())?;
        spec.accepts(Shape::new(1, input.height, input.width, input.channels))
            .map_err(|e| Error::file(classifier.checkpoint.path(), e.to_string()))
    }
    /// What a batch of `n` images runs.
    pub(super) fn job(&self, model: &ModelFolder, n: usize, source: Option<NoiseSource>) -> Result<Job> {
        let (input, unet) = (model.config.image()?, model.networks.denoiser()?);
        let classifier = model.networks.classifier()?;
        let shape = Shape::new(n, input.height, input.width, input.channels);
        let (sampler, chain, class) = (self.sampler()?, self.chain()?, self.class()?);
        let mut g = Graph::new();
        let image = g.state("image", shape);
        let states = MapStates::new(&mut g, image);
        // What is encoded and decoded ends as the reconstruction.
        let x = states.reconstruction;
        let noise = chain.noised.map(|_| Noise::new(&mut g, source.unwrap_or(NoiseSource::Gaussian), shape, 1));

        let start = g.section("start");
        let mut x0 = g.read(image);
        if let Some(noise) = &noise {
            let z = noise.draw(&mut g)?;
            x0 = noise_to(&mut g, x0, z)?;
        }
        g.write(x, x0)?;

        let predict = g.section("predict");
        let target = |g: &mut Graph, t: NodeId| g.map("class", t, Activation::Identity, 0.0, class as f32);
        let (now, t) = (g.read(x), step_time(&mut g, n)?);
        let known = unet.as_unet()?.class.is_some();
        let y = known.then(|| target(&mut g, t)).transpose()?;
        let inputs: Vec<NodeId> = [now, t].into_iter().chain(y).collect();
        let predicted = unet.build(&mut g, &inputs)?;
        let prediction = g.state("prediction", g.shape(predicted));
        g.write(prediction, predicted)?;

        let kept = |g: &mut Graph, _: NodeId| Ok(g.read(prediction));
        let encode = chain_step(&mut g, "encode", x, &sampler, None, kept)?;
        let decode = guided_step(&mut g, "decode", x, &sampler, kept, |g, now| {
            let t = step_time(g, n)?;
            let class = target(g, t)?;
            // The scale is part of the step's weight.
            guidance(g, classifier, now, t, class, 1.0)
        })?;

        let finish = g.section("finish");
        let (mut before, mut after) = (g.read(image), g.read(x));
        let mut unit = 1.0 / (input.range[1] - input.range[0]);
        if self.difference == Difference::MinMax {
            before = g.push("min_max", MinMax, &[before])?;
            after = g.push("min_max of the reconstruction", MinMax, &[after])?;
            unit = 1.0;
        }
        // The residual is a mean over the channels.
        let unit = unit * input.channels as f32;
        let map = map::residual(&mut g, [before, after], ResidualKind::Absolute, self.blur, unit)?;
        states.finish(&mut g, map)?;

        let mut rows: Vec<StepRow> = vec![chain.noised.map_or(Ok(StepRow::default()), |t| sampler.noising(t))?];
        let mut phases = vec![Phase { section: start, row: 0 }];
        let (up, down) = (sampler.hops(&chain.encode)?, sampler.guided_hops(&chain.decode, self.scale)?);
        for (section, steps) in [(encode, up), (decode, down)] {
            for step in steps {
                phases.extend([predict, section].map(|section| Phase { section, row: rows.len() }));
                rows.push(step);
            }
        }
        phases.push(Phase { section: finish, row: 0 });
        Ok(Job::new(g, image, noise, (phases, rows), states.outputs(), predict))
    }
}
