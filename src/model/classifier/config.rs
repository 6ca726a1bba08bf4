//! The config of a classifier, written.
use super::{ClassifierPool, ClassifierSpec};
use crate::model::AttentionOrder;
use crate::model::UnetSettings;
use crate::model::layouts::CLASSIFIER;
use crate::model::unet::{Layer, ResBlock, Resample};
use serde_json::{Map, Value, json};

impl ClassifierSpec {
    /// The settings that a config names, all of them: what the weights tell as well as what they do not.
    pub fn config(&self) -> Map<String, Value> {
        let set = UnetSettings::of_classifier(self);
        // A multiple that comes to this width when it is rounded down.
        let multiple = |&w: &usize| match w % set.time_base.max(1) {
            0 => json!(w / set.time_base.max(1)),
            _ => json!((w as f64 + 0.5) / set.time_base as f64),
        };
        let attends = (0..).zip(&set.attention).filter(|(_, a)| **a);
        let factors: Vec<u64> = attends.filter_map(|(level, _)| 1u64.checked_shl(level)).collect();
        let blocks = set.blocks.first().filter(|n| set.blocks.iter().all(|m| m == *n));
        let pooled = |l: &Layer| matches!(l, Layer::Res(ResBlock { resample: Resample::AvgPool, .. }));
        let bare = |l: &Layer| matches!(l, Layer::Down(d) if d.conv.is_none());
        let has = |f: &dyn Fn(&Layer) -> bool| self.encoder.iter().flatten().any(f);
        let mut said = json!({
            "_class_name": CLASSIFIER,
            "in_channels": set.in_channels,
            "model_channels": set.time_base,
            "out_channels": set.out_channels,
            "num_res_blocks": blocks.map_or(json!(set.blocks), |n| json!(n)),
            "attention_resolutions": factors,
            "channel_mult": set.widths.iter().map(multiple).collect::<Vec<_>>(),
            "conv_resample": !has(&bare),
            "use_scale_shift_norm": set.scale_shift,
            "resblock_updown": has(&pooled),
            "use_new_attention_order": set.attention_order == Some(AttentionOrder::New),
            "pool": self.pool.name(),
            "norm_num_groups": set.groups,
            "norm_eps": set.norm_eps.to_string().parse::<f64>().unwrap_or(set.norm_eps.into()),
        });
        if let Some((height, width)) = set.sample_size {
            said["image_size"] = if height == width { json!(height) } else { json!([height, width]) };
        }
        let (key, number) = self.heads();
        if let Some(number) = number {
            said[key] = json!(number);
        }
        said.as_object().cloned().unwrap_or_default()
    }

    /// The setting that gives every attention its heads, and its value where one does.
    fn heads(&self) -> (&'static str, Option<usize>) {
        let trunk = self.trunk().layers().filter_map(|l| match l {
            Layer::Attention(a) => Some((a.channels, a.heads)),
            _ => None,
        });
        let pool = match &self.pool {
            ClassifierPool::Attention { norm, heads, .. } => Some((norm.channels, *heads)),
            _ => None,
        };
        let all: Vec<_> = trunk.chain(pool).collect();
        let same = |of: fn((usize, usize)) -> usize| {
            let first = all.first().map(|&a| of(a))?;
            all.iter().all(|&a| of(a) == first).then_some(first)
        };
        match same(|(channels, heads)| channels / heads.max(1)) {
            Some(width) => ("num_head_channels", Some(width)),
            None => ("num_heads", same(|(_, heads)| heads).filter(|_| pool.is_none())),
        }
    }
}
