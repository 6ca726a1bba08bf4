use super::{Autoencoder, Latent};
use crate::graph::Graph;
use crate::model::testing::Keys;
use crate::model::{Checkpoint, Config, Network, Overrides, read_autoencoder};
use crate::{Error, Shape};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name)
}

const GOLDENS: [&str; 5] =
    ["compvis-autoencoderkl", "diffusers-autoencoderkl", "diffusers-vqmodel", "monai-autoencoderkl", "monai-vqvae"];

fn read(ck: &Checkpoint, config: &Value) -> Result<Autoencoder, Error> {
    let config = Config::parse("config.json", config.to_string().as_bytes()).unwrap();
    read_autoencoder(ck, &config, &Overrides::default())
}

/// A golden's checkpoint with its config, changed at `pointer` (the last part of which may be new).
fn changed(name: &str, parent: &str, key: &str, value: Value) -> String {
    let folder = golden(name);
    let mut config: Value = serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap();
    config.pointer_mut(parent).unwrap()[key] = value;
    let read = read(&Checkpoint::open(&folder).unwrap(), &config);
    read.err().map(|e| e.to_string()).unwrap_or_default()
}

#[test]
fn every_layout_has_the_shapes_that_it_says() {
    for name in GOLDENS {
        let network = Network::open(&golden(name), &Overrides::default()).unwrap();
        let (net, ck) = (network.as_autoencoder().unwrap(), &network.checkpoint);
        assert_eq!(net.codes().is_some(), name.contains("vq"), "{name}");
        for (h, w) in [(32, 32), (20, 28), (13, 9)] {
            let image = Shape::new(2, h, w, net.in_channels());
            let mut g = Graph::new();
            let x = g.state("x", image);
            let x = g.read(x);
            let encoded = net.encode(ck, &mut g, x).unwrap();
            let latent = net.latent_shape(image).unwrap();
            assert_eq!(g.shape(encoded.latent), latent, "{name} of {image}");
            let decoded = net.decode(ck, &mut g, encoded.latent).unwrap();
            assert_eq!(g.shape(decoded), net.image_shape(latent).unwrap(), "{name} of {image}");
            if net.codes().is_some() {
                let quantised = net.quantise(ck, &mut g, encoded.latent).unwrap();
                assert_eq!((g.shape(quantised.indices), g.shape(quantised.codes)), (latent.with_c(1), latent));
                let again = net.look_up(ck, &mut g, quantised.indices).unwrap();
                assert_eq!(g.nodes[again.0].op, g.nodes[quantised.codes.0].op);
                assert!(encoded.deviation(&mut g).unwrap_err().to_string().contains("gives no variance"));
            } else {
                let noise = g.state("noise", latent);
                let noise = g.read(noise);
                assert_eq!(encoded.sample(&mut g, noise).map(|s| g.shape(s)).unwrap(), latent);
                assert!(net.quantise(ck, &mut g, encoded.latent).unwrap_err().to_string().contains("has no codebook"));
            }
        }
        ck.settle(true).unwrap();
        assert!(net.latent_shape(Shape::new(1, 32, 32, 9)).unwrap_err().to_string().contains("channels, not 9"));
        assert!(net.latent_shape(Shape::new(1, 0, 32, net.in_channels())).is_err());
        assert!(network.as_unet().unwrap_err().to_string().contains("is an autoencoder, and a UNet is needed"));
        assert!(Network::unet(&golden(name), &Overrides::default()).is_err(), "{name} is no UNet");
    }
}

