//! A golden folder: what it holds and which network it belongs to.
use crate::model::{Config, Network, Overrides, is_autoencoder_class};
use crate::verify::measure::{Deviation, deviation};
use crate::verify::tensors::Tensors;
use crate::{Error, Result, Tensor};
use std::path::{Path, PathBuf};

/// A folder with `config.json` and `io.safetensors`.
pub struct Golden {
    /// Where it lies.
    pub folder: PathBuf,
    /// `config.json`.
    pub config: Config,
    /// `io.safetensors`.
    pub io: Tensors,
    /// Largest NMSE that passes, instead of the usual one.
    pub tolerance: Option<f64>,
}

/// What is to be done with a golden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoldenKind {
    /// One call of a UNet.
    Network,
    /// The embedding of an image, and one call of the UNet that it modulates.
    Embedded,
    /// One call of a classifier, and its gradient.
    Classifier,
    /// One call of a ResNet without its classifier.
    Features,
    /// One call of an autoencoder, and what lies between its halves.
    Autoencoder,
    /// One call of what compares an image with its reconstruction.
    Comparer,
    /// Simplex noise for seeds and times.
    SimplexFields,
    /// AnoDDPM, noising and denoising.
    AnoDdpm,
    /// pDDPM, a call for each patch.
    Pddpm,
    /// Wolleb et al.: encoding, and decoding under a classifier.
    Wolleb,
    /// Pinaya et al.: latents judged and painted anew.
    Pinaya,
    /// DiffAD: latents drawn beside those of the image, or all of it.
    DiffAd,
    /// Xu et al.: an image drawn anew under its embedding.
    Xu,
    /// DDAD: a noised image pulled back.
    Ddad,
    /// AdvRAD, one call, with the score's gradient.
    AdvRad,
    /// A chain by a diffusers scheduler.
    Diffusers,
    /// A chain by guided-diffusion's respaced sampler.
    Guided,
}

impl GoldenKind {
    /// Whether it is one network alone.
    pub fn is_network(self) -> bool {
        use GoldenKind::{Autoencoder, Classifier, Comparer, Embedded, Features, Network};
        matches!(self, Network | Embedded | Classifier | Features | Autoencoder | Comparer)
    }
}

/// NMSE of a network's output that passes.
pub const NETWORK_TOLERANCE: f64 = 1e-9;
/// NMSE of a gradient that passes.
pub const GRADIENT_TOLERANCE: f64 = 1e-8;
/// NMSE of a chain's output that passes.
pub const CHAIN_TOLERANCE: f64 = 1e-6;

