use super::*;

#[test]
fn the_variants_differ_in_condition_and_steps_unless_they_are_said() {
    let published = DiffAd::default();
    published.check(None).unwrap();
    assert_eq!((published.passes(), published.condition()), (10, Condition::Clean));
    assert_eq!(published.timesteps().unwrap().list, [901, 801, 701, 601, 501, 401, 301, 201, 101, 1]);
    let paper = DiffAd { variant: Variant::Paper, ..DiffAd::default() };
    paper.check(None).unwrap();
    assert_eq!((paper.passes(), paper.condition()), (50, Condition::Noised));
    let sampler = Some(SamplerConfig::Ddim { steps: 30, eta: 0.0 });
    let said = DiffAd { condition: Some(Condition::Clean), sampler, ..paper };
    // A stride of 33 takes one step more than were asked for, as in the public code.
    assert_eq!((said.passes(), said.condition()), (31, Condition::Clean));
    assert!(said.taken(None)[0].contains("30 DDIM steps were asked for, and 31 were taken"), "{:?}", said.taken(None));
}

/// `alphas[ddim_timesteps]` and `[alphas[0]] + alphas[ddim_timesteps[:-1]]`, of betas made in float64 as latent-diffusion makes them.
#[test]
fn steps_go_to_the_next_lower_one_and_the_last_to_the_first_level() {
    let system = DiffAd::default();
    let roots = [0.0015f64.sqrt(), 0.02f64.sqrt()];
    let mut bar = 1.0;
    let bars: Vec<f64> = (0..1000)
        .map(|i| {
            bar *= 1.0 - (roots[0] + (roots[1] - roots[0]) * f64::from(i) / 999.0).powi(2);
            bar
        })
        .collect();
    assert!((bars[0] - 0.9985).abs() < 1e-12 && (bars[901] - 7.41057e-4).abs() < 1e-8);
    let (sampler, timesteps) = (system.sampler().unwrap(), system.timesteps().unwrap());
    let rows = sampler.rows(&timesteps).unwrap();
    for (i, (row, &t)) in rows.iter().zip(&timesteps.list).enumerate() {
        let (now, next) = (bars[t], timesteps.list.get(i + 1).map_or(bars[0], |&t| bars[t]));
        // z' = √ᾱ'·(z − √(1−ᾱ)·ε)/√ᾱ + √(1−ᾱ')·ε, of z and of ε.
        let of_z = f64::from(row.next_0) * f64::from(row.x0_x);
        let of_eps = f64::from(row.next_0) * f64::from(row.x0_m) + f64::from(row.next_e) * f64::from(row.eps_m);
        let (want_z, want_eps) = ((next / now).sqrt(), (1.0 - next).sqrt() - (next * (1.0 - now) / now).sqrt());
        assert!((of_z / want_z - 1.0).abs() < 1e-6, "{t}: {of_z} {want_z}");
        assert!((of_eps - want_eps).abs() < 1e-6 * want_z, "{t}: {of_eps} {want_eps}");
        assert_eq!((row.t, row.clip), (t as f32, crate::kernels::StepRow::NO_CLIP));
    }
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let fault = |change: &dyn Fn(&mut DiffAd), channels: usize| {
        let mut system = DiffAd::default();
        change(&mut system);
        let e = system.check(Some(&InputConfig::square(64, channels))).unwrap_err();
        e.to_string()
    };
    let steps = |steps| Some(SamplerConfig::Ddim { steps, eta: 0.0 });
    assert!(fault(&|s| s.sampler = Some(SamplerConfig::Ddpm), 1).contains("`sampler` must be ddim"));
    assert!(
        fault(&|s| s.sampler = Some(SamplerConfig::Ddim { steps: 5, eta: 1.5 }), 1).contains("`sampler.eta` is 1.5")
    );
    assert!(fault(&|s| s.sampler = steps(0), 1).contains("0 steps"));
    assert!(fault(&|s| s.sampler = steps(501), 1).contains("501 steps of 1000 begin at step 1000"));
    assert!(fault(&|s| s.sampler = steps(111), 1).contains("111 steps of 1000"));
    assert!(fault(&|s| s.condition_step = 1000, 1).contains("below schedule.train_steps, which is 1000"));
    assert!(fault(&|s| s.condition_step = 420, 1).contains("the condition is clean"));
    assert!(fault(&|s| s.mix = 1.01, 1).contains("`mix` must be 0 to 1"));
    let alone = |s: &mut DiffAd| (s.interpolated, s.mix) = (false, 0.4);
    assert!(fault(&alone, 1).contains("`interpolated` is false"));
    assert!(fault(&|s| s.colours = Colours::Rgb, 1).contains("an input of 1 channels"));
    assert!(fault(&|s| s.blur = Some(BlurConfig::Box { size: 2 }), 3).contains("`blur`"));
    let paper = DiffAd { variant: Variant::Paper, condition_step: 420, colours: Colours::Rgb, ..DiffAd::default() };
    paper.check(Some(&InputConfig::square(64, 3))).unwrap();
    assert!(
        paper.taken(Some(&InputConfig::square(64, 3)))
            == ["The denoiser was given the image's latents noised to step 420."]
    );
}
