use super::*;
use crate::graph::Graph;
use crate::model::testing::{Keys, classifier, file, guided, monai_core};
use crate::model::unet::{Layer, ResBlock, Resample};
use crate::model::{AttentionOrder, Config, Network, Overrides, read, read_classifier};
use proptest::prelude::*;
use std::path::Path;

const POOLS: [&str; 4] = ["adaptive", "attention", "spatial", "spatial_v2"];

fn small() -> Overrides {
    let order = Some(AttentionOrder::Legacy);
    Overrides { heads: Some(2), attention_order: order, groups: Some(4), ..Overrides::default() }
}

fn spec(keys: &Keys, config: &str, over: &Overrides) -> Result<ClassifierSpec> {
    read_classifier(&keys.open(), &Config::parse("config.json", config.as_bytes())?, over)
}
fn fault(keys: &Keys, config: &str) -> String {
    spec(keys, config, &small()).unwrap_err().to_string()
}

fn build(ck: &Checkpoint, spec: &ClassifierSpec, x: Shape) -> Result<Shape> {
    let mut g = Graph::new();
    let states = [g.state("x", x), g.state("t", Shape::new(x.n, 1, 1, 1))];
    g.section("network");
    let [x, t] = states.map(|s| g.read(s));
    let logits = spec.build(ck, &mut g, x, t)?;
    Ok(g.shape(logits))
}

#[test]
fn every_pool_is_read_and_used_whole() {
    for (pool, updown) in POOLS.into_iter().flat_map(|pool| [(pool, false), (pool, true)]) {
        let keys = classifier(pool, updown);
        let ck = keys.open();
        let spec = read_classifier(&ck, &Config::default(), &small()).unwrap();
        assert_eq!((spec.pool.name(), spec.in_channels(), spec.classes(), spec.halvings()), (pool, 2, 3, 1));
        let pooled = |l: &Layer| matches!(l, Layer::Res(ResBlock { resample: Resample::AvgPool, .. }));
        assert_eq!(spec.encoder[1].iter().any(pooled), updown);
        assert_eq!(spec.sample_size, (pool == "attention").then_some((4, 4)));
        assert_eq!(build(&ck, &spec, Shape::new(3, 4, 4, 2)).unwrap(), Shape::new(3, 1, 1, 3), "{pool}");
        assert!(ck.settle(true).is_ok(), "{pool}");
        // Each of them is named when it is missing, or what is left is no classifier.
        for (key, _) in spec.params() {
            let mut less = keys.clone();
            less.0.remove(&key);
            let error = read_classifier(&less.open(), &Config::default(), &small()).unwrap_err().to_string();
            let told = error.contains(&key) || error.contains("none of the pools") || error.contains("not a UNet");
            assert!(told, "{pool}: without `{key}`: {error}");
        }
    }
}

#[test]
fn images_that_do_not_suit_are_refused_in_words() {
    let fault = |pool: &str, x: Shape| {
        let ck = classifier(pool, true).open();
        let spec = read_classifier(&ck, &Config::default(), &small()).unwrap();
        build(&ck, &spec, x).map(drop).unwrap_err().to_string()
    };
    assert!(fault("adaptive", Shape::new(1, 4, 4, 3)).contains("takes 2 channels, not 3"));
    assert!(fault("spatial", Shape::new(1, 5, 4, 2)).contains("5x4 is no multiple of 2"));
    assert!(fault("attention", Shape::new(1, 8, 8, 2)).contains("for 4x4 alone, not 8x8"));
    // As many pixels, but in another order.
    assert!(fault("attention", Shape::new(1, 2, 8, 2)).contains("for 4x4 alone, not 2x8"));
}

