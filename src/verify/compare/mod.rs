//! Goldens run, and the results held to what the original made.
//!
//! A golden is a folder with `config.json` and `io.safetensors`: a network of any kind (with its `model.safetensors`), or
//! a chain (whose `model` lies beside the folder of chains, or beside the chain).
use super::layers::{self, Layer};
use super::measure::Deviation;
use crate::{Device, Result};
use golden::{Golden, GoldenKind};
use serde::Serialize;
use std::path::Path;

mod advrad;
mod chain;
mod classifier;
mod ddad;
mod diffad;
mod golden;
mod latent;
mod look;
mod network;
mod once;
mod pinaya;
mod schedule;
mod simplex;
mod systems;
mod whole;
mod wolleb;
mod xu;

/// How a golden went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Everything within tolerance.
    Ok,
    /// Something beyond tolerance.
    Fail,
    /// It could not be run.
    Error,
    /// Of a kind that is not computed here.
    Unsupported,
}

/// What came out of a golden.
pub struct Compared {
    /// How it went.
    pub status: Status,
    /// Its outputs, each against the golden's.
    pub outputs: Vec<Deviation>,
    /// Of a network, when they were asked for.
    pub layers: Option<Vec<Layer>>,
    /// The error, or what kind of golden is not supported.
    pub message: Option<String>,
}

impl Compared {
    /// The first layer beyond tolerance.
    pub fn first_wrong_layer(&self) -> Option<String> {
        self.layers.as_deref().and_then(layers::first_wrong).map(|l| l.name.clone())
    }
}

/// Whether a folder is a golden.
pub fn is_golden(folder: &Path) -> bool {
    folder.join("config.json").is_file() && folder.join("io.safetensors").is_file()
}

/// Runs a golden. `tolerance` is the largest NMSE that passes, instead of 1e-9 for networks, 1e-8 for gradients and 1e-6 for
/// chains; with
/// `dump_layers`, every layer of a network is held to the same in f64.
pub fn compare(folder: &Path, device: &Device, tolerance: Option<f64>, dump_layers: bool) -> Compared {
    let outcome = Golden::open(folder, tolerance).and_then(|golden| {
        let kind = match golden.kind()? {
            Ok(kind) => kind,
            Err(other) => return Ok(Err(other)),
        };
        let dump = dump_layers && kind.is_network();
        let layers = dump.then(|| network::layers(&golden, kind, device)).transpose()?;
        Ok(Ok((run(&golden, kind, device)?, layers)))
    });
    match outcome {
        Ok(Ok((outputs, layers))) => {
            let ok = outputs.iter().all(|d| d.ok) && layers.iter().flatten().all(|l| l.ok);
            Compared { status: if ok { Status::Ok } else { Status::Fail }, outputs, layers, message: None }
        }
        Ok(Err(other)) => nothing(Status::Unsupported, other),
        Err(e) => nothing(Status::Error, e.to_string()),
    }
}

fn nothing(status: Status, message: String) -> Compared {
    Compared { status, outputs: Vec::new(), layers: None, message: Some(message) }
}

fn run(golden: &Golden, kind: GoldenKind, device: &Device) -> Result<Vec<Deviation>> {
    match kind {
        GoldenKind::Network | GoldenKind::Features => network::run(golden, kind, device),
        GoldenKind::Embedded => latent::embedded(golden, device),
        GoldenKind::Classifier => classifier::run(golden, device),
        GoldenKind::Autoencoder => latent::autoencoder(golden, device),
        GoldenKind::Comparer => latent::comparer(golden, device),
        GoldenKind::SimplexFields => simplex::fields(golden, device),
        GoldenKind::AnoDdpm => systems::anoddpm(golden, device),
        GoldenKind::Pddpm => systems::pddpm(golden, device),
        GoldenKind::Wolleb => wolleb::wolleb(golden, device),
        GoldenKind::Pinaya => pinaya::run(golden, device),
        GoldenKind::DiffAd => diffad::run(golden, device),
        GoldenKind::Xu => xu::run(golden, device),
        GoldenKind::Ddad => ddad::run(golden, device),
        GoldenKind::AdvRad => advrad::run(golden, device),
        GoldenKind::Diffusers => chain::diffusers(golden, device),
        GoldenKind::Guided => chain::guided(golden, device),
    }
}