#[test]
fn settings_are_held_against_the_weights_and_refused_by_name() {
    for (name, parent, key, value, says) in [
        ("compvis-autoencoderkl", "", "embed_dim", json!(3), "`embed_dim` is 3"),
        ("compvis-autoencoderkl", "/ddconfig", "ch_mult", json!([1, 3]), "`ch_mult`"),
        ("compvis-autoencoderkl", "/ddconfig", "attn_resolutions", json!([16]), "`attn_resolutions`"),
        (
            "compvis-autoencoderkl",
            "/ddconfig",
            "attn_type",
            json!("linear"),
            "`attn_type`: \"linear\" is not supported",
        ),
        ("compvis-autoencoderkl", "/ddconfig", "give_pre_end", json!(true), "`give_pre_end`"),
        ("compvis-autoencoderkl", "/ddconfig", "double_z", json!(false), "`double_z` is false"),
        ("diffusers-autoencoderkl", "", "act_fn", json!("snake"), "`act_fn`: `snake` is not supported"),
        ("diffusers-autoencoderkl", "", "latent_channels", json!(8), "`latent_channels` is 8"),
        ("diffusers-autoencoderkl", "", "use_quant_conv", json!(false), "`use_quant_conv` is false"),
        ("diffusers-autoencoderkl", "", "up_block_types", json!(["SkipUpBlock2D"]), "`SkipUpBlock2D` is not supported"),
        ("diffusers-autoencoderkl", "", "norm_num_groups", json!(7), "7 groups do not divide"),
        ("diffusers-autoencoderkl", "", "_class_name", json!("VQModel"), "`_class_name` is `VQModel`"),
        ("diffusers-vqmodel", "", "norm_type", json!("spatial"), "`norm_type`: \"spatial\" is not supported"),
        ("diffusers-vqmodel", "", "num_vq_embeddings", json!(65), "`num_vq_embeddings` is 65"),
        ("diffusers-vqmodel", "", "vq_embed_dim", json!(4), "`vq_embed_dim` is 4"),
        ("monai-autoencoderkl", "", "spatial_dims", json!(3), "`spatial_dims` is 3"),
        ("monai-autoencoderkl", "", "num_res_blocks", json!([1, 2]), "`num_res_blocks`"),
        ("monai-autoencoderkl", "", "channels", json!([32, 32]), "`channels`"),
        ("monai-autoencoderkl", "", "with_encoder_nonlocal_attn", json!(false), "`num_res_blocks`"),
        ("monai-vqvae", "", "act", json!("PRELU"), "`act`: \"PRELU\" is not supported"),
        ("monai-vqvae", "", "act", json!(["LEAKYRELU", {"negative_slope": 0.3}]), "is not supported"),
        ("monai-vqvae", "", "downsample_parameters", json!([[2, 3, 1, 1], [2, 4, 1, 1]]), "a kernel of 3"),
        ("monai-vqvae", "", "downsample_parameters", json!([[2, 4, 1, 1]]), "`downsample_parameters` is 1"),
        ("monai-vqvae", "", "downsample_parameters", json!([0, 4, 1, 1]), "not 4 counts up to 64"),
        ("monai-vqvae", "", "upsample_parameters", json!([2, 4, 1, 1, 2]), "an output padding of 2"),
        ("monai-vqvae", "", "num_res_layers", json!(2), "`num_res_layers`"),
        ("monai-vqvae", "", "num_embeddings", json!(63), "`num_embeddings` is 63"),
    ] {
        let fault = changed(name, parent, key, value);
        assert!(fault.contains(says), "{name}, {key}: {fault}");
    }
    // What says what the weights say, or what does not touch them, is taken.
    assert_eq!(changed("monai-vqvae", "", "downsample_parameters", json!([2, 4, 1, 1])), "");
    assert_eq!(changed("monai-vqvae", "", "commitment_cost", json!(0.5)), "");
    assert_eq!(changed("diffusers-vqmodel", "", "lookup_from_codebook", json!(true)), "");
}

/// CompVis' keys: widths 32 and 64, one block a level, halved by convolutions or, without `convolutions`, by pools.
fn compvis(codes: bool, convolutions: bool) -> Keys {
    let mut keys = Keys::default();
    let mut res = |name: String, cin: usize, cout: usize| {
        keys.pair(&format!("{name}.norm1"), &[cin]).pair(&format!("{name}.conv1"), &[cout, cin, 3, 3]);
        keys.pair(&format!("{name}.norm2"), &[cout]).pair(&format!("{name}.conv2"), &[cout, cout, 3, 3]);
        if cin != cout {
            keys.pair(&format!("{name}.nin_shortcut"), &[cout, cin, 1, 1]);
        }
    };
    res("encoder.down.0.block.0".into(), 32, 32);
    res("encoder.down.1.block.0".into(), 32, 64);
    for (level, block, cin, cout) in [(1, 0, 64, 64), (1, 1, 64, 64), (0, 0, 64, 32), (0, 1, 32, 32)] {
        res(format!("decoder.up.{level}.block.{block}"), cin, cout);
    }
    for half in ["encoder", "decoder"] {
        (1..=2).for_each(|i| res(format!("{half}.mid.block_{i}"), 64, 64));
    }
    let moments = if codes { 3 } else { 6 };
    keys.pair("encoder.conv_in", &[32, 1, 3, 3]).pair("encoder.norm_out", &[64]);
    keys.pair("encoder.conv_out", &[moments, 64, 3, 3]).pair("quant_conv", &[moments, moments, 1, 1]);
    keys.pair("post_quant_conv", &[3, 3, 1, 1]).pair("decoder.conv_in", &[64, 3, 3, 3]);
    keys.pair("decoder.norm_out", &[32]).pair("decoder.conv_out", &[1, 32, 3, 3]);
    if convolutions {
        keys.pair("encoder.down.0.downsample.conv", &[32, 32, 3, 3]);
        keys.pair("decoder.up.1.upsample.conv", &[64, 64, 3, 3]);
    }
    if codes {
        keys.0.insert("quantize.embedding.weight".into(), vec![9, 3]);
    }
    keys
}

