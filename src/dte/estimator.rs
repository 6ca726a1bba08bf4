//! An estimator, fitted: what the four have in common.
use super::networks::{Kind, Network};
use super::np::check_neighbours;
use super::train::{Recipe, train};
use super::{Estimate, NEIGHBOURS, NonParametric};
use crate::{Device, Error, Result};
use serde::{Deserialize, Serialize};

/// The estimators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
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

impl Method {
    /// All of them.
    pub const ALL: [Method; 4] = [Method::Np, Method::C, Method::Ig, Method::Ddpm];
    /// The name in publications.
    pub fn name(self) -> &'static str {
        match self {
            Method::Np => "DTE-NP",
            Method::C => "DTE-C",
            Method::Ig => "DTE-IG",
            Method::Ddpm => "DDPM",
        }
    }
    /// The network that is trained; none for DTE-NP.
    pub(super) fn network(self) -> Option<Kind> {
        match self {
            Method::Np => None,
            Method::C => Some(Kind::Categorical),
            Method::Ig => Some(Kind::InverseGamma),
            Method::Ddpm => Some(Kind::Residual),
        }
    }
}

/// How an estimator is fitted and scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Which.
    pub method: Method,
    /// DTE-NP: how many neighbours are averaged.
    pub neighbours: usize,
    /// DTE-NP: what the score is.
    pub estimate: Estimate,
    /// The others: how the network is trained.
    pub recipe: Recipe,
}

impl Default for Settings {
    fn default() -> Self {
        let (method, estimate, recipe) = Default::default();
        Settings { method, neighbours: NEIGHBOURS, estimate, recipe }
    }
}

/// A fitted estimator, of standardised rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Estimator {
    /// DTE-NP.
    NonParametric {
        /// Training rows.
        rows: Vec<f32>,
        /// How many are averaged.
        neighbours: usize,
    },
    /// The others.
    Network(Network),
}

impl Estimator {
    /// Fits to rows of `columns` values. `progress` hears after each epoch of training how many there were and its mean loss, and
    /// answers whether to go on.
    /// # Errors
    /// [`Error::Invalid`] without a row or for settings that are not possible; as [`train`].
    pub async fn fit(
        device: &Device,
        settings: &Settings,
        (rows, columns): (Vec<f32>, usize),
        progress: impl FnMut(usize, f64) -> bool,
    ) -> Result<Self> {
        if rows.is_empty() {
            return Err(Error::Invalid("the table has no row to fit to".into()));
        }
        match settings.method.network() {
            None => {
                check_neighbours(settings.neighbours)?;
                Ok(Estimator::NonParametric { rows, neighbours: settings.neighbours })
            }
            Some(kind) => {
                let network = train(device, kind, (&rows, columns), &settings.recipe, progress).await?;
                Ok(Estimator::Network(network))
            }
        }
    }

    /// Scores of rows of `columns` values, higher being more anomalous. `estimate` is DTE-NP's choice, `seed` the baseline's noise.
    /// # Errors
    /// As [`NonParametric::score`] and [`Network::score`].
    pub async fn score(
        &self,
        device: &Device,
        (rows, columns): (&[f32], usize),
        estimate: Estimate,
        seed: u32,
    ) -> Result<Vec<f64>> {
        match self {
            Estimator::NonParametric { rows: train, neighbours } => {
                NonParametric::new(device.clone(), columns, train, *neighbours)?.score(rows, estimate).await
            }
            Estimator::Network(network) => network.score(device, rows, seed).await,
        }
    }
}
