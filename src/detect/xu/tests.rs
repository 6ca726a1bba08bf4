use super::*;

#[test]
fn from_noise_the_steps_are_guided_diffusions_and_from_the_image_they_end_at_lambda() {
    let published = Xu::default();
    published.check(None).unwrap();
    let list = published.timesteps().unwrap().list;
    assert_eq!((published.passes(), list[0], list[1], list[249]), (250, 996, 992, 0));
    let input = Xu { start: Start::Input, lambda: 200, ..Xu::default() };
    input.check(None).unwrap();
    assert_eq!((input.passes(), input.timesteps().unwrap().list[0]), (10, 199));
    let four = Xu { sampler: Some(SamplerConfig::Ddim { steps: 5, eta: 0.0 }), ..input.clone() };
    assert_eq!(four.timesteps().unwrap().list, [199, 149, 100, 50, 0]);
    let rows = published.sampler().unwrap().rows(&published.timesteps().unwrap()).unwrap();
    // x0 is clamped, the noise derived again, and the last step ends where nothing is noise.
    assert!(rows.iter().all(|r| r.clip == 1.0 && r.eps_m == 0.0 && r.sigma == 0.0));
    assert_eq!((rows[249].next_0, rows[249].next_e), (1.0, 0.0));
    assert!(published.draws_noise());
    assert!(!Xu { noise_file: Some("x_T.safetensors".into()), ..Xu::default() }.draws_noise());
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let fault = |change: &dyn Fn(&mut Xu)| {
        let mut system = Xu::default();
        change(&mut system);
        system.check(Some(&InputConfig::square(64, 3))).unwrap_err().to_string()
    };
    let steps = |steps, eta| Some(SamplerConfig::Ddim { steps, eta });
    assert!(fault(&|s| s.sampler = Some(SamplerConfig::Ddpm)).contains("`sampler` must be ddim"));
    assert!(fault(&|s| s.sampler = steps(10, -0.1)).contains("`sampler.eta` is -0.1"));
    assert!(
        fault(&|s| s.sampler = steps(300, 0.0))
            .contains("no stride takes exactly 300 steps from 1000; the nearest is 250 or 334")
    );
    assert!(fault(&|s| s.sampler = steps(0, 0.0)).contains("0 steps"));
    assert!(fault(&|s| s.lambda = 100).contains("`lambda` must be left as it is"));
    assert!(fault(&|s| (s.start, s.lambda) = (Start::Input, 1001)).contains("`lambda` must be 1 to"));
    assert!(fault(&|s| (s.start, s.sampler) = (Start::Input, steps(251, 0.0))).contains("251 steps"));
    assert!(fault(&|s| s.layers = vec![2]).contains("`layers` must be left out where the comparer makes the map"));
    assert!(fault(&|s| s.v = 2.0).contains("where the comparer makes the map"));
    assert!(fault(&|s| (s.map, s.layers) = (MapBy::Distance, vec![0])).contains("`layers`"));
    assert!(fault(&|s| s.blur = Some(BlurConfig::Box { size: 4 })).contains("`blur`"));
    let distance = Xu { map: MapBy::Distance, variant: Variant::Paper, layers: vec![], ..Xu::default() };
    distance.check(Some(&InputConfig::square(64, 1))).unwrap();
    assert!(distance.taken().is_empty() && distance.idle("v").is_some());
    assert!(distance.idle("variant").is_some());
    let features = Xu { layers: vec![2], ..distance };
    assert!(features.idle("variant").is_none());
    assert!(Xu { normalisation: Some(Normalisation::Image), ..features }.idle("variant").is_some());
    assert!(Xu::default().taken()[0].contains("as the public test script does"));
    assert!(Xu::default().idle("layers").is_some() && Xu::default().idle("lambda").is_some());
}
