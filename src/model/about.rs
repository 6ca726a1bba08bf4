//! What a checkpoint says about itself beside its weights: the hyper-parameters that training programs save.
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Settings of a network that its weights do not tell, by the names that the layouts read. Others (widths, channels) are in the
/// weights, and mean other things in other programs.
const SETTINGS: [&str; 17] = [
    "sample_size",
    "image_size",
    "img_size",
    "num_heads",
    "n_heads",
    "num_head_channels",
    "n_head_channels",
    "num_heads_upsample",
    "attention_head_dim",
    "use_new_attention_order",
    "norm_num_groups",
    "norm_eps",
    "flip_sin_to_cos",
    "freq_shift",
    "downsample_padding",
    "mid_block_scale_factor",
    "attn_norm_num_groups",
];

/// How deep hyper-parameters are nested at most.
const MAX_DEPTH: usize = 6;

/// The settings of a network among hyper-parameters, however they are nested. One that is said twice, differently, is not taken.
pub(super) fn settings(about: &Map<String, Value>) -> Map<String, Value> {
    let mut found: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    collect(about, &mut found, 0);
    let mut taken = Map::new();
    for (name, values) in found {
        match values[..] {
            [one] => drop(taken.insert(name.to_owned(), one.clone())),
            _ => tracing::warn!("the checkpoint says `{name}` {} times, differently; none is taken", values.len()),
        }
    }
    taken
}

fn collect<'a>(map: &'a Map<String, Value>, found: &mut BTreeMap<&'a str, Vec<&'a Value>>, depth: usize) {
    for (name, value) in map {
        let plain = value.is_number() || value.is_boolean() || is_size(value);
        if plain && SETTINGS.contains(&name.as_str()) {
            let values = found.entry(name).or_default();
            if !values.contains(&value) {
                values.push(value);
            }
        } else if let (Some(inner), true) = (value.as_object(), depth < MAX_DEPTH) {
            collect(inner, found, depth + 1);
        }
    }
}

fn is_size(value: &Value) -> bool {
    value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(Value::is_number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_found_where_programs_put_them() {
        let taken = |about: Value| Value::Object(settings(about.as_object().unwrap()));
        assert_eq!(
            taken(json!({"args": {"img_size": [32, 32], "num_heads": 2, "T": 1000, "channel_mults": "1,2"}})),
            json!({"img_size": [32, 32], "num_heads": 2})
        );
        let nested =
            json!({"hyper_parameters": {"unet_config": {"params": {"num_head_channels": 32, "in_channels": 8}}}});
        assert_eq!(taken(nested), json!({"num_head_channels": 32}));
        let twice = json!({"hyper_parameters": {"a": {"num_heads": 2, "image_size": 8}, "b": {"num_heads": 4, "image_size": 8}}});
        assert_eq!(taken(twice), json!({"image_size": 8}));
        assert_eq!(taken(json!({"args": {"num_heads": "four", "n_heads": null}})), json!({}));
    }
}