#[test]
fn compvis_has_codebooks_and_bare_halvings_too() {
    let net = read(&compvis(true, true).open(), &json!({"_class_name": "compvis.VQModel", "n_embed": 9})).unwrap();
    assert_eq!((net.title(), net.codes(), net.latent_channels(), net.factor()), ("CompVis VQModel", Some(9), 3, 2));
    let bare = compvis(false, false).open();
    let net = read(&bare, &json!({"ddconfig": {"resamp_with_conv": false, "tanh_out": true}})).unwrap();
    assert_eq!((net.latent.clone(), net.factor()), (Latent::Normal, 2));
    assert!(format!("{:?}", net.decoder.last()).contains("Tanh"));
    let missing = read(&bare, &json!({"ddconfig": {}})).unwrap_err().to_string();
    assert!(missing.contains("`encoder.down.0.downsample.conv.weight` is missing"), "{missing}");
    let refused = read(&bare, &json!({"n_embed": 9, "ddconfig": {"resamp_with_conv": false}})).unwrap_err().to_string();
    assert!(refused.contains("`n_embed`: 9 is not supported"), "{refused}");
}

#[test]
fn widths_that_do_not_fit_are_named() {
    let with = |key: &str, shape: &[usize]| {
        let mut keys = compvis(true, true);
        keys.pair(key, shape);
        read(&keys.open(), &json!({})).unwrap_err().to_string()
    };
    assert!(with("post_quant_conv", &[3, 4, 1, 1]).contains("`post_quant_conv` is 4 wide"));
    assert!(with("encoder.conv_out", &[3, 32, 3, 3]).contains("`encoder.conv_out` is 32 wide"));
    assert!(with("quant_conv", &[4, 3, 1, 1]).contains("`quantize.embedding.weight` is 3 wide"));
    let mut odd = compvis(false, true);
    odd.pair("quant_conv", &[5, 6, 1, 1]);
    let fault = read(&odd.open(), &json!({})).unwrap_err().to_string();
    assert!(fault.contains("5 channels, which are no mean and variance"), "{fault}");
    assert!(with("encoder.conv_in", &[32, 1, 5, 5]).contains("5x5 convolution"));
}

#[test]
fn dilated_kernels_have_zeros_between() {
    let weight: Vec<f32> = (1..=8).map(|v| v as f32).collect();
    let (wide, size) = super::build::dilate(weight.clone(), 2, 3);
    assert_eq!((size, wide.len()), (4, 32));
    for (i, w) in wide.iter().enumerate() {
        let (kernel, row, column) = (i / 16, i / 4 % 4, i % 4);
        let own = (row % 3 == 0 && column % 3 == 0).then(|| weight[kernel * 4 + row / 3 * 2 + column / 3]);
        assert_eq!(*w, own.unwrap_or(0.0));
    }
    assert_eq!(super::build::dilate(weight.clone(), 2, 1), (weight, 2));
}

#[test]
fn a_gradient_goes_through_all_but_a_codebook() {
    let with_gradient = |name: &str| {
        let network = Network::open(&golden(name), &Overrides::default()).unwrap();
        let call = network.call(Shape::new(1, 16, 16, network.in_channels())).unwrap();
        call.with_gradient(None).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(with_gradient("compvis-autoencoderkl"), Ok(()));
    assert!(with_gradient("monai-vqvae").unwrap_err().contains("NearestCode has no gradient"));
}
