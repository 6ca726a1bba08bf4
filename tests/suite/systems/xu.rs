//! Xu et al.: detections of a small diffusion autoencoder and a small comparer, their settings, and what does not fit.
use super::*;
use crate::common::{embedded, golden};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

fn place() -> (Place, String) {
    let p = Place::new();
    picture(&p.at("in/a.png"), 64, 32, 3);
    embedded::xu(&p.at("model"), "");
    let model = p.text("model");
    (p, model)
}

/// Writes `x_T` of a shape, with values that vary.
fn noise(path: &Path, name: &str, shape: [usize; 4]) {
    let values: Vec<u8> = (0..shape.iter().product::<usize>())
        .flat_map(|i| (((i * 7919 % 4093) as f32 / 1023.0) - 2.0).to_le_bytes())
        .collect();
    let view = TensorView::new(Dtype::F32, shape.to_vec(), &values).unwrap();
    std::fs::write(path, safetensors::serialize([(name, view)], None).unwrap()).unwrap();
}

#[test]
fn an_image_is_drawn_anew_and_settings_change_the_score() {
    let (p, model) = place();
    std::fs::create_dir_all(p.at("model/features")).unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(golden("chains/ddad/features").join(file), p.at("model/features").join(file)).unwrap();
    }
    let mut seen: Vec<f64> = Vec::new();
    for sets in [
        &[][..],
        &["variant=paper"],
        &["sampler.steps=4"],
        &["sampler=ddim:2:1"],
        &["start=input"],
        &["start=input", "lambda=100", "sampler.steps=3"],
        &["blur=gaussian:2"],
        &["noise_per=image"],
        &["map=distance"],
        &["map=distance", "v=3"],
        &["map=distance", "layers=3"],
        &["map=distance", "layers=none"],
        &["map=distance", "normalisation=fixed", "ratio=0.5"],
    ] {
        let args: Vec<&str> = sets.iter().flat_map(|set| ["--set", *set]).collect();
        let (code, said, results) = p.detect(&model, &args);
        assert_eq!(code, 0, "{sets:?}: {said}");
        let score = results["records"][0]["score"].as_f64().unwrap();
        assert!(score > 0.0 && seen.iter().all(|s| (s - score).abs() > 1e-9 * score), "{sets:?}: {score} {seen:?}");
        seen.push(score);
        let told = said.contains("as the public test script does")
            || std::fs::read_to_string(p.at("out/report.html")).unwrap().contains("as the public test script does");
        let mixed = !sets.iter().any(|s| *s == "variant=paper" || *s == "map=distance");
        assert_eq!(told, mixed, "{sets:?}");
    }
    let (input, out) = (p.text("in"), p.text("refused"));
    let args = ["detect", &input, "--model", &model, "--out", &out, "--device", "cpu"];
    for (sets, says) in [
        (&["lambda=100"][..], "the chain starts from noise alone"),
        (&["layers=2"], "the comparer makes the map"),
        (&["sampler=ddpm"], "it must be ddim:STEPS or ddim:STEPS:ETA"),
        (&["sampler.steps=300"], "no stride takes exactly 300 steps"),
        (&["map=distance", "layers=5"], "rising numbers from 1 to 4"),
        (&["map=distance", "ratio=2"], "`normalisation` is fixed"),
        (&["embedding=features"], "gives 72 features of an image after 4 layers, but the denoiser is guided by 24"),
    ] {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", *set]).collect();
        refused(&[&args[..], &sets].concat(), says);
    }
}

