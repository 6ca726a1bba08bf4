use super::*;
use crate::detect::config::ScheduleKind;

#[test]
fn the_published_chain_begins_a_step_behind_its_noise() {
    let published = Ddad::default();
    published.check(None).unwrap();
    assert_eq!(published.timesteps().unwrap().list, [225, 200, 175, 150, 125, 100, 75, 50, 25, 0]);
    assert_eq!((published.passes(), published.noised_to().unwrap()), (10, 250));
    assert_eq!(published.normalisation(), Normalisation::Batch);
    let paper = Ddad { variant: Variant::Paper, t_start: 100, skip: 30, ..Ddad::default() };
    paper.check(None).unwrap();
    assert_eq!((paper.timesteps().unwrap().list, paper.noised_to().unwrap()), (vec![90, 60, 30, 0], 90));
    assert_eq!(paper.normalisation(), Normalisation::Image);
    assert_eq!(Ddad { normalisation: Some(Normalisation::Batch), ..paper }.normalisation(), Normalisation::Batch);
}

/// The coefficients by hand: ᾱ of the linear schedule, c₁ = η·√((1−ᾱ/ᾱ')(1−ᾱ')/(1−ᾱ)), c₂ = √(1−ᾱ'−c₁²), and ᾱ' = 1 at the end.
#[test]
fn steps_are_ddims_with_noise() {
    let system = Ddad { eta: 0.8, ..Ddad::default() };
    assert_eq!(system.schedule.kind, ScheduleKind::Linear);
    let mut bar = 1.0;
    let bars: Vec<f64> = (0..1000)
        .map(|i| {
            bar *= 1.0 - (1e-4 + (0.02 - 1e-4) * f64::from(i) / 999.0);
            bar
        })
        .collect();
    let timesteps = system.timesteps().unwrap();
    let rows = system.sampler().unwrap().rows(&timesteps).unwrap();
    for (i, (row, &t)) in rows.iter().zip(&timesteps.list).enumerate() {
        let (now, next) = (bars[t], timesteps.list.get(i + 1).map_or(1.0, |&t| bars[t]));
        let c1 = 0.8 * ((1.0 - now / next) * (1.0 - next) / (1.0 - now)).sqrt();
        let c2 = (1.0 - next - c1 * c1).max(0.0).sqrt();
        for (found, want) in
            [(row.sigma, c1), (row.next_e, c2), (row.next_0, next.sqrt()), (row.noise, (1.0 - now).sqrt())]
        {
            assert!((f64::from(found) - want).abs() < 1e-6, "{t}: {found} {want}");
        }
    }
    assert_eq!((rows[9].sigma, rows[9].next_e), (0.0, 0.0));
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let fault = |change: &dyn Fn(&mut Ddad)| {
        let mut system = Ddad { crop: None, ..Ddad::default() };
        change(&mut system);
        system.check(Some(&InputConfig::square(64, 3))).unwrap_err().to_string()
    };
    assert!(fault(&|s| s.crop = Some(224)).contains("`crop` must be 1 to 64"));
    assert!(fault(&|s| s.t_start = 1000).contains("`t_start` must be 2 to 999"));
    assert!(fault(&|s| s.skip = 250).contains("`skip` must be 1 to 249, below `t_start`"));
    assert!(fault(&|s| s.skip = 0).contains("`skip`"));
    assert!(fault(&|s| s.w = -1.0).contains("`w`"));
    assert!(fault(&|s| s.eta = 1.5).contains("`eta`"));
    assert!(fault(&|s| s.layers = vec![3, 2]).contains("`layers`"));
    assert!(fault(&|s| s.layers = vec![5]).contains("`layers`"));
    assert!(fault(&|s| s.ratio = Some(2.0)).contains("`ratio` must be given where `normalisation` is fixed"));
    assert!(fault(&|s| s.normalisation = Some(Normalisation::Fixed)).contains("`ratio`"));
    assert!(fault(&|s| (s.layers, s.v) = (vec![], 2.0)).contains("`v` must be 1 where there are no `layers`"));
    assert!(fault(&|s| s.schedule.prediction = PredictionKind::V).contains("`schedule.prediction`"));
    assert!(fault(&|s| s.schedule.variance = VarianceKind::LearnedRange).contains("`schedule.variance`"));
    let pixels = Ddad { layers: vec![], crop: Some(64), ..Ddad::default() };
    pixels.check(Some(&InputConfig::square(64, 1))).unwrap();
    assert!(pixels.idle("normalisation").is_some() && pixels.idle("w").is_none());
    assert!(pixels.taken()[0].contains("64 x 64") && pixels.taken().len() == 1);
    assert_eq!(Ddad::default().taken().len(), 1);
    // 25 steps below 240, of which the last is 225.
    let paper = Ddad { variant: Variant::Paper, t_start: 240, crop: None, ..Ddad::default() };
    assert!(paper.taken()[0].contains("noised to step 225"), "{:?}", paper.taken());
    let batch = Ddad { normalisation: Some(Normalisation::Batch), ..Ddad::default() };
    assert!(batch.idle("normalisation").is_some_and(|why| why.contains("one by one")));
    assert!(Ddad { noise_per: NoisePer::Run, ..batch }.idle("normalisation").is_none());
    let together = Ddad { noise_per: NoisePer::Run, ..Ddad::default() };
    assert!(together.taken()[1].contains("scores depend on which images"));
}
