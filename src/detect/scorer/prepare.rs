//! From an item to what the networks take.
use crate::data::{InputSpec, Picture, ValueRange};
use crate::detect::{Item, ModelFolder};
use crate::{Error, Result, Tensor};

/// An image that is ready for the networks.
pub struct Ready {
    pub item: Item,
    pub picture: Picture,
    /// (1,C,H,W)
    pub tensor: Tensor,
}

impl ModelFolder {
    /// How files become the images that the model takes.
    pub fn spec(&self) -> InputSpec {
        match &self.config.input {
            Some(input) => input.spec(),
            None => {
                let features = self.networks.estimator.as_ref().and_then(|e| e.model.features.as_ref());
                InputSpec::fixed(features.map_or(3, |f| f.preprocessing.mean.len()), ValueRange::UNIT)
            }
        }
    }
}

/// Above so many times its sides, an image that is enlarged is named.
const ENLARGED: usize = 4;

/// Reads one image as `spec` says and brings it to the networks' size and range.
pub fn prepare(model: &ModelFolder, spec: &InputSpec, item: &Item) -> Result<Ready> {
    of_picture(model, item, item.read(spec)?)
}

/// The same of a picture that was read, or stands for the item's own.
pub fn of_picture(model: &ModelFolder, item: &Item, mut picture: Picture) -> Result<Ready> {
    let Some(input) = &model.config.input else { return of_features(model, item, picture) };
    let small = picture.to_channels(input.channels)?.resize(input.width, input.height)?;
    let ratio = |w: usize, h: usize| w as f64 / h as f64;
    let change = ratio(picture.width, picture.height) / ratio(input.width, input.height);
    if !(0.8..=1.25).contains(&change) {
        picture.warnings.push(format!(
            "{}x{} is squeezed to the network's {}x{}",
            picture.width, picture.height, input.width, input.height
        ));
    }
    if picture.width * ENLARGED < input.width || picture.height * ENLARGED < input.height {
        picture.warnings.push(format!(
            "{}x{} is enlarged to the network's {}x{}, which is more than {ENLARGED} times: it shows no detail that the network knows",
            picture.width, picture.height, input.width, input.height
        ));
    }
    if input.channels == 1 && picture.is_coloured() {
        picture.warnings.push("its colours were made grey, as the network takes one channel".into());
    }
    Ok(Ready { item: item.clone(), picture, tensor: small.to_tensor(input.value_range()) })
}

/// The same for a network of features.
fn of_features(model: &ModelFolder, item: &Item, picture: Picture) -> Result<Ready> {
    if item.slice.is_some() {
        return Err(Error::file(&item.path, "is a volume; features are of single images"));
    }
    let none = || Error::Invalid("the model makes no rows of images".into());
    let features = model.networks.estimator()?.model.features.as_ref().ok_or_else(none)?;
    let tensor = features.preprocessing.apply(&picture).map_err(|e| match e {
        Error::Invalid(fault) => Error::file(&item.path, fault),
        e => e,
    })?;
    Ok(Ready { item: item.clone(), picture, tensor })
}
