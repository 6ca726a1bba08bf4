//! Images as rows of features, through an estimator.
use super::{Found, Ready, Scorer};
use crate::detect::dte::Extractor;
use crate::detect::networks::Role;
use crate::detect::{Runner, System};
use crate::{Error, Result, Tensor};
use std::time::Instant;

/// The network of features and the estimator, on a device.
pub struct FeatureScorer {
    extractor: Extractor,
    runner: Runner,
}

impl Scorer<'_> {
    /// Scores a batch of images by their features.
    pub(super) fn rows_of(&mut self, ready: Vec<Ready>, start: Instant) -> Result<Vec<Found>> {
        let System::Dte(settings) = &self.model.config.system else {
            return Err(Error::Invalid("this system takes no rows".into()));
        };
        let fitted = &self.model.networks.estimator()?.model;
        let (batch, estimate) = (self.batch(), settings.estimate);
        if self.features.is_none() {
            let Some(network) = self.model.networks.graphs.get(&Role::Features) else {
                let fault =
                    "was fitted to images, but does not hold their network as features.safetensors: copy it there";
                return Err(Error::file(&self.model.path, fault));
            };
            let recorded = fitted.features.as_ref().ok_or_else(|| Error::Invalid("there are no features".into()))?;
            let made = Extractor::new(&self.device, network, &recorded.preprocessing, batch);
            let extractor = self.device.drive(made)?;
            let job = fitted.estimator.job(fitted.columns, batch)?;
            self.features =
                Some(FeatureScorer { extractor, runner: self.device.drive(Runner::new(&self.device, job))? });
        }
        let Some(FeatureScorer { extractor, runner }) = &mut self.features else { return Ok(Vec::new()) };
        let tensors: Vec<Tensor> = ready.iter().map(|r| r.tensor.clone()).collect();
        let rows = self.device.drive(extractor.features(&tensors))?;
        if let Some(short) = rows.iter().find(|r| r.len() != fitted.columns) {
            let fault = format!("gives {} features, but the model was fitted to {}", short.len(), fitted.columns);
            return Err(Error::file(&self.model.path, fault));
        }
        let standard: Vec<f32> = rows.iter().flat_map(|r| fitted.scaler.row(r)).collect();
        let known = ready.iter().zip(standard.chunks_exact(fitted.columns)).filter(|(_, row)| fitted.seen.has(row));
        self.fitted_to.extend(known.map(|(r, _)| r.item.path.clone()));
        let input = fitted.estimator.rows(&standard, fitted.columns, batch)?;
        let done = self.device.drive(runner.run(&input, 0, |_| true))?;
        let scores = fitted.estimator.scores(&done, ready.len(), fitted.columns, estimate)?;
        let seconds = start.elapsed().as_secs_f64() / ready.len() as f64;
        let found = |(r, score): (Ready, f64)| {
            let Ready { item, picture, .. } = r;
            Found {
                item,
                picture,
                map: None,
                reconstruction: None,
                interpolated: None,
                latent_mask: None,
                score: Some(score),
                seconds,
            }
        };
        Ok(ready.into_iter().zip(scores).map(found).collect())
    }
}
