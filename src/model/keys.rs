//! Foreign keys made plain: wrapper prefixes stripped, buffers set aside, EMA copies preferred.
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Which copy of the weights is read where a file holds both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightCopy {
    /// The exponential moving average, as almost every published sampler does.
    #[default]
    Ema,
    /// The weights that were being trained.
    Raw,
}

impl std::str::FromStr for WeightCopy {
    type Err = crate::Error;
    fn from_str(text: &str) -> crate::Result<Self> {
        match text {
            "ema" => Ok(WeightCopy::Ema),
            "raw" => Ok(WeightCopy::Raw),
            _ => Err(crate::Error::Invalid(format!("weights `{text}`: they are `ema` or `raw`"))),
        }
    }
}

/// What wrappers and training programs put before a network's own keys, or call the dictionary that holds them.
const WRAPPERS: [&str; 30] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "model_dict",
    "network_state_dict",
    "net_state_dict",
    "unet_state_dict",
    "model",
    "module",
    "_module",
    "_forward_module",
    "net",
    "network",
    "unet",
    "unet_model",
    "params",
    "weights",
    "diffusion",
    "diffusion_model",
    "diffusion_net",
    "denoiser",
    "denoise_fn",
    "denoise_model",
    "eps_model",
    "online_model",
    "generator",
    "backbone",
    "pytorch_module",
    "inner_model",
    "wrapped_model",
];

/// What compilers and wrappers of parts put anywhere into a key.
const INFIXES: [&str; 3] = ["_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."];

/// Whether a name is that of a wrapper, and no part of a network.
pub(super) fn is_wrapper(name: &str) -> bool {
    WRAPPERS.contains(&name)
}

/// Whether a name says that what it holds is an average of weights over training.
fn is_average(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.split(['_', '-']).any(|word| word == "ema")
        || matches!(&lower[..], "averaged_model" | "modelema" | "emamodel")
}

/// Whether a path of dictionaries says so.
pub(super) fn names_average(path: &[String]) -> bool {
    path.iter().any(|name| is_average(name))
}

/// Which copy a tensor belongs to. `Online` is what an averager keeps of the weights in training beside its average.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    Ema,
    Raw,
    Online,
}

/// What a file's keys come to, as indices of the names.
#[derive(Debug)]
pub(super) struct Plain {
    /// Plain key to the tensor.
    pub keys: BTreeMap<String, usize>,
    /// Tensors that are buffers, another network of the file, or the copy that was not chosen.
    pub aside: Vec<usize>,
    /// Where the averages and the weights in training lie, in a file that has both.
    pub copies: Option<[String; 2]>,
}

/// A tensor's name: the dictionaries on the way to its state dict, and its key there.
pub(super) type Name<'a> = (&'a [String], &'a str);

/// The whole of it.
pub(super) fn full((path, key): Name) -> String {
    path.iter().map(String::as_str).chain([key]).collect::<Vec<_>>().join(".")
}

/// The key without wrappers, and the copy that they say it is of.
fn strip((path, key): Name) -> (String, Rank) {
    let key = INFIXES.iter().fold(key.to_owned(), |k, infix| k.replace(infix, ""));
    let mut rank = Rank::Raw;
    let mut see = |name: &str| {
        if is_average(name) {
            rank = Rank::Ema;
        } else if name == "online_model" && rank == Rank::Ema {
            rank = Rank::Online;
        }
    };
    path.iter().for_each(|name| see(name));
    let mut rest = key.as_str();
    while let Some((first, tail)) =
        rest.split_once('.').filter(|(f, t)| !t.is_empty() && (is_wrapper(f) || is_average(f)))
    {
        see(first);
        rest = tail;
    }
    (rest.to_owned(), rank)
}

