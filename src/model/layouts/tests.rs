use super::*;
use crate::model::AttentionOrder;
use crate::model::testing::{Keys, anoddpm, diffusers, guided, monai_core, monai_generative};
use crate::model::unet::{Layer, Qkv};
use std::path::{Path, PathBuf};

const SMALL: Overrides = Overrides {
    weights: None,
    heads: Some(2),
    head_channels: None,
    attention_order: Some(AttentionOrder::Legacy),
    groups: Some(4),
    norm_eps: None,
    flip_sin_to_cos: None,
    freq_shift: None,
    downsample_padding: None,
};

fn spec(keys: &Keys, config: Option<&str>, over: &Overrides) -> Result<UnetSpec> {
    let cfg = config.map_or(Ok(Config::default()), |t| Config::parse("config.json", t.as_bytes()))?;
    read(&keys.open(), &cfg, over)
}
fn fault(keys: &Keys, config: Option<&str>, over: &Overrides) -> String {
    spec(keys, config, over).unwrap_err().to_string()
}

#[test]
fn every_layout_is_recognised_and_used_whole() {
    let all = [
        (guided(), Layout::Guided),
        (anoddpm(), Layout::AnoDdpm),
        (diffusers(), Layout::Diffusers),
        (monai_core(), Layout::MonaiCore),
        (monai_generative(), Layout::MonaiGenerative),
    ];
    for (keys, layout) in all {
        let ck = keys.open();
        let spec = read(&ck, &Config::default(), &SMALL).unwrap();
        assert_eq!(spec.layout, layout);
        assert_eq!((spec.in_channels(), spec.out_channels(), spec.halvings()), (2, 2, 1));
        let params = spec.params();
        for (key, shape) in &params {
            ck.take(key, shape).unwrap();
        }
        assert!(ck.surplus().is_empty(), "{layout}: {:?}", ck.surplus());
        // Each of them is named when it is missing, or its absence shows in what is left.
        for (key, _) in &params {
            let mut less = keys.clone();
            less.0.remove(key);
            let error = fault(&less, None, &SMALL);
            assert!(error.contains(key) || error.contains("not a UNet"), "{layout}: without `{key}`: {error}");
        }
    }
}

