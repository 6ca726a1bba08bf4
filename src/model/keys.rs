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

/// Which network of a file that holds several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Member {
    /// The denoiser, or the only one.
    #[default]
    Main,
    /// The autoencoder beside a denoiser; of a file with one network that one.
    Autoencoder,
}

/// What stands before the keys of an autoencoder in a file that holds a denoiser too: latent-diffusion's name, and others'.
const AUTOENCODERS: [&str; 4] = ["first_stage_model.", "autoencoder.", "vqvae.", "vae."];

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
#[cfg(feature = "pytorch")]
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
    /// There is an autoencoder beside the denoiser.
    pub beside: bool,
    /// Where there are two copies: plain keys whose tensor the chosen one lacks and the other has, the last part of which says that they
    /// are weights, or not.
    pub lacking: Lacking,
}

/// What a copy of the weights lacks and the other one has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lacking {
    pub weights: Vec<String>,
    pub others: Vec<String>,
}

/// A tensor's name: the dictionaries on the way to its state dict, and its key there.
pub(super) type Name<'a> = (&'a [String], &'a str);

/// The whole of it.
pub(super) fn full((path, key): Name) -> String {
    path.iter().map(String::as_str).chain([key]).collect::<Vec<_>>().join(".")
}

/// The key without wrappers, and the copy that they say it is of.
fn strip(name: Name) -> (String, Rank) {
    let (rest, rank, _) = parted(name);
    (rest, rank)
}

/// The same, and the wrappers.
fn parted((path, key): Name) -> (String, Rank, String) {
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
    let before = key.strip_suffix(rest).unwrap_or_default().trim_end_matches('.');
    let wrappers = path.iter().map(String::as_str).chain([before]).filter(|part| !part.is_empty());
    (rest.to_owned(), rank, wrappers.collect::<Vec<_>>().join("."))
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

/// What is left of an autoencoder's key in a file that holds a denoiser too.
fn of_autoencoder(plain: &str) -> Option<&str> {
    AUTOENCODERS.iter().find_map(|prefix| plain.strip_prefix(prefix)).filter(|rest| !rest.is_empty())
}

/// Whether a key belongs to what trained an autoencoder: the losses' own networks.
fn is_loss(plain: &str) -> bool {
    plain.starts_with("loss.")
}

/// Maps plain keys of one network to the file's.
/// # Errors
/// When two keys of the same copy come to one: the plain key and the two of the file.
pub(super) fn plain(names: &[Name], copy: WeightCopy, member: Member) -> Result<Plain, [String; 3]> {
    let index: HashMap<Name, usize> = names.iter().enumerate().map(|(i, n)| (*n, i)).collect();
    // The averages that CompVis's `LitEma` keeps, by the weight that they belong to.
    let twins: HashMap<usize, usize> = names
        .iter()
        .enumerate()
        .filter_map(|(i, (path, key))| Some((i, *index.get(&(*path, lit_ema_key(key)?.as_str()))?)))
        .collect();
    let lit: HashSet<usize> = twins.values().copied().collect();
    let stripped: Vec<(String, Rank)> = names.iter().map(|&name| strip(name)).collect();
    let others = |(key, _): &(String, Rank)| {
        !is_buffer(key) && of_autoencoder(key).is_none() && !key.starts_with("cond_stage_model.")
    };
    let latent = names.iter().any(|(_, key)| key.starts_with("model.diffusion_model."));
    let has_autoencoder = stripped.iter().any(|(key, _)| of_autoencoder(key).is_some());
    let beside = has_autoencoder && stripped.iter().any(others);
    let trained = stripped.iter().any(|(key, _)| key.starts_with("post_quant_conv.") || key.starts_with("quantize."));
    let mut all: BTreeMap<String, [Option<usize>; 3]> = BTreeMap::new();
    let mut aside = Vec::new();
    for i in (0..names.len()).filter(|i| !lit.contains(i)) {
        let (rest, rank) = &stripped[i];
        let inner = of_autoencoder(rest).map(|rest| strip((&[], rest)).0);
        let own = match (member, &inner) {
            (Member::Main, Some(_)) => !beside,
            (Member::Autoencoder, None) => !has_autoencoder,
            _ => true,
        };
        let rest = inner.as_ref().unwrap_or(rest);
        if !own
            || is_buffer(rest)
            || rest.starts_with("cond_stage_model.") && (latent || has_autoencoder)
            || trained && is_loss(rest)
        {
            aside.push(i);
            continue;
        }
        for (i, rank) in [(Some(i), *rank), (twins.get(&i).copied(), Rank::Ema)] {
            let Some(i) = i else { continue };
            let place = &mut all.entry(rest.clone()).or_default()[rank as usize];
            if let Some(other) = place.replace(i) {
                return Err([rest.clone(), full(names[other]), full(names[i])]);
            }
        }
    }
    let order = match copy {
        WeightCopy::Ema => [Rank::Ema, Rank::Raw, Rank::Online],
        WeightCopy::Raw => [Rank::Raw, Rank::Online, Rank::Ema],
    };
    let mut result = Plain { keys: BTreeMap::new(), aside, copies: None, beside, lacking: Lacking::default() };
    // Where tensors lie that both copies have: others there are of the same network.
    let (mut there, mut alone): (HashSet<String>, Vec<(String, usize)>) = Default::default();
    for (plain, found) in all {
        let [ema, raw, online] = found;
        if let (None, Some((ema, raw))) = (&result.copies, ema.zip(raw.or(online))) {
            result.copies = Some([ema, raw].map(|i| place(names[i], &plain)));
        }
        let mut ranked = order.iter().filter_map(|r| found[*r as usize]);
        let chosen = ranked.next();
        let (preferred, other) = match copy {
            WeightCopy::Ema => (ema, raw.or(online)),
            WeightCopy::Raw => (raw.or(online), ema),
        };
        match (preferred, other) {
            (Some(_), Some(i)) => {
                there.insert(parted(names[i]).2);
            }
            (None, Some(i)) => alone.push((plain.clone(), i)),
            _ => {}
        }
        result.aside.extend(ranked);
        result.keys.extend(chosen.map(|i| (plain, i)));
    }
    result.aside.sort_unstable();
    for (plain, _) in alone.into_iter().filter(|(_, i)| there.contains(&parted(names[*i]).2)) {
        let weight = matches!(plain.rsplit('.').next(), Some("weight" | "bias"));
        let of = if weight { &mut result.lacking.weights } else { &mut result.lacking.others };
        of.push(plain);
    }
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
mod tests;
