//! Networks held against the model's input and against each other.
use crate::detect::networks::Role;
use crate::detect::{ModelFolder, System};
use crate::{Error, Result, Shape};

/// What a denoiser is to be of.
pub(in crate::detect) struct Denoised<'a> {
    /// (1,H,W,C) of an image, or of its latents.
    pub shape: Shape,
    /// Channels that it takes behind those of the image, and does not give: of a condition.
    pub beside: usize,
    /// It gives a variance, too.
    pub learned: bool,
    /// It may know classes.
    pub classes: bool,
    /// It is given the embedding of an image.
    pub embedded: bool,
    /// What goes before the word `channels` in errors.
    pub whose: &'a str,
}

impl Denoised<'_> {
    /// Nothing beside, without a variance and classes.
    pub fn of(shape: Shape) -> Self {
        Denoised { shape, beside: 0, learned: false, classes: false, embedded: false, whose: "input." }
    }
}

/// A denoiser that takes and gives images of the model's input, with a variance beside where `learned`; with `classes` it may know
/// some.
pub(in crate::detect) fn agree(model: &ModelFolder, learned: bool, classes: bool) -> Result<()> {
    let input = model.config.image()?;
    let shape = Shape::new(1, input.height, input.width, input.channels);
    agree_on(model, Denoised { learned, classes, ..Denoised::of(shape) })
}

/// A denoiser that is of this. What is at fault is named by `detector.json` where there is one, otherwise by the checkpoint.
pub(in crate::detect) fn agree_on(model: &ModelFolder, of: Denoised) -> Result<()> {
    let Denoised { shape, beside, learned, classes, embedded, whose } = of;
    let network = model.networks.denoiser()?;
    let spec = network.as_unet()?;
    let said = model.settings.is_file();
    let path = if said { model.settings.as_path() } else { network.checkpoint.path() };
    let (takes, gives, channels) = (spec.in_channels(), spec.out_channels(), shape.c);
    if takes != channels + beside {
        let more = if beside > 0 { format!(", and {beside} of a condition come behind them") } else { String::new() };
        return Err(Error::file(path, format!("{whose}channels is {channels}{more}, but the network takes {takes}")));
    }
    let needed = if learned { 2 * channels } else { channels };
    if gives != needed {
        let variance = if learned { "with" } else { "without" };
        let why = match gives == 2 * channels {
            true => {
                "; the second half looks like a learned variance: a detector.json beside it whose schedule has \
                 \"variance\": \"learned_range\" says so"
            }
            false => "",
        };
        let fault = format!(
            "the network gives {gives} channels, but {needed} are needed for {channels} {variance} a variance{why}"
        );
        return Err(Error::file(path, fault));
    }
    if spec.condition().is_some() && !embedded {
        let fault = "is guided by an embedding of the image, as the system `xu` makes it: a detector.json beside it with \
                     \"system\": {\"method\": \"xu\"} says so";
        return Err(Error::file(network.checkpoint.path(), fault));
    }
    let size = |e: Error| Error::file(path, format!("`input`: {e}"));
    spec.accepts(shape.with_c(takes), embedded || classes && spec.class.is_some()).map_err(size)
}

/// A comparer of so many pictures of the model's input, which `which` names; `setting` is what chooses them.
/// # Errors
/// [`Error::File`] naming the comparer, for other channels and for sizes that it does not take.
pub(in crate::detect) fn compares(model: &ModelFolder, pictures: usize, which: &str, setting: &str) -> Result<()> {
    let (input, network) = (model.config.image()?, model.networks.comparer()?);
    let (comparer, path) = (network.as_comparer()?, network.checkpoint.path());
    let (takes, channels) = (comparer.in_channels(), pictures * input.channels);
    if takes != channels {
        let each = input.channels;
        let fault = format!("takes {takes} channels, but {which} of {each} each make {channels} (`{setting}`)");
        return Err(Error::file(path, fault));
    }
    if comparer.out_channels() != 2 {
        let fault = format!("gives {} channels; normal and anomalous are two", comparer.out_channels());
        return Err(Error::file(path, fault));
    }
    let given = Shape::new(1, input.height, input.width, channels);
    comparer.accepts(given).map_err(|e| Error::file(path, e.to_string()))
}

/// The shape (1,h,w,c) of the latent of one image of the model's input, which its autoencoder brings back to that size.
/// # Errors
/// [`Error::File`] naming the autoencoder, for images of other channels, and of sides that it does not bring back.
pub(in crate::detect) fn latents(model: &ModelFolder) -> Result<Shape> {
    let (input, network) = (model.config.image()?, model.networks.autoencoder()?);
    let (autoencoder, path) = (network.as_autoencoder()?, network.checkpoint.path());
    let fault = |e: Error| Error::file(path, e.to_string());
    let image = Shape::new(1, input.height, input.width, input.channels);
    let latent = autoencoder.latent_shape(image).map_err(fault)?;
    let back = autoencoder.image_shape(latent).map_err(fault)?;
    if back != image {
        let (h, w, f) = (input.height, input.width, autoencoder.factor());
        let fault = format!("makes images of {back} of latents of {h}x{w} pixels: sides must be multiples of {f}");
        return Err(Error::file(path, fault));
    }
    Ok(latent)
}

impl ModelFolder {
    /// What the denoiser takes of `n` images: (N,H,W,C), the images themselves, or their latents where there is an autoencoder, with
    /// as many channels of a condition behind them where the system has one.
    /// # Errors
    /// [`Error::Invalid`] for a model without images, or one of a size that the autoencoder does not take.
    pub fn denoised(&self, n: usize) -> Result<Shape> {
        let input = self.config.image()?;
        let images = Shape::new(n, input.height, input.width, input.channels);
        match self.networks.graphs.get(&Role::Autoencoder) {
            Some(network) => {
                let latent = network.as_autoencoder()?.latent_shape(images)?;
                let conditioned = matches!(self.config.system, System::DiffAd(_));
                Ok(if conditioned { latent.with_c(2 * latent.c) } else { latent })
            }
            None => Ok(images),
        }
    }
}
