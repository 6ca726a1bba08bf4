//! Xu, Xu and Yang 2023 (*Unsupervised industrial anomaly detection with diffusion models*, J. Vis. Commun. Image R. 97, 103983; by
//! their public code): a diffusion autoencoder (DiffAE) draws an image anew from one noise, the same for all images, guided by nothing but
//! an embedding of the image, which has no room for an anomaly; a network compares the image with what was drawn.
//!
//! The job is in `chain`. The paper's text was not at hand, so that what is called `paper` here is what the code's training does where its
//! test script differs: see [`Xu::variant`].
use super::ModelFolder;
use super::config::{
    BlurConfig, InputConfig, NoisePer, SamplerConfig, ScheduleConfig, VarianceKind, Variant, inside, must,
};
use super::distance::{self, Distance, Normalisation};
use super::networks::{self, Denoised, Role};
use super::settings::{Range, Setting};
use crate::diffusion::{Method, Sampler, Timesteps};
use crate::{Error, Result, Shape};
use serde::{Deserialize, Serialize};

mod chain;
mod fixed_noise;
#[cfg(test)]
mod tests;

pub use fixed_noise::FixedNoise;

/// Its settings; absent ones are as published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Xu {
    /// What the comparer is given. `published`: the reconstruction in −1..1 beside the image in 0..1, as the public test script has it.
    /// `paper`: both in 0..1, as the comparer is trained; a comparer that was trained so wants this.
    pub variant: Variant,
    /// The noise schedule that the denoiser was trained with: linear, 0.0001 to 0.02 in 1000 steps.
    pub schedule: ScheduleConfig,
    /// What shares one noise. Published is one noise for all images.
    pub noise_per: NoisePer,
    /// The file in the model folder whose tensor `x_T` (K,C,H,W) holds the noise, of which the first is taken; none for one that the
    /// seed chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise_file: Option<String>,
    /// What the chain begins with.
    pub start: Start,
    /// Where the way back begins when it starts from the image: noised to step λ − 1.
    pub lambda: usize,
    /// The way back: DDIM. From noise its steps are guided-diffusion's `ddimN`, 250 as published; from the image they fall evenly from
    /// λ − 1 to 0, 10 where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampler: Option<SamplerConfig>,
    /// What the denoiser is guided by.
    pub embedding: Embedding,
    /// What makes the map.
    pub map: MapBy,
    /// With map `distance`, what the distance of pixels counts beside that of features.
    pub v: f64,
    /// With map `distance`, the layers of the network of features whose maps are compared; none for the distance of pixels alone.
    pub layers: Vec<usize>,
    /// With map `distance`, what brings the distance of pixels to that of features.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalisation: Option<Normalisation>,
    /// The factor of the distance of pixels, where `normalisation` is fixed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Smoothing of the map at the networks' size; published is none.
    pub blur: Option<BlurConfig>,
}

/// What the chain begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// The noise alone, as published.
    #[default]
    Noise,
    /// The image, noised: fewer steps, and more of the image is left.
    Input,
}

/// Where the embedding of the image comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Embedding {
    /// The denoiser's own encoder, trained with it, as published.
    #[default]
    Encoder,
    /// The network of features, which was not trained with it: its last layer's mean over all pixels.
    Features,
}

/// What makes the map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MapBy {
    /// The comparer, as published.
    #[default]
    Comparer,
    /// The distances of pixels and of features, as DDAD has them, where no comparer was trained.
    Distance,
}

impl Default for Xu {
    fn default() -> Self {
        Xu {
            variant: Variant::Published,
            schedule: ScheduleConfig::default(),
            noise_per: NoisePer::Run,
            noise_file: None,
            start: Start::Noise,
            lambda: 250,
            sampler: None,
            embedding: Embedding::Encoder,
            map: MapBy::Comparer,
            v: 1.0,
            layers: vec![2, 3],
            normalisation: None,
            ratio: None,
            blur: None,
        }
    }
}

