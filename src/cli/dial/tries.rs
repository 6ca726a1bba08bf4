//! The settings that `residua dial` measures.
use super::Args;
use crate::detect::config::SamplerConfig;
use crate::detect::{DetectorConfig, DialRow, FromNormal, ModelFolder, System, wolleb::Wolleb};
use crate::{Error, Result};

/// The names and values to try: what was asked for, what flags set, and for the rest what is usual for the system.
fn tries(args: &Args, model: &ModelFolder) -> Result<Vec<(String, Vec<String>)>> {
    let mut tries: Vec<(String, Vec<String>)> = Vec::new();
    let texts = |values: &[usize]| values.iter().map(usize::to_string).collect::<Vec<_>>();
    let texts_of = |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<_>>();
    // DDPM takes every step: 0 stands for it.
    let samplers = |steps: &[usize]| {
        let name = |&s: &usize| if s == 0 { "ddpm".to_owned() } else { s.to_string() };
        steps.iter().map(name).collect::<Vec<_>>()
    };
    let system = &model.config.system;
    let dialled = system.dialled();
    let mut asked: Vec<(String, String, Vec<String>)> = Vec::new();
    for (name, values) in &args.r#try {
        if !dialled.contains(&name.as_str()) {
            let fault = format!("--try {name}: {} is measured by {}", system.title(), dialled.join(", "));
            return Err(Error::Invalid(fault));
        }
        let values = values.split(',').map(|v| v.trim().to_owned()).collect();
        asked.push((format!("--try {name}"), name.clone(), values));
    }
    for (flag, name, values) in [
        ("--try-lambdas", "lambda", texts(&args.try_lambdas)),
        ("--try-steps", "sampler.steps", samplers(&args.try_steps)),
        ("--try-runs", "runs", texts(&args.try_runs)),
    ] {
        if !values.is_empty() && !dialled.contains(&name) {
            return Err(Error::Invalid(format!("{flag}: {} has no such setting", system.title())));
        }
        if !values.is_empty() {
            asked.push((flag.to_owned(), name.to_owned(), values));
        }
    }
    // A sampler and its steps are one setting.
    let whole = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let fixed: Vec<String> = args.model.named()?.into_iter().map(|(name, _)| whole(&name)).collect();
    for (i, (flag, name, values)) in asked.iter().enumerate() {
        if let Some((other, ..)) = asked[..i].iter().find(|a| whole(&a.1) == whole(name)) {
            return Err(Error::Invalid(format!("{other} and {flag} are about the same setting: one list is needed")));
        }
        if fixed.contains(&whole(name)) {
            return Err(Error::Invalid(format!("{flag}: other flags give `{}` one value already", whole(name))));
        }
        tries.push((name.clone(), values.clone()));
    }
    let usual = match system {
        System::AnoDdpm(_) => {
            vec![("sampler.steps", samplers(&[2, 3, 5, 10])), ("runs", texts(&[1, 2, 4, 8, 12]))]
        }
        System::Pddpm(s) => vec![("stride", texts(&[s.patch, (s.patch / 2).max(1)]))],
        System::AdvRad(_) => vec![("k", texts(&[50, 100, 150, 200])), ("scales", texts(&[1, 4]))],
        System::Dte(_) => Vec::new(),
        System::Pinaya(_) => {
            vec![("quantile", texts_of(&[0.9, 0.95, 0.975])), ("sampler.steps", samplers(&[10, 20, 50]))]
        }
        System::DiffAd(_) => vec![("sampler.steps", samplers(&[5, 10, 20, 50]))],
        System::Xu(s) => {
            let mut steps = vec![10, 25, 50, 250];
            steps.retain(|&n| n <= s.most_steps());
            vec![("sampler.steps", samplers(&steps))]
        }
        System::Ddad(s) => {
            let mut skips = vec![s.skip, 2 * s.skip, 4 * s.skip];
            skips.retain(|&n| n < s.t_start);
            vec![("skip", texts(&skips)), ("w", texts_of(&[1.0, 3.0, 8.0]))]
        }
        // How far an image is dissolved, and how hard it is pulled: what the paper itself varies.
        System::Wolleb(s) => {
            let level = s.noise_level;
            let mut levels = vec![level.div_ceil(2), level, (3 * level).div_ceil(2)];
            levels.retain(|&l| System::Wolleb(Wolleb { noise_level: l, ..s.clone() }).check(None).is_ok());
            let scales = [0.3, 1.0, 3.0].map(|f| (f * s.scale).to_string());
            vec![("noise_level", texts(&levels)), ("scale", scales.to_vec())]
        }
    };
    for (name, values) in usual {
        // What a flag gives is in the model's settings already.
        if !fixed.contains(&whole(name)) && !asked.iter().any(|a| whole(&a.1) == whole(name)) {
            tries.push((name.to_owned(), values));
        }
    }
    Ok(tries)
}

/// All combinations that are possible, the cheapest first.
pub(super) fn settings(args: &Args, model: &ModelFolder) -> Result<Vec<DetectorConfig>> {
    if model.config.system.from_normal() == Some(FromNormal::MeanMap) {
        let title = model.config.system.title();
        let fault = "the mean map of normal images holds for one setting: --set mean_map=false measures without it";
        return Err(Error::Invalid(format!("{title}: {fault}")));
    }
    let mut all = vec![model.config.clone()];
    for (name, values) in tries(args, model)? {
        if let Some(why) = model.config.system.idle(&name) {
            return Err(Error::Invalid(format!("`{name}` cannot be tried, as it changes nothing: {why}")));
        }
        let mut more = Vec::new();
        for config in &all {
            for value in &values {
                let mut next = config.clone();
                let name = if value == "ddpm" { "sampler" } else { &name };
                next.system.set(name, value)?;
                more.push(next);
            }
        }
        all = more;
    }
    // More steps than the level has are no combination; any other fault is the user's.
    let steps = |c: &DetectorConfig| match &c.system {
        System::AnoDdpm(s) => s.passes() / s.runs.max(1) <= s.lambda,
        System::AdvRad(s) => s.passes() <= s.k + 1,
        System::Pinaya(s) => !matches!(s.sampler, SamplerConfig::Ddim { steps, .. } if steps > s.start + 1),
        System::DiffAd(s) => {
            !matches!(s.sampler, Some(SamplerConfig::Ddim { steps, .. }) if steps > s.schedule.train_steps / 2)
        }
        System::Xu(s) => s.timesteps().is_ok(),
        System::Ddad(s) => s.skip < s.t_start,
        System::Pddpm(_) | System::Dte(_) | System::Wolleb(_) => true,
    };
    let before = all.len();
    all.retain(steps);
    match before - all.len() {
        0 => {}
        n if all.is_empty() => {
            return Err(Error::Invalid(format!(
                "all {n} combinations to try have more DDIM steps than their start allows"
            )));
        }
        n => tracing::warn!(
            "{n} of {before} combinations have more DDIM steps than their start allows, and are left out"
        ),
    }
    for config in &all {
        let setting = DialRow::of(config).settings;
        config.check().map_err(|e| {
            let words: Vec<String> = setting.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            Error::Invalid(format!("{} cannot be tried: {e}", words.join(", ")))
        })?;
    }
    all.sort_by_key(|c| c.system.passes(c.input.as_ref()));
    Ok(all)
}
