//! What is done with the maps of a whole volume on the host, in the order that pDDPM publishes: the eroded foreground, the median, and of
//! masks the small components.
use super::config::must;
use crate::Result;
use crate::score::{Holes, Voxels, drop_small, erode, masked, median3d};

/// The steps after the maps; each can be switched off. A picture is a volume of one slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Postprocessing {
    /// Steps by which the foreground is eroded, slice by slice, before the map is multiplied by it; 0 for none.
    pub erosion: usize,
    /// Side of the median's window, odd; 1 for none.
    pub median: usize,
    /// Components of a mask of up to so many voxels, holes filled, are dropped; 0 keeps all.
    pub min_component: usize,
}

impl Postprocessing {
    /// Holds the median's side to its range.
    pub(super) fn check(&self) -> Result<()> {
        must(self.median % 2 == 1 && self.median <= 31, "median", "odd and up to 31")
    }
    /// Whether it changes anything; where it does not, slices stand alone.
    pub(super) fn does_anything(&self) -> bool {
        self.erosion > 0 || self.median > 1 || self.min_component > 0
    }
    /// The eroded foreground, outside of which maps become zero; none without an erosion.
    pub fn inside(&self, foreground: &Voxels<bool>) -> Option<Voxels<bool>> {
        (self.erosion > 0).then(|| erode(foreground, self.erosion))
    }
    /// The maps (slices at the network's size) inside of it, smoothed by the median.
    /// # Errors
    /// [`crate::Error::Invalid`] when the two differ in their axes, or for a map that is not finite.
    pub fn smooth(&self, maps: Voxels<f32>, inside: Option<&Voxels<bool>>) -> Result<Voxels<f32>> {
        let maps = inside.map_or(Ok(None), |inside| masked(&maps, inside).map(Some))?.unwrap_or(maps);
        if self.median > 1 { median3d(&maps, self.median) } else { Ok(maps) }
    }
    /// What is left of a mask without its small components.
    pub fn segment(&self, above: &Voxels<bool>) -> Voxels<bool> {
        drop_small(above, self.min_component, Holes::Keep)
    }
}
