//! The estimators by name.
use super::networks::NetworkKind;
use serde::{Deserialize, Serialize};

/// The estimators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EstimatorKind {
    /// DTE-NP: nothing is trained, the training rows are the model.
    #[default]
    Np,
    /// DTE-C: a network tells spans of time apart.
    C,
    /// DTE-IG: a network gives the scale of an inverse gamma over the variance.
    Ig,
    /// The baseline: a DDPM's reconstruction error.
    Ddpm,
}

impl EstimatorKind {
    /// All of them.
    pub const ALL: [EstimatorKind; 4] = [EstimatorKind::Np, EstimatorKind::C, EstimatorKind::Ig, EstimatorKind::Ddpm];
    /// The name in publications.
    pub fn name(self) -> &'static str {
        match self {
            EstimatorKind::Np => "DTE-NP",
            EstimatorKind::C => "DTE-C",
            EstimatorKind::Ig => "DTE-IG",
            EstimatorKind::Ddpm => "DDPM",
        }
    }
    /// How many standard deviations from the training mean a value may lie. DTE-NP: squared distances stay finite in f32. The
    /// networks: beyond 2²⁴, f32 cannot tell a value from one that lies a standard deviation away, so that what a network
    /// makes of it says nothing.
    pub fn furthest(self) -> f64 {
        match self {
            EstimatorKind::Np => 1e15,
            EstimatorKind::C | EstimatorKind::Ig | EstimatorKind::Ddpm => 16_777_216.0,
        }
    }
    /// The network that is trained; none for DTE-NP.
    pub(super) fn network(self) -> Option<NetworkKind> {
        match self {
            EstimatorKind::Np => None,
            EstimatorKind::C => Some(NetworkKind::Categorical),
            EstimatorKind::Ig => Some(NetworkKind::InverseGamma),
            EstimatorKind::Ddpm => Some(NetworkKind::Residual),
        }
    }
}
