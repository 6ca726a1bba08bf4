//! Foreign keys made plain: wrapper prefixes stripped, buffers set aside, EMA copies preferred.
use std::collections::{BTreeMap, HashSet};

/// Which copy of the weights is read where a file holds both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightCopy {
    /// The exponential moving average, as almost every published sampler does.
    #[default]
    Ema,
    /// The weights that were being trained.
    Raw,
}

/// Prefixes that wrappers put before a network's own keys, the longest first; true for an EMA copy.
const PREFIXES: [(&str, bool); 10] = [
    ("model.diffusion_model.", false),
    ("diffusion.model.", false),
    ("model_state_dict.", false),
    ("state_dict.", false),
    ("online_model.", false),
    ("ema_model.", true),
    ("module.", false),
    ("model.", false),
    ("ema.", true),
    ("unet.", false),
];

/// What a file's keys come to.
pub(super) struct Plain {
    /// Plain key to the file's key.
    pub keys: BTreeMap<String, String>,
    /// File keys that are buffers, another network of the file, or the copy that was not chosen.
    pub aside: Vec<String>,
}

/// Strips prefixes, repeatedly. The flag: an EMA prefix was among them.
fn strip(key: &str) -> (&str, bool) {
    let (mut rest, mut ema) = (key, false);
    while let Some((tail, is_ema)) =
        PREFIXES.iter().find_map(|(p, e)| Some((rest.strip_prefix(p).filter(|t| !t.is_empty())?, *e)))
    {
        rest = tail;
        ema |= is_ema;
    }
    (rest, ema)
}

/// Schedule constants, counters and the like: not weights of any network.
fn is_buffer(plain: &str) -> bool {
    let last = plain.rsplit('.').next().unwrap_or(plain);
    let top = ["betas", "logvar", "initted", "step", "scale_factor", "loss_weight", "p2_loss_weight", "num_timesteps"];
    last == "num_batches_tracked"
        || matches!(plain, "model_ema.decay" | "model_ema.num_updates")
        || !plain.contains('.')
            && (top.contains(&plain) || plain.contains("alphas_cumprod") || plain.starts_with("posterior_"))
}

/// The other networks of a CompVis latent-diffusion file: the autoencoder and the condition's encoder.
fn is_other_network(key: &str) -> bool {
    key.starts_with("first_stage_model.") || key.starts_with("cond_stage_model.")
}

/// Maps plain keys to the file's.
/// # Errors
/// When two keys of the same copy come to one: the plain key and the two of the file.
pub(super) fn plain(names: &[String], copy: WeightCopy) -> Result<Plain, [String; 3]> {
    let present: HashSet<&str> = names.iter().map(String::as_str).collect();
    let mut chosen: BTreeMap<String, (&str, bool)> = BTreeMap::new();
    let mut aside = Vec::new();
    let mut offer = |plain: &str, key, ema: bool, aside: &mut Vec<String>| {
        let Some(&(other, other_ema)) = chosen.get(plain) else {
            chosen.insert(plain.to_owned(), (key, ema));
            return Ok(());
        };
        if other_ema == ema {
            return Err([plain.to_owned(), other.to_owned(), str::to_owned(key)]);
        }
        let keep_new = ema == (copy == WeightCopy::Ema);
        aside.push(if keep_new { other.to_owned() } else { key.to_owned() });
        if keep_new {
            chosen.insert(plain.to_owned(), (key, ema));
        }
        Ok(())
    };
    let lit_ema: HashSet<String> = names.iter().filter_map(|k| lit_ema_key(k)).collect();
    let latent = names.iter().any(|k| k.starts_with("model.diffusion_model."));
    for key in names {
        if lit_ema.contains(key) {
            continue;
        }
        if latent && is_other_network(key) {
            aside.push(key.clone());
            continue;
        }
        let (rest, ema) = strip(key);
        if is_buffer(rest) {
            aside.push(key.clone());
            continue;
        }
        offer(rest, key, ema, &mut aside)?;
        if let Some(twin) = lit_ema_key(key).as_deref().and_then(|t| present.get(t)) {
            offer(rest, twin, true, &mut aside)?;
        }
    }
    Ok(Plain { keys: chosen.into_iter().map(|(plain, (key, _))| (plain, key.to_owned())).collect(), aside })
}

/// The name under which CompVis's `LitEma` keeps the average of a Lightning module's weight: all dots removed.
fn lit_ema_key(key: &str) -> Option<String> {
    let inner = key.strip_prefix("model.").filter(|k| k.starts_with("diffusion_model."))?;
    Some(format!("model_ema.{}", inner.replace('.', "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(names: &[&str], copy: WeightCopy) -> Plain {
        let names: Vec<String> = names.iter().map(|s| s.to_string()).collect();
        plain(&names, copy).unwrap_or_else(|e| panic!("{e:?}"))
    }

    #[test]
    fn prefixes_are_stripped_repeatedly() {
        for key in ["module.model.a.b", "ema.ema_model.a.b", "model.diffusion_model.a.b", "diffusion.model.a.b", "a.b"]
        {
            assert_eq!(run(&[key], WeightCopy::Ema).keys["a.b"], key);
        }
        assert_eq!(run(&["model."], WeightCopy::Ema).keys["model."], "model.");
    }

    #[test]
    fn the_ema_copy_is_preferred_unless_told_otherwise() {
        let names = ["online_model.a.w", "ema_model.a.w", "ema_model.only.w", "initted", "model.betas"];
        let ema = run(&names, WeightCopy::Ema);
        assert_eq!(ema.keys["a.w"], "ema_model.a.w");
        assert_eq!(ema.aside, ["online_model.a.w", "initted", "model.betas"]);
        let raw = run(&names, WeightCopy::Raw);
        assert_eq!(raw.keys["a.w"], "online_model.a.w");
        assert_eq!(raw.keys["only.w"], "ema_model.only.w");
    }

    #[test]
    fn compvis_averages_are_found_under_their_dotless_names() {
        let names = ["model.diffusion_model.out.0.weight", "model_ema.diffusion_modelout0weight", "model_ema.decay"];
        let ema = run(&names, WeightCopy::Ema);
        assert_eq!(ema.keys["out.0.weight"], "model_ema.diffusion_modelout0weight");
        assert_eq!(ema.keys.len(), 1);
        assert_eq!(run(&names, WeightCopy::Raw).keys["out.0.weight"], names[0]);
    }

    #[test]
    fn two_keys_that_come_to_one_are_an_error() {
        let names = ["module.a.w".to_owned(), "a.w".to_owned()];
        assert!(plain(&names, WeightCopy::Ema).is_err());
    }

    #[test]
    fn buffers_are_no_weights() {
        for key in ["betas", "sqrt_one_minus_alphas_cumprod", "posterior_variance", "norm.num_batches_tracked"] {
            assert!(is_buffer(key), "{key}");
        }
        assert!(!is_buffer("time_embed.0.weight"));
    }
}