#[test]
fn heads_and_order_are_asked_for() {
    let none = Overrides { heads: None, attention_order: None, ..small() };
    let error = |over: &Overrides, config: &str| {
        let cfg = if config.is_empty() { Config::default() } else { Config::parse("c", config.as_bytes()).unwrap() };
        read_classifier(&classifier("attention", true).open(), &cfg, over).unwrap_err().to_string()
    };
    assert!(error(&none, "").contains("--heads or --head-channels"));
    assert!(error(&Overrides { heads: Some(2), ..none }, "").contains("--attention-order"));
    // The pool's heads have a width and no number: the constructor refuses as well.
    assert!(error(&none, r#"{"num_heads": 2}"#).contains("num_head_channels"));
    let said = spec(&classifier("attention", true), r#"{"num_head_channels": 4}"#, &none).unwrap();
    let ClassifierPool::Attention { heads, side, .. } = said.pool else { unreachable!() };
    assert_eq!((heads, side), (4, 2));
}

#[test]
fn a_config_that_contradicts_the_weights_is_refused() {
    let keys = classifier("attention", true);
    for (config, words) in [
        (r#"{"pool": "adaptive"}"#, "`pool` is \"adaptive\""),
        (r#"{"image_size": 8}"#, "3 levels by `image_size`"),
        (r#"{"image_size": 6}"#, "`image_size` is (6, 6)"),
        (r#"{"num_res_blocks": 2}"#, "`num_res_blocks` 2"),
        (r#"{"channel_mult": [1, 2, 3]}"#, "3 levels by `channel_mult`"),
        (r#"{"channel_mult": [1, 3]}"#, "`channel_mult` is [8, 24]"),
        (r#"{"out_channels": 2}"#, "`out_channels` is 2"),
        (r#"{"use_scale_shift_norm": true}"#, "`use_scale_shift_norm`"),
        (r#"{"attention_resolutions": [1]}"#, "`attention_resolutions`"),
        (r#"{"_class_name": "UNet2DModel"}"#, "`_class_name` is `UNet2DModel`"),
    ] {
        let error = fault(&keys, config);
        assert!(error.contains(words), "{config}: {error}");
    }
    let mut oblong = keys.clone();
    oblong.0.insert("out.2.positional_embedding".into(), vec![16, 7]);
    assert!(fault(&oblong, "{}").contains("7 tokens"));
}

/// Where the keys allow for several numbers of blocks a level, none is guessed.
#[test]
fn levels_are_not_guessed() {
    // Five blocks of one width, and the change of width in the middle.
    let all = classifier("adaptive", true);
    let taken = |from: &str, to: &str| -> Vec<_> {
        let moved = all.0.iter().filter(|(k, _)| k.starts_with(from));
        moved.map(|(k, s)| (k.replace(from, to), s.clone())).collect()
    };
    let mut keys = all.clone();
    keys.0.retain(|k, _| !k.starts_with("input_blocks.3."));
    keys.0.extend(taken("input_blocks.3.0.", "middle_block.0."));
    (2..=5).for_each(|n| keys.0.extend(taken("input_blocks.1.0.", &format!("input_blocks.{n}.0."))));
    let error = fault(&keys, "{}");
    assert!(error.contains("[1, 2, 5]") && error.contains("num_res_blocks"), "{error}");
    let halvings = |config: &str| spec(&keys, config, &small()).map(|s| s.halvings()).map_err(|e| e.to_string());
    for (config, halved) in [
        (r#"{"num_res_blocks": 1}"#, 2),
        (r#"{"num_res_blocks": 2}"#, 1),
        (r#"{"channel_mult": [1, 1]}"#, 1),
        (r#"{"channel_mult": [1]}"#, 0),
    ] {
        assert_eq!(halvings(config), Ok(halved), "{config}");
    }
    assert!(halvings(r#"{"num_res_blocks": 4}"#).unwrap_err().contains("`num_res_blocks` 4"));
}

#[test]
fn other_networks_are_refused_by_name() {
    assert!(fault(&guided(), "{}").contains("guided-diffusion UNetModel, not a classifier"));
    let unet = read(&classifier("adaptive", true).open(), &Config::default(), &small());
    assert!(unet.unwrap_err().to_string().contains("classifier (EncoderUNetModel), not a diffusion UNet"));
    let mut monai = monai_core();
    monai.0.retain(|k, _| !k.starts_with("up_blocks.") && !k.starts_with("out."));
    monai.pair("out.0", &[12, 64]).pair("out.3", &[2, 12]);
    assert!(fault(&monai, "{}").contains("MONAI classifier (DiffusionModelEncoder)"));
    let mut other = classifier("adaptive", true);
    other.0.retain(|k, _| !k.starts_with("out."));
    other.pair("out.7", &[3, 16]);
    assert!(fault(&other, "{}").contains("none of the pools"));
}

#[test]
fn its_config_says_all_of_it() {
    let width = Overrides { heads: None, head_channels: Some(8), ..small() };
    for (pool, over) in POOLS.into_iter().flat_map(|pool| [(pool, small()), (pool, width)]) {
        let new = Overrides { attention_order: Some(AttentionOrder::New), norm_eps: Some(1e-3), ..over };
        for (updown, over) in [(true, over), (false, new)] {
            let keys = classifier(pool, updown);
            let first = spec(&keys, "{}", &over).unwrap();
            let said = serde_json::to_string(&first.config()).unwrap();
            assert_eq!(spec(&keys, &said, &Overrides::default()).unwrap(), first, "{said}");
        }
    }
}

#[test]
fn another_networks_config_is_not_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let put = |name: &str, keys: &Keys| {
        let tensors: Vec<_> = keys.0.iter().map(|(k, s)| (k.as_str(), s.as_slice())).collect();
        std::fs::write(at(name), file(&tensors)).unwrap();
    };
    let say = |name: &str, text: &str| std::fs::write(at(name), text).unwrap();
    let open = |file: &Path| Network::classifier(file, &Overrides::default());
    put("classifier.safetensors", &classifier("adaptive", true));
    let file = at("classifier.safetensors");

    let own = r#"{"norm_num_groups": 4, "num_head_channels": 8}"#;
    say("config.json", own);
    assert_eq!(open(&file).unwrap().config_file(), Some(at("config.json")));
    // With a UNet beside it, that is the UNet's, whether it names it or not.
    put("model.safetensors", &guided());
    for text in [own, r#"{"_class_name": "UNetModel", "norm_num_groups": 4, "num_heads": 1}"#] {
        say("config.json", text);
        let error = open(&file).map(drop).unwrap_err().to_string();
        assert!(error.contains("groups do not divide") || error.contains("--heads"), "{error}");
        assert_eq!(Network::unet(dir.path(), &Overrides::default()).unwrap().in_channels(), 2);
    }
    say("classifier.json", own);
    let network = open(&file).unwrap();
    assert_eq!(network.config_file(), Some(at("classifier.json")));
    assert!(network.as_classifier().is_ok());
    assert!(network.as_unet().unwrap_err().to_string().contains("is a classifier, and a UNet is needed"));
    std::fs::remove_file(at("classifier.json")).unwrap();
    say("config.json", &own.replace('{', r#"{"_class_name": "guided_diffusion.EncoderUNetModel", "#));
    assert!(open(&file).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Keys lost, shapes changed, settings at random: an error or a network, never a panic.
    #[test]
    fn broken_checkpoints_and_configs_never_panic(
        pool in 0usize..4, updown in any::<bool>(), lost in proptest::option::of(any::<prop::sample::Index>()),
        bent in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0usize..40), 0..3),
        config in "\\{(\"(num_heads|num_head_channels|norm_num_groups|channel_mult|image_size|num_res_blocks|pool|_class_name)\":(-?[0-9]{1,20}|null|true|\"x\"|\\[\\]|\\[0,4\\]|1e300))?\\}",
        heads in proptest::option::of(0usize..5), groups in proptest::option::of(0usize..9), side in 0usize..6,
    ) {
        let mut keys = classifier(POOLS[pool], updown);
        for (key, axis, size) in &bent {
            let key = keys.0.keys().nth(key.index(keys.0.len())).cloned().unwrap();
            let shape = keys.0.get_mut(&key).unwrap();
            let axis = axis.index(shape.len());
            shape[axis] = *size;
        }
        if let Some(at) = lost {
            let key = keys.0.keys().nth(at.index(keys.0.len())).cloned().unwrap();
            keys.0.remove(&key);
        }
        let Ok(cfg) = Config::parse("config.json", config.as_bytes()) else { return Ok(()) };
        let ck = keys.open();
        if let Ok(spec) = read_classifier(&ck, &cfg, &Overrides { heads, groups, ..Overrides::default() }) {
            let built = build(&ck, &spec, Shape::new(1, side, 4, spec.in_channels()));
            prop_assert!(built.is_ok() || side != 4, "{:?}", built.err());
        }
    }
}