#[test]
fn the_noise_may_lie_in_a_file_which_is_part_of_the_model() {
    let (p, model) = place();
    noise(&p.at("model/x_T.safetensors"), "x_T", [2, 3, 32, 64]);
    embedded::xu(&p.at("model"), r#", "noise_file": "x_T.safetensors""#);
    let score = || {
        let (code, said, results) = p.detect(&model, &[]);
        assert_eq!(code, 0, "{said}");
        (results["records"][0]["score"].as_f64().unwrap(), results["records"][0]["model"]["sha256"].to_string())
    };
    let (first, of) = score();
    // Another noise is another model.
    noise(&p.at("model/x_T.safetensors"), "x_T", [1, 3, 32, 64]);
    let same = score();
    assert_eq!(same.0, first, "the first of several is taken");
    assert_ne!(same.1, of, "{of}");

    // As DiffAE's own checkpoints hold it: beside the network, of which no tensor is surplus then.
    let file = p.at("model/denoiser/model.safetensors");
    let [network, noise_too] = [&file, &p.at("model/x_T.safetensors")].map(|f| std::fs::read(f).unwrap());
    let all = [&network, &noise_too].map(|bytes| SafeTensors::deserialize(bytes).unwrap());
    let both = all.iter().flat_map(SafeTensors::tensors).collect::<Vec<_>>();
    embedded::xu(&p.at("model"), r#", "noise_file": "denoiser/model.safetensors""#);
    std::fs::write(&file, safetensors::serialize(both, None).unwrap()).unwrap();
    let (code, said, results) = p.detect(&model, &["--strict"]);
    assert_eq!((code, results["records"][0]["score"].as_f64()), (0, Some(first)), "{said}");
    embedded::xu(&p.at("model"), r#", "noise_file": "x_T.safetensors""#);

    let (input, out) = (p.text("in"), p.text("refused"));
    let args = ["detect", &input, "--model", &model, "--out", &out, "--device", "cpu"];
    refused(&[&args[..], &["--seed", "2"]].concat(), "the noise is that of the model's `noise_file`");
    noise(&p.at("model/x_T.safetensors"), "x_T", [1, 3, 64, 32]);
    refused(&args, "holds noise of (1,64,32,3), but the model's input is (1,32,64,3)");
    noise(&p.at("model/x_T.safetensors"), "noise", [1, 3, 32, 64]);
    refused(&args, "must hold a tensor `x_T` (K,C,H,W), the noise; it has none");
    std::fs::remove_file(p.at("model/x_T.safetensors")).unwrap();
    refused(&args, "x_T.safetensors");
    embedded::xu(&p.at("model"), r#", "noise_file": "../x_T.safetensors""#);
    refused(&args, "noise_file");
}

/// The frozen features of an image guide a denoiser that has no encoder of its own.
#[test]
fn a_frozen_network_may_make_the_embedding() {
    let (p, model) = place();
    let file = p.at("model/denoiser/model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    let mut all = Vec::new();
    for (name, view) in SafeTensors::deserialize(&bytes).unwrap().tensors() {
        let (mut shape, mut data) = (view.shape().to_vec(), view.data().to_vec());
        // As wide as the features: three times the 24 of the embedding.
        if name.ends_with("cond_emb_layers.1.weight") {
            data = data.chunks(data.len() / shape[0]).flat_map(|row| row.repeat(3)).collect();
            shape[1] *= 3;
        }
        if !name.starts_with("encoder.") {
            all.push((name, view.dtype(), shape, data));
        }
    }
    let views = all.iter().map(|(n, d, s, b)| (n.clone(), TensorView::new(*d, s.clone(), b).unwrap()));
    std::fs::write(&file, safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap()).unwrap();
    let config = p.at("model/denoiser/config.json");
    let mut said: Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    said.as_object_mut().unwrap().retain(|key, _| !key.starts_with("enc_"));
    std::fs::write(&config, said.to_string()).unwrap();
    let (input, out) = (p.text("in"), p.text("refused"));
    let args = ["detect", &input, "--model", &model, "--out", &out, "--device", "cpu"];
    refused(&args, "has no encoder of images: `embedding` features takes the network of features for one");
    let frozen = ["--set", "embedding=features"];
    refused(&[&args[..], &frozen].concat(), "has no network of features");
    std::fs::create_dir_all(p.at("model/features")).unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(golden("chains/ddad/features").join(file), p.at("model/features").join(file)).unwrap();
    }
    let score = |name: &str| {
        picture(&p.at("in/a.png"), 64, 32, 3);
        let (code, said, results) = p.detect(&model, &[&frozen[..], &["--set", name]].concat());
        assert_eq!(code, 0, "{said}");
        results["records"][0]["score"].as_f64().unwrap()
    };
    assert!(score("sampler.steps=2") > 0.0 && score("sampler.steps=2") != score("sampler.steps=4"));
}

#[test]
fn networks_that_do_not_fit_are_refused_by_name() {
    let (p, model) = place();
    let (input, out) = (p.text("in"), p.text("refused"));
    let args = ["detect", &input, "--model", &model, "--out", &out, "--device", "cpu"];
    refused(&[&args[..], &["--set", "map=distance"]].concat(), "has no network of features");
    let put = |from: &str, role: &str, name: &str, file: &str| {
        std::fs::copy(golden(from).join("config.json"), p.at("model").join(role).join("config.json")).unwrap();
        std::fs::copy(golden(from).join(file), p.at("model").join(role).join(name)).unwrap();
    };
    put("draem-segnet-9ch", "comparer", "comparer.safetensors", "model.safetensors");
    refused(&args, "takes 9 channels, but the reconstruction and the image of 3 each make 6 (`map`)");
    put("chains/ddad/network", "denoiser", "model.safetensors", "model.safetensors");
    refused(&args, "that no embedding of an image guides, which this system needs");
    embedded::xu(&p.at("model"), "");
    std::fs::remove_dir_all(p.at("model/comparer")).unwrap();
    refused(&args, "no comparer in this folder");
}
