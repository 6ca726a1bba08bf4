use super::chain::weight;
use super::*;

#[test]
fn a_band_is_evenly_spaced_and_the_defaults_hold() {
    let band = |first, last, steps| Band { first, last, steps }.list();
    assert_eq!(band(300, 500, 3), [300, 400, 500]);
    assert_eq!(band(400, 405, 3), [400, 403, 405]);
    assert_eq!(band(7, 9, 1), [7]);
    assert_eq!(Band::default().list(), (400..=600).collect::<Vec<_>>());
    Pinaya::default().check(None).unwrap();
    assert_eq!(Pinaya::default().passes(), 201 + 501);
    assert_eq!(Pinaya { map: MapOf::Divergence, ..Pinaya::default() }.passes(), 201);
}

/// The divergence of two normal distributions of one variance is (μ − μ')²/(2v), with the means of Ho 2020, eq. 7.
#[test]
fn the_weight_is_that_of_the_divergence_of_the_two_posteriors() {
    let schedule = Pinaya::default().schedule.schedule().unwrap();
    for t in [1, 2, 300, 999] {
        let (now, before) = (schedule.alpha_bar(t).unwrap(), schedule.alpha_bar(t - 1).unwrap());
        let (alpha, beta) = (now / before, 1.0 - now / before);
        let mean = |clean: f64, noisy: f64| {
            (before.sqrt() * beta * clean + alpha.sqrt() * (1.0 - before) * noisy) / (1.0 - now)
        };
        let variance = (1.0 - before) / (1.0 - now) * beta;
        let (clean, estimate, noisy) = (0.7, -0.4, 1.3);
        let want = (mean(clean, noisy) - mean(estimate, noisy)).powi(2) / (2.0 * variance);
        let found = weight(&schedule, t).unwrap() * f64::powi(clean - estimate, 2);
        assert!((found / want - 1.0).abs() < 1e-9, "{t}: {found} {want}");
    }
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let fault = |system: Pinaya| system.check(None).unwrap_err().to_string();
    let with = |change: &dyn Fn(&mut Pinaya)| {
        let mut system = Pinaya::default();
        change(&mut system);
        fault(system)
    };
    assert!(with(&|s| s.band.first = 0).contains("band.first"));
    assert!(with(&|s| s.band.last = 399).contains("band.first at least, which is 400"));
    assert!(with(&|s| s.band.last = 1000).contains("below schedule.train_steps, which is 1000"));
    assert!(with(&|s| s.band.steps = 202).contains("1 to 201"));
    assert!(with(&|s| s.start = 1000).contains("`start`"));
    assert!(with(&|s| s.quantile = 1.1).contains("`quantile`"));
    assert!(with(&|s| s.threshold = Some(f64::NAN)).contains("`threshold`"));
    assert!(with(&|s| s.latent_scale = 0.0).contains("`latent_scale`"));
    assert!(with(&|s| s.smooth = Some(BlurConfig::Box { size: 2 })).contains("`blur`"));
    assert!(with(&|s| s.sampler = SamplerConfig::Ddim { steps: 502, eta: 0.0 }).contains("502"));
    assert!(with(&|s| s.sampler = SamplerConfig::Ddim { steps: 5, eta: 2.0 }).contains("eta"));
}
