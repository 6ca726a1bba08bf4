//! What a batch gives for one image.
use super::prepare::Ready;
use crate::data::{Map, Mask, Picture};
use crate::detect::{Batch, Item, ModelFolder};
use crate::{Result, Tensor};

/// One image's result at the networks' size.
pub struct Found {
    pub item: Item,
    pub picture: Picture,
    pub map: Option<Map>,
    pub reconstruction: Option<Picture>,
    pub interpolated: Option<Picture>,
    /// At the latents' size.
    pub latent_mask: Option<Mask>,
    /// Of a system that has its own.
    pub score: Option<f64>,
    pub seconds: f64,
}

impl Found {
    /// The `n`th image of a batch.
    pub fn of_batch(model: &ModelFolder, ready: Ready, batch: &Batch, n: usize, seconds: f64) -> Result<Found> {
        let Ready { item, picture, .. } = ready;
        let input = model.config.image()?;
        let (w, h) = (input.width, input.height);
        let map =
            batch.map.as_ref().map(|m| Map::new(w, h, m.data[n * w * h..(n + 1) * w * h].to_vec())).transpose()?;
        let rebuilt = |t: &Tensor| Picture::from_tensor(t, n, input.value_range(), &picture);
        let reconstruction = batch.reconstruction.as_ref().map(rebuilt).transpose()?;
        let interpolated = batch.interpolated.as_ref().map(rebuilt).transpose()?;
        let latent_mask = batch.latent_mask.as_ref().map(|t| mask_of(t, n));
        Ok(Found { item, picture, map, reconstruction, interpolated, latent_mask, score: None, seconds })
    }
}

/// The `n`th mask of a batch (N,h,w,1).
fn mask_of(t: &Tensor, n: usize) -> Mask {
    let (w, h) = (t.shape.w, t.shape.h);
    let pixels = t.data[n * w * h..(n + 1) * w * h].iter().map(|&v| v > 0.5);
    Mask { width: w, height: h, data: pixels.collect() }
}
