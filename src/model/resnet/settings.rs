//! What no tensor of a ResNet tells.
use super::Standard;
use crate::model::Config;
use crate::model::conv_norm::{ConvNorm, EPS};
use crate::{Error, Result};

/// The settings under the names that Hugging Face's transformers have for them (`ResNetConfig`, `preprocessor_config.json`), but for the
/// BatchNorms' epsilon, which is fixed there.
pub(super) struct Settings {
    /// The stride of a layer sits in its first 1×1 convolution.
    pub downsample_in_bottleneck: bool,
    eps: f64,
}

impl Settings {
    /// Those of a config, else torchvision's.
    /// # Errors
    /// [`Error::File`] for a value of another type, and an epsilon that is none.
    pub fn read(cfg: &Config) -> Result<Self> {
        let eps = cfg.number("batch_norm_eps")?.unwrap_or(EPS);
        if !(eps > 0.0 && eps < 1.0) {
            return Err(Error::file(cfg.path(), format!("`batch_norm_eps` is {eps}, not above 0 and below 1")));
        }
        Ok(Settings { downsample_in_bottleneck: cfg.flag("downsample_in_bottleneck")?.unwrap_or(false), eps })
    }
    /// A convolution with their epsilon.
    pub fn of(&self, conv: ConvNorm) -> ConvNorm {
        ConvNorm { eps: self.eps, ..conv }
    }
    /// The standardisation: `image_mean` and `image_std`, for images of values in 0..1; ImageNet's of three
    /// channels where neither is said, and none of others.
    /// # Errors
    /// [`Error::File`] for one without the other, others than one number a channel, and deviations that are not above zero.
    pub fn standard(&self, cfg: &Config, channels: usize) -> Result<Option<Standard>> {
        let said = (cfg.numbers("image_mean")?, cfg.numbers("image_std")?);
        let (mean, std) = match said {
            (Some(mean), Some(std)) => (mean, std),
            (None, None) if channels == 3 => (vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225]),
            (None, None) => return Ok(None),
            _ => return Err(Error::file(cfg.path(), "`image_mean` and `image_std` belong together")),
        };
        let sound = mean.iter().all(|m| (0.0..=1.0).contains(m)) && std.iter().all(|s| *s > 0.0 && *s <= 1.0);
        if mean.len() != channels || std.len() != channels || !sound {
            let fault = format!(
                "`image_mean` is {mean:?} and `image_std` {std:?}: {channels} of each are needed, of values from 0 to 1, deviations above 0"
            );
            return Err(Error::file(cfg.path(), fault));
        }
        let single = |v: Vec<f64>| v.into_iter().map(|v| v as f32).collect();
        Ok(Some(Standard { mean: single(mean), std: single(std) }))
    }
}
