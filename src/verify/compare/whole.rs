//! What the goldens of whole systems have in common: settings by name, a model folder of the golden's networks, scores.
use super::golden::{CHAIN_TOLERANCE, Golden};
use crate::detect::config::{InputConfig, ScoreConfig};
use crate::detect::networks::{Networks, Role};
use crate::detect::{DetectorConfig, ModelFolder, System, score};
use crate::model::Network;
use crate::verify::measure::{Deviation, deviation};
use crate::{Error, Result, Tensor};

/// The settings of `names` that the golden's config holds, under their names there and in the system; null is nothing.
/// # Errors
/// [`Error::File`] naming the config, for a value that the setting cannot have.
pub fn set(golden: &Golden, system: &mut System, names: &[(&str, &str)]) -> Result<()> {
    for (there, name) in names {
        let Some(value) = golden.config.get(there).filter(|v| !v.is_null()) else { continue };
        let text = match value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Array(all) => all.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            other => other.to_string(),
        };
        let text = if text.is_empty() { "none".into() } else { text };
        system.set(name, &text).map_err(|e| Error::file(golden.config.path(), e.to_string()))?;
    }
    Ok(())
}

/// A model of the golden's networks for images (N,C,H,W) of a range; its score is a window's where the config names one, else the
/// system's own.
/// # Errors
/// As [`ModelFolder::of`], and for settings that do not go together.
pub fn model<const N: usize>(
    golden: &Golden,
    (image, range): (&Tensor, [f32; 2]),
    system: System,
    networks: [(Role, Network); N],
) -> Result<ModelFolder> {
    let input =
        InputConfig { width: image.shape.w, height: image.shape.h, range, ..InputConfig::square(1, image.shape.c) };
    let usual = system.usual_score();
    let mut config = DetectorConfig::new("golden", Some(input), system);
    config.score = golden.config.count("window")?.map_or(usual, |side| ScoreConfig::Window { side });
    config.check().map_err(|e| Error::file(golden.config.path(), e.to_string()))?;
    ModelFolder::of(&golden.folder, config, Networks { graphs: networks.into(), ..Networks::default() })
}

/// The scores of maps (N,H,W,1) against `score` (N) of the golden, where it has some.
/// # Errors
/// [`Error::File`] for a tensor that cannot be read.
pub fn scores(golden: &Golden, map: &Tensor, by: ScoreConfig) -> Result<Option<Deviation>> {
    let (size, said) = ([map.shape.h, map.shape.w], golden.io.find("score")?);
    let each = map.data.chunks_exact(size[0] * size[1]);
    let found: Vec<f32> = each.map(|one| score(one, size, by) as f32).collect();
    let tolerance = golden.tolerance.unwrap_or(CHAIN_TOLERANCE);
    Ok(said.map(|said| deviation("score", &found, &said.data, tolerance)))
}