/// Its settings by name.
pub(super) const SETTINGS: &[Setting] = &[
    Setting::new(
        "variant",
        Range::Words(&["published", "paper"]),
        "paper: the comparer is given both pictures in 0..1",
    ),
    Setting::new("start", Range::Words(&["noise", "input"]), "what the chain begins with"),
    Setting::new("lambda", Range::Count(1, 100_000), "with start input, the image is noised to the step before"),
    Setting::new("sampler", Range::Ddim, "the way back, by ddim; 250 steps as published, 10 with start input"),
    Setting::new("sampler.steps", Range::DdimSteps(1, 100_000), "DDIM steps of the way back"),
    Setting::new("embedding", Range::Words(&["encoder", "features"]), "what the denoiser is guided by"),
    Setting::new("map", Range::Words(&["comparer", "distance"]), "what makes the map"),
    Setting::new("v", Range::Number(0.0, 1000.0), "what the distance of pixels counts beside that of features"),
    Setting::new("layers", Range::Layers, "the layers of the network of features that are compared"),
    Setting::new("normalisation", Range::Words(&["batch", "image", "fixed"]), "what brings both distances together"),
    Setting::new("ratio", Range::Number(1e-6, 1e6), "the factor of the distance of pixels, with normalisation fixed"),
    Setting::new("blur", Range::Blur, "smoothing of the map, in pixels of the networks' input"),
    Setting::new("noise_per", Range::Words(&["run", "volume", "image"]), "what shares one noise"),
];