impl Golden {
    /// Reads the two files.
    pub fn open(folder: &Path, tolerance: Option<f64>) -> Result<Self> {
        let config = Config::beside(&folder.join("io.safetensors"))?;
        Ok(Golden { folder: folder.to_owned(), config, io: Tensors::read(folder.join("io.safetensors"))?, tolerance })
    }
    /// What it is, by its config; the name of what it is instead when that is nothing Residua computes.
    pub fn kind(&self) -> Result<Result<GoldenKind, String>> {
        let c = &self.config;
        if let Some(class) = c.text("_class_name")? {
            if class == "ResNet" {
                return Ok(Ok(GoldenKind::Features));
            }
            if class.ends_with("EncoderUNetModel") {
                return Ok(Ok(GoldenKind::Classifier));
            }
            if is_autoencoder_class(class) {
                return Ok(Ok(GoldenKind::Autoencoder));
            }
            if class.ends_with("BeatGANsAutoencModel") {
                return Ok(Ok(GoldenKind::Embedded));
            }
            if class.ends_with("DiscriminativeSubNetwork") {
                return Ok(Ok(GoldenKind::Comparer));
            }
            let known = ["UNet2DModel", "DiffusionModelUNet", "UNetModel"].iter().any(|n| class.ends_with(n));
            return Ok(if known { Ok(GoldenKind::Network) } else { Err(class.to_owned()) });
        }
        if c.has("scheduler") {
            return Ok(Ok(GoldenKind::Diffusers));
        }
        if let Some(method) = c.text("method")? {
            return Ok(match method {
                "anoddpm" => Ok(GoldenKind::AnoDdpm),
                "pddpm" => Ok(GoldenKind::Pddpm),
                "wolleb" => Ok(GoldenKind::Wolleb),
                "pinaya" => Ok(GoldenKind::Pinaya),
                "diffad" | "diffad latent ddim" => Ok(GoldenKind::DiffAd),
                "xu" => Ok(GoldenKind::Xu),
                "ddad" => Ok(GoldenKind::Ddad),
                "advrad" | "advrad one-shot" => Ok(GoldenKind::AdvRad),
                other => Err(other.to_owned()),
            });
        }
        if let Some(sampler) = c.text("sampler")? {
            let known = sampler.starts_with("guided-diffusion");
            return Ok(if known { Ok(GoldenKind::Guided) } else { Err(sampler.to_owned()) });
        }
        if c.has("seeds") && c.has("t") {
            return Ok(Ok(GoldenKind::SimplexFields));
        }
        let network = self.folder.join("model.safetensors").is_file();
        Ok(if network { Ok(GoldenKind::Network) } else { Err("of no known kind".to_owned()) })
    }
    /// The network in the golden's own folder.
    pub fn own_network(&self) -> Result<Network> {
        Network::unet(&self.folder, &Overrides::default())
    }
    /// The UNet that `model` in the config names.
    pub fn network(&self) -> Result<Network> {
        Network::unet(&self.model_folder("model")?, &Overrides::default())
    }
    /// The folder of the network that `key` in the config names: beside the folder of chains, or beside or in the chain.
    pub fn model_folder(&self, key: &str) -> Result<PathBuf> {
        let name = self.config.text(key)?;
        let name = name.ok_or_else(|| Error::file(self.config.path(), format!("`{key}` is missing")))?;
        let real = std::fs::canonicalize(&self.folder).map_err(|e| Error::io(&self.folder, e))?;
        let places: Vec<PathBuf> = real.ancestors().skip(1).take(2).chain([&*real]).map(|p| p.join(name)).collect();
        let found = [1, 0, 2].iter().filter_map(|&i| places.get(i)).find(|p| p.is_dir());
        let Some(folder) = found else {
            let fault =
                format!("`{key}` is `{name}`, and there is no such folder beside the chain or beside its parent");
            return Err(Error::file(self.config.path(), fault));
        };
        Ok(folder.clone())
    }
    /// A setting that must be there.
    pub fn need<T>(&self, key: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| Error::file(self.config.path(), format!("`{key}` is missing")))
    }
    /// A list of whole numbers.
    pub fn integers(&self, key: &str) -> Result<Option<Vec<i64>>> {
        let Some(value) = self.config.get(key) else { return Ok(None) };
        let list = value.as_array().and_then(|a| a.iter().map(serde_json::Value::as_i64).collect());
        let fault = || Error::file(self.config.path(), format!("`{key}` is {value}, not a list of whole numbers"));
        list.map(Some).ok_or_else(fault)
    }
    /// A result against a tensor of the golden.
    pub fn compare(&self, output: &str, found: &Tensor, tolerance: f64) -> Result<Deviation> {
        let reference = self.io.get(output)?;
        let Tensor { shape: s, data } = found;
        let ones = |d: &[usize]| d.iter().copied().filter(|&n| n != 1).collect::<Vec<_>>();
        if ones(&reference.dims) != ones(&[s.n, s.c, s.h, s.w]) {
            let fault = format!("is {:?}, but the result is {:?}", reference.dims, [s.n, s.c, s.h, s.w]);
            return Err(self.io.fault(output, fault));
        }
        Ok(deviation(output, data, &reference.data, self.tolerance.unwrap_or(tolerance)))
    }
    /// Whole numbers against those of the golden, all of which must be the same; in rows of pixels, whatever their shape.
    pub fn compare_exactly(&self, output: &str, found: &Tensor) -> Result<Deviation> {
        Ok(deviation(output, &found.data, &self.io.get(output)?.data, 0.0))
    }
}
