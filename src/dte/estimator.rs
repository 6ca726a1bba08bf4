//! An estimator, fitted: what the four have in common.
use super::networks::{Kind, Network};
use super::np::check_neighbours;
use super::train::{Recipe, train};
use super::{Estimate, NEIGHBOURS, NonParametric};
use crate::{Device, Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::Mutex;

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
    /// The others: networks that differ in their seed, whose scores are averaged (Lakshminarayanan, Pritzel and Blundell, NeurIPS
    /// 2017).
    Networks(Vec<Network>),
}

impl Estimator {
    /// Fits to rows of `columns` values. `progress` hears after each epoch of a network's training how many there were and its mean
    /// loss, and answers whether to go on.
    /// # Errors
    /// [`Error::Invalid`] without a row or for settings that are not possible; as [`train`].
    pub async fn fit(
        device: &Device,
        settings: &Settings,
        (rows, columns): (Vec<f32>, usize),
        progress: impl FnMut(usize, f64) -> bool + Send,
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
                let progress = Mutex::new(progress);
                let heard = |epoch, loss| progress.lock().is_ok_and(|mut hear| hear(epoch, loss));
                let one = async |recipe: &Recipe| train(device, kind, (&rows, columns), recipe, heard).await;
                let recipes = settings.recipe.ensemble(kind)?;
                let mut networks = Vec::new();
                match device {
                    // They are too small for several threads each.
                    Device::Cpu => {
                        networks = recipes.par_iter().map(|r| device.drive(one(r))).collect::<Result<_>>()?
                    }
                    Device::Gpu(_) => {
                        for recipe in &recipes {
                            networks.push(one(recipe).await?);
                        }
                    }
                }
                Ok(Estimator::Networks(networks))
            }
        }
    }

    /// Scores of rows of `columns` values, higher being more anomalous. `estimate` is DTE-NP's choice.
    /// # Errors
    /// As [`NonParametric::score`] and [`Network::score`].
    pub async fn score(
        &self,
        device: &Device,
        (rows, columns): (&[f32], usize),
        estimate: Estimate,
    ) -> Result<Vec<f64>> {
        match self {
            Estimator::NonParametric { rows: train, neighbours } => {
                NonParametric::new(device.clone(), columns, train, *neighbours)?.score(rows, estimate).await
            }
            Estimator::Networks(networks) => {
                let mut mean = Vec::new();
                for network in networks {
                    let scores = network.score(device, rows).await?;
                    mean.resize(scores.len(), 0.0);
                    mean.iter_mut().zip(scores).for_each(|(m, s)| *m += s / networks.len() as f64);
                }
                Ok(mean)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ensembles_score_is_the_mean_of_its_networks() {
        let rows: Vec<f32> = (0..120).map(|i| ((i * i) % 17) as f32 / 8.0 - 1.0).collect();
        let fit = |recipe: Recipe, go_on: bool| {
            let settings = Settings { method: Method::Ig, recipe, ..Settings::default() };
            pollster::block_on(Estimator::fit(&Device::Cpu, &settings, (rows.clone(), 4), |_, _| go_on))
        };
        let score = |e: &Estimator| pollster::block_on(e.score(&Device::Cpu, (&rows, 4), Estimate::default())).unwrap();
        let three = Recipe { epochs: 2, members: Some(3), seed: 7, ..Recipe::default() };
        let singles = three
            .ensemble(Kind::InverseGamma)
            .unwrap()
            .into_iter()
            .map(|recipe| score(&fit(Recipe { members: Some(1), ..recipe }, true).unwrap()));
        let singles: Vec<_> = singles.collect();
        assert!(singles[0] != singles[1] && singles[1] != singles[2]);
        for (i, mean) in score(&fit(three, true).unwrap()).into_iter().enumerate() {
            let wanted = singles.iter().map(|s| s[i]).sum::<f64>() / 3.0;
            assert!((mean - wanted).abs() < 1e-12 * wanted, "{i}: {mean} {wanted}");
        }
        assert!(matches!(fit(three, false), Err(Error::Interrupted)));
        assert!(matches!(fit(Recipe { members: Some(0), ..three }, true), Err(Error::Invalid(_))));
        let usual = |kind| Recipe::default().ensemble(kind).unwrap().len();
        assert_eq!([Kind::Categorical, Kind::InverseGamma, Kind::Residual].map(usual), [1, 5, 1]);
    }
}