#[test]
fn what_cannot_be_inferred_is_asked_for_by_its_flag() {
    let over = Overrides { heads: None, attention_order: None, ..SMALL };
    for keys in [guided(), anoddpm(), diffusers(), monai_core(), monai_generative()] {
        assert!(fault(&keys, None, &over).contains("--heads or --head-channels"));
    }
    let heads = Overrides { heads: Some(2), ..over };
    assert!(fault(&guided(), None, &heads).contains("--attention-order"));
    assert!(spec(&guided(), None, &Overrides { heads: Some(1), ..over }).is_ok(), "one head has one order");
    assert!(spec(&guided(), Some(r#"{"num_heads":2}"#), &over).is_ok(), "the constructor's order is legacy");
    assert!(fault(&guided(), Some("{}"), &over).contains("num_heads"), "the scripts' default is another");
    assert!(spec(&guided(), Some(r#"{"_class_name":"guided_diffusion.UNetModel"}"#), &over).is_ok());
    assert!(fault(&guided(), None, &Overrides { heads: Some(3), ..SMALL }).contains("3 heads do not divide"));
    assert!(fault(&guided(), None, &Overrides { head_channels: Some(8), ..SMALL }).contains("exclude"));
}

#[test]
fn head_counts_follow_the_config() {
    let heads = |keys: &Keys, config: &str| {
        let over = Overrides { groups: Some(4), ..Overrides::default() };
        let spec = spec(keys, Some(config), &over).unwrap();
        spec.layers().find_map(|l| if let Layer::Attention(a) = l { Some(a.heads) } else { None }).unwrap()
    };
    assert_eq!(heads(&diffusers(), r#"{}"#), 2, "8 channels a head");
    assert_eq!(heads(&diffusers(), r#"{"attention_head_dim":null}"#), 1);
    assert_eq!(heads(&diffusers(), r#"{"attention_head_dim":4}"#), 4);
    assert_eq!(heads(&guided(), r#"{"num_heads":4,"num_head_channels":-1}"#), 4);
    assert_eq!(heads(&guided(), r#"{"num_heads":4,"num_head_channels":8}"#), 2);
    assert_eq!(heads(&anoddpm(), r#"{"n_heads":2}"#), 2);
    assert_eq!(heads(&anoddpm(), r#"{"_class_name":"AnoDDPM.UNetModel"}"#), 1);
    assert_eq!(heads(&monai_core(), r#"{"num_head_channels":[0,4]}"#), 4);
    assert_eq!(heads(&monai_core(), r#"{"num_head_channels":16}"#), 1);
}

#[test]
fn old_attention_names_shapes_and_aliases_are_read() {
    let words = [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")];
    let mut old = diffusers().renamed(|k| words.iter().fold(k.to_owned(), |k, (a, b)| k.replace(a, b)));
    for (key, shape) in &mut old.0 {
        if key.contains("attentions") && shape.len() == 2 {
            shape.extend([1, 1]);
        }
    }
    let conv = old.0["down_blocks.0.downsamplers.0.conv.weight"].clone();
    old.pair("down_blocks.0.downsamplers.0.Conv2d_0", &conv);
    let ck = old.open();
    let spec = read(&ck, &Config::default(), &SMALL).unwrap();
    spec.params().iter().for_each(|(k, s)| assert!(ck.take(k, s).is_ok()));
    assert!(ck.surplus().is_empty(), "{:?}", ck.surplus());
    old.0.retain(|k, _| !k.contains("downsamplers.0.conv."));
    assert!(super::tests::spec(&old, None, &SMALL).is_ok(), "the alias alone will do");
}

#[test]
fn monai_projections_are_applied_only_where_they_are() {
    let attention = |keys: &Keys| {
        let spec = spec(keys, None, &SMALL).unwrap();
        spec.layers().find_map(|l| if let Layer::Attention(a) = l { Some(a.clone()) } else { None }).unwrap()
    };
    assert!(attention(&monai_generative()).proj.is_none(), "proj_attn is dead weight");
    assert!(attention(&monai_core()).proj.is_some());
    let mut fused = monai_core();
    fused.0.retain(|k, _| !k.contains("out_proj") && !k.contains("to_k") && !k.contains("to_v"));
    let mut fused = fused.renamed(|k| k.replace("attn.to_q", "attn.qkv"));
    for (_, shape) in fused.0.iter_mut().filter(|(k, _)| k.contains("attn.qkv")) {
        shape[0] = 48;
    }
    let fused = attention(&fused);
    assert!(fused.proj.is_none(), "include_fc=False");
    assert!(matches!(fused.qkv, Qkv::Fused { order: AttentionOrder::New, .. }));
}

#[test]
fn contradictions_name_both_files() {
    let cases = [
        (guided(), r#"{"model_channels":16}"#, "`model_channels` is 16, but the weights in test.safetensors say 8"),
        (guided(), r#"{"channel_mult":[1,4]}"#, "`channel_mult` is [8, 32]"),
        (guided(), r#"{"num_classes":2}"#, "has no `label_emb.weight`"),
        (guided(), r#"{"attention_resolutions":[1]}"#, "`attention_resolutions`"),
        (guided(), r#"{"resblock_updown":true}"#, "`resblock_updown` is true"),
        (guided(), r#"{"_class_name":"UNet2DModel"}"#, "the weights in test.safetensors are guided-diffusion"),
        (diffusers(), r#"{"block_out_channels":[8,32]}"#, "[8, 32], but the weights in test.safetensors say [8, 16]"),
        (diffusers(), r#"{"down_block_types":["SkipDownBlock2D"]}"#, "`SkipDownBlock2D` is not supported"),
        (diffusers(), r#"{"down_block_types":"('SkipDownBlock2D',)"}"#, "`SkipDownBlock2D` is not supported"),
        (diffusers(), r#"{"down_block_types":"SkipDownBlock2D, DownBlock2D"}"#, "`SkipDownBlock2D` is not supported"),
        (
            diffusers(),
            r#"{"block_out_channels":"(8, 32)"}"#,
            "[8, 32], but the weights in test.safetensors say [8, 16]",
        ),
        (diffusers(), r#"{"down_block_types":"{'a'}"}"#, "not a list of block types"),
        (monai_core(), r#"{"attention_levels":[true,true]}"#, "say [false, true]"),
        (monai_core(), r#"{"num_head_channels":[8]}"#, "has 1 entries"),
    ];
    for (keys, config, words) in cases {
        let over = if config.contains("head_ch") { Overrides { heads: None, ..SMALL } } else { SMALL };
        let error = fault(&keys, Some(config), &over);
        assert!(error.starts_with("config.json: ") && error.contains(words), "{error}");
    }
}

#[test]
fn other_networks_are_named() {
    let mut classifier = guided();
    classifier.0.retain(|k, _| !k.starts_with("output_blocks"));
    assert!(fault(&classifier, None, &SMALL).contains("classifier"));
    let mut vae = Keys::default();
    vae.pair("encoder.down_blocks.0.x", &[1]).pair("decoder.x", &[1]);
    assert!(fault(&vae, None, &SMALL).contains("autoencoder"));
    let spatial = guided().renamed(|k| k.replace("3.1.qkv", "3.1.transformer_blocks.0.attn1.to_q"));
    assert!(fault(&spatial, None, &SMALL).contains("SpatialTransformer"));
    let mut wild = guided();
    wild.pair("input_blocks.18446744073709551615.0.op", &[1]);
    assert!(fault(&wild, None, &SMALL).contains("without the blocks before it"));
    let mut empty = guided();
    empty.0.insert("input_blocks.1.0.in_layers.2.weight".into(), vec![0, 8, 3, 3]);
    assert!(fault(&empty, None, &SMALL).contains("empty shape"));
}

/// Every UNet golden is described, with nothing left over; skipped, visibly, where there are no goldens.
#[test]
fn goldens_are_described() {
    let root = std::env::var_os("RESIDUA_GOLDENS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens"), PathBuf::from);
    if !root.is_dir() {
        eprintln!("skipped: no goldens in {}", root.display());
        return;
    }
    let mut count = 0;
    for folder in std::fs::read_dir(root).unwrap() {
        let folder = folder.unwrap().path();
        let Ok(ck) = Checkpoint::open(&folder) else { continue };
        if recognise(&ck).is_err() {
            continue;
        }
        let cfg = Config::beside(ck.path()).unwrap();
        let spec = read(&ck, &cfg, &Overrides::default()).unwrap();
        spec.params().iter().for_each(|(k, s)| assert!(ck.take(k, s).is_ok()));
        assert!(ck.surplus().is_empty(), "{}: {:?}", folder.display(), ck.surplus());
        count += 1;
    }
    eprintln!("{count} goldens");
}