impl Xu {
    /// DDIM's steps and its eta.
    /// # Errors
    /// [`Error::Invalid`] for DDPM, and an eta outside 0..=1.
    fn ddim(&self) -> Result<(usize, f64)> {
        match self.sampler.unwrap_or(SamplerConfig::Ddim { steps: self.usual_steps(), eta: 0.0 }) {
            SamplerConfig::Ddim { steps, eta } if (0.0..=1.0).contains(&eta) => Ok((steps, eta)),
            SamplerConfig::Ddim { eta, .. } => Err(Error::Invalid(format!("`sampler.eta` is {eta}, not 0..=1"))),
            SamplerConfig::Ddpm => Err(Error::Invalid("`sampler` must be ddim, by which this system draws".into())),
        }
    }
    /// DDIM's steps where nothing is said.
    pub(super) fn usual_steps(&self) -> usize {
        if self.start == Start::Noise { 250 } else { 10 }
    }
    /// The most steps that the way back may have.
    pub fn most_steps(&self) -> usize {
        if self.start == Start::Noise { self.schedule.train_steps } else { self.lambda }
    }
    /// Calls of the denoiser for an image; none for settings that [`Xu::timesteps`] refuses.
    pub fn passes(&self) -> usize {
        self.timesteps().map_or(0, |t| t.list.len())
    }
    /// The timesteps.
    /// # Errors
    /// [`Error::Invalid`] for another sampler than DDIM, and for steps that the schedule, or `lambda`, does not allow.
    pub fn timesteps(&self) -> Result<Timesteps> {
        let (steps, _) = self.ddim()?;
        match self.start {
            Start::Noise => Timesteps::respaced(self.schedule.train_steps, &format!("ddim{steps}")),
            Start::Input => Timesteps::descending(self.lambda, steps),
        }
    }
    /// The sampler: DDIM, x0 clamped to ±1 and the noise derived from it again.
    /// # Errors
    /// As [`Xu::timesteps`], and for a schedule that is none.
    pub fn sampler(&self) -> Result<Sampler> {
        let method = Method::Ddim { eta: self.ddim()?.1, clipped_epsilon: true };
        let variance_channels = self.schedule.variance == VarianceKind::LearnedRange;
        let sampler = Sampler::guided(self.schedule.schedule()?, self.schedule.prediction.into(), method);
        Ok(Sampler { variance_channels, ..sampler })
    }
    /// Whether it draws noise: where no file holds it, or where steps are noisy.
    pub(super) fn draws_noise(&self) -> bool {
        self.noise_file.is_none() || self.ddim().is_ok_and(|(_, eta)| eta > 0.0)
    }
    /// What shares one noise: all images, where no noise is drawn.
    pub(super) fn noise_per_in_use(&self) -> NoisePer {
        if self.draws_noise() { self.noise_per } else { NoisePer::Run }
    }
    /// What brings the distance of pixels to that of features.
    pub fn normalisation(&self) -> Normalisation {
        Normalisation::of(self.normalisation, self.variant)
    }
    fn distance(&self) -> Distance<'_> {
        let (v, layers, ratio, blur) = (self.v, &self.layers[..], self.ratio, self.blur);
        Distance { v, layers, normalisation: self.normalisation(), ratio, blur, crop: None }
    }
    pub(super) fn check(&self, input: Option<&InputConfig>) -> Result<()> {
        let (usual, steps) = (Xu::default(), self.schedule.train_steps);
        must((1..=steps).contains(&self.lambda), "lambda", &format!("1 to the schedule's {steps} steps"))?;
        let file = self.noise_file.as_deref();
        must(file.is_none_or(inside), "noise_file", "a file in the model folder, or in a folder inside it")?;
        let fits = self.start == Start::Input || self.lambda == usual.lambda;
        must(fits, "lambda", "left as it is where the chain starts from noise alone")?;
        if self.map == MapBy::Comparer {
            for (same, name) in [
                (self.v == usual.v, "v"),
                (self.layers == usual.layers, "layers"),
                (self.normalisation.is_none(), "normalisation"),
                (self.ratio.is_none(), "ratio"),
            ] {
                must(same, name, "left out where the comparer makes the map (`map`)")?;
            }
            self.blur.map_or(Ok(()), BlurConfig::check)?;
        } else {
            self.distance().check(input)?;
        }
        self.sampler()?.rows(&self.timesteps()?).map(drop)
    }
    /// Why a setting has no effect beside the others, if it has none.
    pub(super) fn idle(&self, name: &str) -> Option<&'static str> {
        match name {
            "lambda" if self.start == Start::Noise => Some("the chain starts from noise alone (`start`)"),
            "noise_per" if !self.draws_noise() => Some("the noise is that of `noise_file`"),
            "v" | "layers" | "normalisation" | "ratio" if self.map == MapBy::Comparer => {
                Some("the comparer makes the map (`map`)")
            }
            "variant" if self.map == MapBy::Distance => {
                let said = self.normalisation.is_some();
                let of_distance = self.distance().idle("normalisation").or(said.then_some("`normalisation` is given"));
                of_distance.map(|_| "it says what the comparer is given, and how distances are brought together, neither of which is asked for")
            }
            "normalisation"
                if self.noise_per_in_use() == NoisePer::Image && self.normalisation == Some(Normalisation::Batch) =>
            {
                Some("images go through the networks one by one (`noise_per` is image), so that batch is image")
            }
            _ if self.map == MapBy::Distance => self.distance().idle(name),
            _ => None,
        }
    }
    /// What results take for granted, in sentences.
    pub(super) fn taken(&self) -> Vec<String> {
        let by = self.map == MapBy::Comparer;
        let mixed = (by && self.variant == Variant::Published).then(|| {
            "The comparer was given the reconstruction in -1..1 beside the image in 0..1, as the public test script does; a comparer that \
             was trained with both in 0..1 wants `variant` paper."
                .into()
        });
        let batch = if by { None } else { self.distance().taken(self.noise_per_in_use()) };
        mixed.into_iter().chain(batch).collect()
    }
    /// A denoiser of the input that is modulated by an embedding, what makes the embedding, what makes the map, and the noise that a
    /// file holds.
    pub(super) fn agree(&self, model: &ModelFolder) -> Result<()> {
        let input = model.config.image()?;
        let image = Shape::new(1, input.height, input.width, input.channels);
        let network = model.networks.denoiser()?;
        let (unet, path) = (network.as_unet()?, network.checkpoint.path());
        let fault = |text: String| Err(Error::file(path, text));
        let Some(width) = unet.condition() else {
            return fault(format!(
                "is a {} that no embedding of an image guides, which this system needs",
                unet.layout
            ));
        };
        let learned = self.schedule.variance == VarianceKind::LearnedRange;
        networks::agree_on(model, Denoised { learned, embedded: true, ..Denoised::of(image) })?;
        match (self.embedding, &unet.semantic) {
            (Embedding::Encoder, None) => {
                return fault(
                    "has no encoder of images: `embedding` features takes the network of features for one".into(),
                );
            }
            (Embedding::Encoder, Some(encoder)) => {
                encoder.accepts(image).map_err(|e| Error::file(path, e.to_string()))?;
            }
            (Embedding::Features, _) => {
                let net = distance::features(model)?;
                let file = model.networks.get(Role::Features)?.checkpoint.path();
                distance::takes(net, input.channels).map_err(|fault| Error::file(file, fault))?;
                if net.layers() < 4 || net.features() != width {
                    let fault = format!("gives {} features of an image after {} layers", net.features(), net.layers());
                    return Err(Error::file(file, format!("{fault}, but the denoiser is guided by {width} after 4")));
                }
            }
        }
        if self.map == MapBy::Distance {
            self.distance().agree(model)?;
        } else {
            networks::compares(model, 2, "the reconstruction and the image", "map")?;
        }
        model.networks.fixed_noise.as_ref().map_or(Ok(()), |noise| noise.agree(image))
    }
}
