use super::*;

/// Plain keys to the file's, those set aside, and the two copies. A name with `/` in it has a path.
fn run(names: &[&str], copy: WeightCopy) -> (BTreeMap<String, String>, Vec<String>, Option<[String; 2]>) {
    let split: Vec<(Vec<String>, &str)> = names
        .iter()
        .map(|n| n.rsplit_once('/').map_or((Vec::new(), *n), |(p, k)| (p.split('/').map(String::from).collect(), k)))
        .collect();
    let names: Vec<Name> = split.iter().map(|(p, k)| (p.as_slice(), *k)).collect();
    let plain = plain(&names, copy, Member::Main).unwrap_or_else(|e| panic!("{e:?}"));
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
    assert_eq!(plain(&names, WeightCopy::Ema, Member::Main).unwrap_err(), ["a.w", "module.a.w", "a.w"]);
}

#[test]
fn buffers_are_no_weights() {
    for key in ["betas", "sqrt_one_minus_alphas_cumprod", "posterior_variance", "norm.num_batches_tracked"] {
        assert!(is_buffer(key), "{key}");
    }
    assert!(!is_buffer("time_embed.0.weight"));
}

#[test]
fn a_file_of_several_networks_gives_each_by_itself() {
    let names = [
        "model.diffusion_model.a.w",
        "model_ema.diffusion_modelaw",
        "model_ema.decay",
        "first_stage_model.encoder.w",
        "first_stage_model.loss.logvar",
        "first_stage_model.quantize.embedding.weight",
        "cond_stage_model.encoder.w",
        "betas",
    ];
    let split: Vec<(&[String], &str)> = names.iter().map(|n| (&[][..], *n)).collect();
    let keys = |copy, member| {
        let plain = plain(&split, copy, member).unwrap();
        assert!(plain.beside);
        plain.keys.into_iter().map(|(k, i)| format!("{k} <- {}", names[i])).collect::<Vec<_>>()
    };
    assert_eq!(keys(WeightCopy::Ema, Member::Main), ["a.w <- model_ema.diffusion_modelaw"]);
    assert_eq!(keys(WeightCopy::Raw, Member::Main), ["a.w <- model.diffusion_model.a.w"]);
    let autoencoder = keys(WeightCopy::Ema, Member::Autoencoder);
    assert!(autoencoder[0] == "encoder.w <- first_stage_model.encoder.w" && autoencoder.len() < 4, "{autoencoder:?}");
    assert_eq!(keys(WeightCopy::Raw, Member::Autoencoder), autoencoder);
    // Of one network alone, whatever stands before its keys, either is that one.
    let one: Vec<(&[String], &str)> = vec![(&[], "first_stage_model.encoder.w"), (&[], "first_stage_model.decoder.w")];
    for member in [Member::Main, Member::Autoencoder] {
        let plain = plain(&one, WeightCopy::Ema, member).unwrap();
        assert_eq!((plain.keys.len(), plain.keys.contains_key("encoder.w"), plain.beside), (2, true, false));
    }
}

#[test]
fn what_one_copy_lacks_is_known() {
    let model: Vec<String> = ["model"].map(String::from).to_vec();
    let ema: Vec<String> = ["ema"].map(String::from).to_vec();
    let names: [Name; 7] = [
        (&model, "a.weight"),
        (&model, "b._orig_mod.weight"),
        (&model, "n.running_mean"),
        (&model, "x.betas"),
        (&ema, "a.weight"),
        (&[], "loss.net.weight"),
        (&[], "betas"),
    ];
    let lacking = plain(&names, WeightCopy::Ema, Member::Main).unwrap().lacking;
    assert_eq!(
        (lacking.weights, lacking.others),
        (vec!["b.weight".into()], vec!["n.running_mean".into(), "x.betas".into()])
    );
    assert_eq!(plain(&names, WeightCopy::Raw, Member::Main).unwrap().lacking, Lacking::default());
    assert_eq!(plain(&names[..4], WeightCopy::Ema, Member::Main).unwrap().lacking, Lacking::default());
}
