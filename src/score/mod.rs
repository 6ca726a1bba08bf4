//! From raw maps to scores and segmentations: the post-processing of pDDPM, and Otsu's threshold.
//!
//! Behrendt et al., "Patched Diffusion Models for Unsupervised Anomaly Detection in Brain MRI" (MIDL 2023), treat the
//! absolute residual of a volume in this order, and so does their public code:
//! 1. [`erode`] shrinks the mask of the brain slice by slice, and [`masked`] sets the map to zero outside of it.
//! 2. [`median3d`] smooths the map; [`foreground_mean`] of it inside the *un-eroded* mask is the volume's score.
//! 3. [`best_threshold`] finds, on validation volumes, the threshold above which the map segments best.
//! 4. [`drop_small`] removes the small [`components`] of the segmentation.
//!
//! [`otsu`] is the threshold of a single map, of the evaluation of Wolleb et al.
//!
//! Everything here works on plain arrays ([`Voxels`]), is exact, and gives the same result on any number of threads.
mod bracket;
mod components;
mod erosion;
mod median;
mod otsu;
mod overlap;
mod voxels;

pub use bracket::{Bracket, ROUNDS, best_threshold, bracket_threshold};
pub use components::{Components, Holes, components, drop_small};
pub use erosion::{erode, masked};
pub use median::{MAX_SIDE, median3d};
pub use otsu::otsu;
pub use overlap::{Overlap, foreground_mean};
pub use voxels::Voxels;
