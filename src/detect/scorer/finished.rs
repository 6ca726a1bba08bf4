//! What a scorer hands over.
use crate::data::{Map, Mask, Picture};
use crate::detect::items::Item;

/// One image's result, at the image's own size.
pub struct Scored {
    /// The image.
    pub item: Item,
    /// Its pixels.
    pub picture: Picture,
    /// Where it is anomalous; none for a system without maps.
    pub map: Option<Map>,
    /// What the system made of it; none for a system that reconstructs nothing.
    pub reconstruction: Option<Picture>,
    /// What lies between the image and its reconstruction, of a system that makes such a picture.
    pub interpolated: Option<Picture>,
    /// Where latents were painted anew, of a system with a mask of latents.
    pub latent_mask: Option<Mask>,
    /// Finite; the higher, the more anomalous.
    pub score: f64,
    /// False where the map is zeros alone because nothing was left to judge, not because nothing was found.
    pub judged: bool,
    /// Its share of the batch's time.
    pub seconds: f64,
}

/// The result of a volume as a whole, from a system that has one; it comes after those of its slices.
pub struct ScoredVolume {
    /// Its slices, in order.
    pub items: Vec<Item>,
    /// Finite; the higher, the more anomalous.
    pub score: f64,
    /// As [`Scored::judged`].
    pub judged: bool,
}

/// What a scorer hands over.
#[allow(clippy::large_enum_variant)]
pub enum Finished {
    /// A picture or a slice.
    Image(Scored),
    /// A volume, all of whose slices have been handed over.
    Volume(ScoredVolume),
}