/// Schedule constants, counters and the like: not weights of any network.
fn is_buffer(plain: &str) -> bool {
    let last = plain.rsplit('.').next().unwrap_or(plain);
    let top = [
        "betas",
        "logvar",
        "initted",
        "step",
        "scale_factor",
        "loss_weight",
        "p2_loss_weight",
        "num_timesteps",
        "decay",
        "num_updates",
        "n_averaged",
    ];
    last == "num_batches_tracked"
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
pub(super) fn plain(names: &[Name], copy: WeightCopy) -> Result<Plain, [String; 3]> {
    let index: HashMap<Name, usize> = names.iter().enumerate().map(|(i, n)| (*n, i)).collect();
    // The averages that CompVis's `LitEma` keeps, by the weight that they belong to.
    let twins: HashMap<usize, usize> = names
        .iter()
        .enumerate()
        .filter_map(|(i, (path, key))| Some((i, *index.get(&(*path, lit_ema_key(key)?.as_str()))?)))
        .collect();
    let lit: HashSet<usize> = twins.values().copied().collect();
    let latent = names.iter().any(|(_, key)| key.starts_with("model.diffusion_model."));
    let mut all: BTreeMap<String, [Option<usize>; 3]> = BTreeMap::new();
    let mut aside = Vec::new();
    for (i, &name) in names.iter().enumerate().filter(|(i, _)| !lit.contains(i)) {
        let (rest, rank) = strip(name);
        if is_buffer(&rest) || latent && is_other_network(name.1) {
            aside.push(i);
            continue;
        }
        for (i, rank) in [(Some(i), rank), (twins.get(&i).copied(), Rank::Ema)] {
            let Some(i) = i else { continue };
            let place = &mut all.entry(rest.clone()).or_default()[rank as usize];
            if let Some(other) = place.replace(i) {
                return Err([rest, full(names[other]), full(names[i])]);
            }
        }
    }
    let order = match copy {
        WeightCopy::Ema => [Rank::Ema, Rank::Raw, Rank::Online],
        WeightCopy::Raw => [Rank::Raw, Rank::Online, Rank::Ema],
    };
    let mut result = Plain { keys: BTreeMap::new(), aside, copies: None };
    for (plain, found) in all {
        let [ema, raw, online] = found;
        if let (None, Some((ema, raw))) = (&result.copies, ema.zip(raw.or(online))) {
            result.copies = Some([ema, raw].map(|i| place(names[i], &plain)));
        }
        let mut ranked = order.iter().filter_map(|r| found[*r as usize]);
        let chosen = ranked.next();
        result.aside.extend(ranked);
        result.keys.extend(chosen.map(|i| (plain, i)));
    }
    result.aside.sort_unstable();
    Ok(result)
}

/// What stands before a plain key: where its copy lies.
fn place(name: Name, plain: &str) -> String {
    let whole = full(name);
    let before = whole.strip_suffix(plain).or(whole.rsplit_once('.').map(|(b, _)| b)).map(|b| b.trim_end_matches('.'));
    before.filter(|b| !b.is_empty()).unwrap_or(&whole).to_owned()
}

/// The name under which CompVis's `LitEma` keeps the average of a Lightning module's weight: all dots removed.
fn lit_ema_key(key: &str) -> Option<String> {
    Some(format!("model_ema.{}", key.strip_prefix("model.")?.replace('.', "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plain keys to the file's, those set aside, and the two copies. A name with `/` in it has a path.
    fn run(names: &[&str], copy: WeightCopy) -> (BTreeMap<String, String>, Vec<String>, Option<[String; 2]>) {
        let split: Vec<(Vec<String>, &str)> = names
            .iter()
            .map(|n| {
                n.rsplit_once('/').map_or((Vec::new(), *n), |(p, k)| (p.split('/').map(String::from).collect(), k))
            })
            .collect();
        let names: Vec<Name> = split.iter().map(|(p, k)| (p.as_slice(), *k)).collect();
        let plain = plain(&names, copy).unwrap_or_else(|e| panic!("{e:?}"));
        let whole = |i: usize| full(names[i]);
        let keys = plain.keys.into_iter().map(|(k, i)| (k, whole(i))).collect();
        (keys, plain.aside.into_iter().map(whole).collect(), plain.copies)
    }

    #[test]
    fn prefixes_are_stripped_repeatedly() {
        for key in [
            "module.model.a.b",
            "ema.ema_model.a.b",
            "model.diffusion_model.a.b",
            "diffusion.model.a.b",
            "a.b",
            "_orig_mod.a.b",
            "module._orig_mod.a.b",
            "unet._orig_mod.a._orig_mod.b",
            "_forward_module.net.a.b",
        ] {
            assert_eq!(run(&[key], WeightCopy::Ema).0["a.b"], key);
        }
        assert_eq!(run(&["model."], WeightCopy::Ema).0["model."], "model.");
    }

    #[test]
    fn the_ema_copy_is_preferred_unless_told_otherwise() {
        let names = ["online_model.a.w", "ema_model.a.w", "ema_model.only.w", "initted", "model.betas"];
        let (keys, aside, copies) = run(&names, WeightCopy::Ema);
        assert_eq!(keys["a.w"], "ema_model.a.w");
        assert_eq!(aside, ["online_model.a.w", "initted", "model.betas"]);
        assert_eq!(copies.unwrap(), ["ema_model", "online_model"]);
        let raw = run(&names, WeightCopy::Raw).0;
        assert_eq!(raw["a.w"], "online_model.a.w");
        assert_eq!(raw["only.w"], "ema_model.only.w");
        assert!(run(&["model.a.w"], WeightCopy::Ema).2.is_none());
    }

    #[test]
    fn dictionaries_say_which_copy_they_hold() {
        // denoising-diffusion-pytorch: the average's own copy of the weights stands behind those of training.
        let names = ["model/model.a.w", "ema/online_model.model.a.w", "ema/ema_model.model.a.w", "ema/step"];
        let (keys, aside, _) = run(&names, WeightCopy::Ema);
        assert_eq!(keys["a.w"], "ema.ema_model.model.a.w");
        assert_eq!(aside.len(), 3);
        assert_eq!(run(&names, WeightCopy::Raw).0["a.w"], "model.model.a.w");
        assert_eq!(run(&names[1..], WeightCopy::Raw).0["a.w"], "ema.online_model.model.a.w");
        for (ema, raw) in [("params_ema", "params"), ("ema_state_dict", "state_dict"), ("model_ema", "model")] {
            let names = [format!("{raw}/module.a.w"), format!("{ema}/module.a.w")];
            let (keys, _, copies) = run(&[&names[0], &names[1]], WeightCopy::Ema);
            assert_eq!(keys["a.w"], format!("{ema}.module.a.w"));
            assert_eq!(copies.unwrap(), [format!("{ema}.module"), format!("{raw}.module")]);
        }
    }

    #[test]
    fn compvis_averages_are_found_under_their_dotless_names() {
        let names = ["model.diffusion_model.out.0.weight", "model_ema.diffusion_modelout0weight", "model_ema.decay"];
        let (keys, aside, copies) = run(&names, WeightCopy::Ema);
        assert_eq!(keys["out.0.weight"], "model_ema.diffusion_modelout0weight");
        assert_eq!((keys.len(), aside.len()), (1, 2));
        assert_eq!(copies.unwrap(), ["model_ema", "model.diffusion_model"]);
        assert_eq!(run(&names, WeightCopy::Raw).0["out.0.weight"], names[0]);
        let names = ["state_dict/model.out.0.weight", "state_dict/model_ema.out0weight"];
        assert_eq!(run(&names, WeightCopy::Ema).0["out.0.weight"], "state_dict.model_ema.out0weight");
    }

    #[test]
    fn two_keys_that_come_to_one_are_an_error() {
        let names: [Name; 2] = [(&[], "module.a.w"), (&[], "a.w")];
        assert_eq!(plain(&names, WeightCopy::Ema).unwrap_err(), ["a.w", "module.a.w", "a.w"]);
    }

    #[test]
    fn buffers_are_no_weights() {
        for key in ["betas", "sqrt_one_minus_alphas_cumprod", "posterior_variance", "norm.num_batches_tracked"] {
            assert!(is_buffer(key), "{key}");
        }
        assert!(!is_buffer("time_embed.0.weight"));
    }
}
