//! The names of the checkpoint layouts that are read.
use serde::Serialize;

/// A layout that this crate reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Layout {
    /// Hugging Face diffusers' `UNet2DModel`.
    Diffusers,
    /// OpenAI guided-diffusion's `UNetModel`, with improved-diffusion, LDM and their forks.
    Guided,
    /// DiffAE's `BeatGANsAutoencModel`: guided-diffusion's with a second modulation, and an encoder.
    DiffAe,
    /// AnoDDPM's `UNetModel`.
    AnoDdpm,
    /// MONAI core's `DiffusionModelUNet`.
    MonaiCore,
    /// MONAI GenerativeModels' `DiffusionModelUNet`.
    MonaiGenerative,
}

impl std::fmt::Display for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Layout::Diffusers => "diffusers UNet2DModel",
            Layout::Guided => "guided-diffusion UNetModel",
            Layout::DiffAe => "DiffAE BeatGANsAutoencModel",
            Layout::AnoDdpm => "AnoDDPM UNetModel",
            Layout::MonaiCore => "MONAI DiffusionModelUNet",
            Layout::MonaiGenerative => "MONAI GenerativeModels DiffusionModelUNet",
        })
    }
}
