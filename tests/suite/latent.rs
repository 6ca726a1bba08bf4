//! Networks of latent space from files: several in one, and by keys and shapes alone.

use crate::common::{LATENT, golden, run};
use residua::model::{Checkpoint, Network, Overrides, WeightCopy};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::Value;
use std::path::Path;

/// (key, shape, dtype, bytes) of a golden's weights.
type Tensors = Vec<(String, Vec<usize>, Dtype, Vec<u8>)>;

fn tensors(name: &str) -> Tensors {
    let bytes = std::fs::read(golden(name).join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let of = |(key, t): (String, TensorView)| (key, t.shape().to_vec(), t.dtype(), t.data().to_vec());
    file.tensors().into_iter().map(of).collect()
}

/// latent-diffusion's file: a UNet in training, its average, an autoencoder and a second copy of it as the condition's encoder.
fn latent_diffusion(folder: &Path) {
    let (unet, autoencoder) = (tensors("ldm-unet-diffad-style"), tensors("compvis-autoencoderkl"));
    let mut all: Tensors = Vec::new();
    for (key, shape, dtype, bytes) in &unet {
        let raw = format!("diffusion_model.{key}");
        // The average differs from the weights in training in every number.
        let zeros = vec![0; bytes.len()];
        all.push((format!("model_ema.{}", raw.replace('.', "")), shape.clone(), *dtype, bytes.clone()));
        all.push((format!("model.{raw}"), shape.clone(), *dtype, zeros));
    }
    for (key, shape, dtype, bytes) in &autoencoder {
        for part in ["first_stage_model", "cond_stage_model"] {
            all.push((format!("{part}.{key}"), shape.clone(), *dtype, bytes.clone()));
        }
    }
    all.push(("betas".into(), vec![2], Dtype::F32, vec![0; 8]));
    let views =
        all.iter().map(|(key, shape, dtype, bytes)| (key, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    let written = safetensors::serialize(views, None);
    std::fs::write(folder.join("last.safetensors"), written.unwrap()).unwrap();
    std::fs::copy(golden("ldm-unet-diffad-style").join("config.json"), folder.join("config.json")).unwrap();
}

#[test]
fn a_file_of_several_networks_holds_each() {
    let dir = tempfile::tempdir().unwrap();
    latent_diffusion(dir.path());
    let file = dir.path().join("last.safetensors");
    let weights = |weights| Overrides { weights, ..Overrides::default() };
    let first = |network: &Network| network.checkpoint.take("input_blocks.0.0.weight", &[32, 8, 3, 3]).unwrap();
    let own =
        Checkpoint::open(golden("ldm-unet-diffad-style")).unwrap().take("input_blocks.0.0.weight", &[32, 8, 3, 3]);
    assert_eq!(first(&Network::unet(&file, &weights(None)).unwrap()), own.unwrap());
    let raw = Network::unet(&file, &weights(Some(WeightCopy::Raw))).unwrap();
    assert!(first(&raw).iter().all(|v| *v == 0.0));

    let autoencoder = Network::autoencoder(&file, &weights(None)).unwrap();
    let alone = Network::open(&golden("compvis-autoencoderkl"), &weights(None)).unwrap();
    assert_eq!(autoencoder.params(), alone.params());
    for (key, shape) in alone.params() {
        assert_eq!(autoencoder.checkpoint.take(&key, &shape).unwrap(), alone.checkpoint.take(&key, &shape).unwrap());
    }
    autoencoder.settle(true).unwrap();
    // Its own file says what the denoiser's config.json does not.
    std::fs::write(dir.path().join("autoencoder.json"), r#"{"embed_dim": 5}"#).unwrap();
    let fault = Network::autoencoder(&file, &weights(None)).err().unwrap().to_string();
    assert!(fault.contains("autoencoder.json: `embed_dim` is 5"), "{fault}");
    std::fs::remove_file(dir.path().join("autoencoder.json")).unwrap();

    let (code, out, err) = run(&["inspect", "--json", dir.path().to_str().unwrap()]);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}{err}"));
    assert_eq!((code, &report["layout"]), (0, &"Guided".into()));
    assert_eq!(report["networks"]["autoencoder"]["parameters"], alone.parameters());
}

/// DiffAE's Lightning file of the golden: weights in training, all zero, their average, and the noise of its last samples; with changes to
/// the average and to the config.
fn diffusion_autoencoder(
    folder: &Path,
    change: impl Fn(&mut Tensors),
    config: &[(&str, Value)],
) -> residua::Result<Network> {
    let mut own = tensors("diffae");
    change(&mut own);
    let mut all: Tensors = vec![("x_T".into(), vec![1, 3, 4, 4], Dtype::F32, vec![0; 192])];
    for (key, shape, dtype, bytes) in own {
        all.push((format!("model.{key}"), shape.clone(), dtype, vec![0; bytes.len()]));
        all.push((format!("ema_model.{key}"), shape, dtype, bytes));
    }
    let views =
        all.iter().map(|(key, shape, dtype, bytes)| (key, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    std::fs::write(folder.join("last.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    let text = std::fs::read_to_string(golden("diffae").join("config.json")).unwrap();
    let mut said: Value = serde_json::from_str(&text).unwrap();
    config.iter().for_each(|(key, value)| said[*key] = value.clone());
    std::fs::write(folder.join("config.json"), said.to_string()).unwrap();
    Network::unet(folder, &Overrides::default())
}

#[test]
fn a_diffusion_autoencoder_is_its_average_with_both_halves() {
    let dir = tempfile::tempdir().unwrap();
    let network = diffusion_autoencoder(dir.path(), |_| (), &[]).unwrap();
    let alone = Network::open(&golden("diffae"), &Overrides::default()).unwrap();
    assert_eq!(network.params(), alone.params());
    for (key, shape) in alone.params() {
        assert_eq!(network.checkpoint.take(&key, &shape).unwrap(), alone.checkpoint.take(&key, &shape).unwrap());
    }
    let stored: usize = tensors("diffae").iter().map(|t| t.1.iter().product::<usize>()).sum();
    assert_eq!(alone.parameters(), stored);
    let (code, out, err) = run(&["inspect", "--json", dir.path().to_str().unwrap()]);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}{err}"));
    assert_eq!((code, &report["layout"], &report["config"]["embedding"]), (0, &"DiffAe".into(), &64.into()));
    // As a denoiser that takes no embedding, it is refused before anything is computed.
    let picture = golden("../../weights/texture/samples/good/brick-1.png");
    let out = dir.path().join("out");
    let (model, out) = (dir.path().to_str().unwrap(), out.to_str().unwrap());
    let (code, _, err) = run(&["detect", picture.to_str().unwrap(), "--model", model, "--out", out, "--device", "cpu"]);
    assert!(code == 2 && err.contains("is guided by an embedding of the image, as the system `xu` makes it"), "{err}");
}

#[test]
fn a_diffusion_autoencoder_that_does_not_fit_is_refused() {
    let fault = |change: &dyn Fn(&mut Tensors), config: &[(&str, Value)]| {
        let dir = tempfile::tempdir().unwrap();
        diffusion_autoencoder(dir.path(), change, config).err().unwrap().to_string()
    };
    let without = |part: &'static str| move |all: &mut Tensors| all.retain(|t| !t.0.starts_with(part));
    for (part, says) in [
        ("output_blocks.3.0.cond_emb_layers.", "`output_blocks.3.0` has no weights for the embedding of an image"),
        ("encoder.input_blocks.4.", "`enc_num_res_block`"),
        ("encoder.out.3.", "encoder.out.3"),
    ] {
        let said = fault(&without(part), &[]);
        assert!(said.contains(says), "{part}: {said}");
    }
    for (key, value) in [
        ("embed_channels", 63.into()),
        ("enc_out_channels", 32.into()),
        ("enc_channel_mult", serde_json::json!([1, 2, 4])),
        ("attention_resolutions", serde_json::json!([32])),
        ("enc_attn_resolutions", serde_json::json!([8])),
        ("num_res_blocks", 2.into()),
    ] {
        let said = fault(&|_| (), &[(key, value)]);
        assert!(said.contains(&format!("`{key}`")), "{key}: {said}");
    }
    assert!(fault(&|_| (), &[("enc_pool", "depthconv".into())]).contains("depthconv"));
}

#[test]
fn keys_and_shapes_alone_are_counted_and_planned() {
    let dir = tempfile::tempdir().unwrap();
    for name in LATENT.into_iter().chain(["ldm-unet-diffad-style", "anoddpm"]) {
        let file = dir.path().join(format!("{name}.tsv"));
        let line = |(key, shape, ..): &(String, Vec<usize>, Dtype, Vec<u8>)| {
            format!("{key}\t{}\n", shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x"))
        };
        let text: String = tensors(name).iter().map(line).collect();
        std::fs::write(&file, format!("# {name}\n{text}")).unwrap();
        let inspect = |path: &Path| {
            let (code, out, err) = run(&["inspect", "--json", "--size", "32", path.to_str().unwrap()]);
            assert_eq!(code, 0, "{name}: {err}");
            serde_json::from_str::<Value>(&out).unwrap()
        };
        // Numbers of groups stand in a config alone.
        std::fs::copy(golden(name).join("config.json"), dir.path().join("config.json")).unwrap();
        let (listed, real) = (inspect(&file), inspect(&golden(name)));
        for key in ["parameters", "tensors", "layout", "autoencoder", "comparer"] {
            assert_eq!(listed[key], real[key], "{name}: {key}");
        }
        assert_eq!(listed["step"]["launches"], real["step"]["launches"], "{name}");
    }
    let file = dir.path().join("bad.tsv");
    std::fs::write(&file, "a.weight\t3x3\nb.weight\t3,3\n").unwrap();
    let (code, _, err) = run(&["inspect", file.to_str().unwrap()]);
    assert!(code == 2 && err.contains("bad.tsv: line 2: `3,3` is no shape"), "{err}");
    let unet = dir.path().join("ldm-unet-diffad-style.tsv");
    let (code, _, err) = run(&["convert", unet.to_str().unwrap(), dir.path().join("out").to_str().unwrap()]);
    assert!(code == 2 && err.contains("without weights"), "{err}");
}
