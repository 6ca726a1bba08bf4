//! `quality.json`, format 1: rows of AnoDDPM's lambda, steps and runs. Read for ever, never written.
use super::{Dial, DialData, DialRow, Measure};
use crate::Result;
use crate::detect::config::Thresholds;
use crate::detect::identity::{fingerprint, of_recorded};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    #[allow(dead_code)]
    format: u32,
    created: String,
    model_sha256: String,
    settings: serde_json::Value,
    data: DialData,
    measure: Measure,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    lambda: usize,
    /// Of DDIM; none for DDPM, which takes all.
    steps: Option<usize>,
    runs: usize,
    auprc: f64,
    auprc_std: f64,
    best_dice: Option<f64>,
    image_auroc: Option<f64>,
    seconds: f64,
    device: String,
    seeds: u64,
    threshold: Thresholds,
}

impl Table {
    /// The same table in format 2.
    pub fn into_two(self) -> Result<Dial> {
        let settings = of_recorded(&self.settings, &["lambda", "sampler", "runs"])?;
        let rows = self.rows.into_iter().map(Row::into_two).collect();
        let Table { created, model_sha256, data, measure, .. } = self;
        Ok(Dial {
            format: 2,
            created,
            model_sha256,
            config_sha256: None,
            fingerprint: fingerprint(&settings),
            settings,
            data,
            measure,
            rows,
        })
    }
}

impl Row {
    fn into_two(self) -> DialRow {
        let sampler = match self.steps {
            Some(steps) => ("sampler.steps", steps.to_string()),
            None => ("sampler", "ddpm".to_owned()),
        };
        let named = [("lambda", self.lambda.to_string()), ("runs", self.runs.to_string()), sampler];
        DialRow {
            settings: named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            passes: self.steps.unwrap_or(self.lambda) * self.runs,
            auprc: self.auprc,
            auprc_std: self.auprc_std,
            best_dice: self.best_dice,
            image_auroc: self.image_auroc,
            seconds: self.seconds,
            device: self.device,
            seeds: self.seeds,
            threshold: self.threshold,
            eta: None,
            first_seed: 0,
        }
    }
}
