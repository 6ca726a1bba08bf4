use super::*;
use crate::detect::System;
use crate::diffusion::{Hop, Level};

fn system(set: &[(&str, &str)]) -> Result<Wolleb> {
    let mut system = System::Wolleb(Wolleb::default());
    set.iter().try_for_each(|(name, value)| system.set(name, value))?;
    system.check(None)?;
    match system {
        System::Wolleb(s) => Ok(s),
        other => panic!("{other:?}"),
    }
}

/// (timestep, timestep that is reached), −1 for the clean image and T for noise alone.
fn hops(hops: &[Hop]) -> Vec<(usize, i64)> {
    let to = |level| match level {
        Level::Clean => -1,
        Level::At(t) => t as i64,
        Level::Noise => 1000,
    };
    hops.iter().map(|h| (h.from, to(h.to))).collect()
}

#[test]
fn as_published_it_encodes_from_one_and_decodes_two_levels_below() {
    // 499 calls each way, t = 1 … 499 up and 498 … 0 down.
    let chain = system(&[]).unwrap().chain().unwrap();
    let (up, down) = (hops(&chain.encode), hops(&chain.decode));
    assert_eq!((up.len(), up[0], up[498]), (499, (1, 2), (499, 500)));
    assert_eq!((down.len(), down[0], down[498]), (499, (498, 497), (0, -1)));
    assert_eq!((chain.noised, system(&[]).unwrap().passes()), (Some(0), 998));
    // The last level of all is noise alone.
    let whole = system(&[("noise_level", "1000")]).unwrap().chain().unwrap();
    assert_eq!(hops(&whole.encode).last(), Some(&(999, 1000)));
    let least = system(&[("noise_level", "2")]).unwrap().chain().unwrap();
    assert_eq!((hops(&least.encode), hops(&least.decode)), (vec![(1, 2)], vec![(0, -1)]));
}

#[test]
fn the_paper_goes_up_and_down_the_same_levels_without_noise() {
    let s = system(&[("variant", "paper"), ("noise_level", "3")]).unwrap();
    let chain = s.chain().unwrap();
    assert_eq!(hops(&chain.encode), [(0, 1), (1, 2), (2, 3)]);
    assert_eq!(hops(&chain.decode), [(3, 2), (2, 1), (1, 0)]);
    assert_eq!((chain.noised, s.passes(), s.noise_per()), (None, 6, NoisePer::Run));
    assert!(system(&[("variant", "paper"), ("noise_level", "999")]).is_ok());
}

#[test]
fn respaced_levels_stand_for_timesteps_of_training() {
    let of = |spacing: &str, level: &str, variant: &str| {
        let s = system(&[("respacing", spacing), ("noise_level", level), ("variant", variant)]).unwrap();
        let chain = s.chain().unwrap();
        (hops(&chain.encode), hops(&chain.decode))
    };
    let (up, down) = of("ddim100", "4", "published");
    assert_eq!((up, down), (vec![(10, 20), (20, 30), (30, 40)], vec![(20, 10), (10, 0), (0, -1)]));
    let (up, down) = of("ddim100", "2", "paper");
    assert_eq!((up, down), (vec![(0, 10), (10, 20)], vec![(20, 10), (10, 0)]));
    let (up, _) = of("10,15,20", "45", "published");
    assert_eq!((up.len(), up[43]), (44, (999, 1000)));
    // Every timestep is the same as no respacing.
    assert_eq!(of("ddim1000", "500", "published"), of("none", "500", "published"));
    // The networks are fed what the rows say.
    let s = system(&[("respacing", "ddim100"), ("noise_level", "4")]).unwrap();
    let (chain, sampler) = (s.chain().unwrap(), s.sampler().unwrap());
    let times = |rows: Vec<StepRow>| rows.iter().map(|r| r.t).collect::<Vec<_>>();
    assert_eq!(times(sampler.hops(&chain.encode).unwrap()), [10.0, 20.0, 30.0]);
    assert_eq!(times(sampler.guided_hops(&chain.decode, s.scale).unwrap()), [20.0, 10.0, 0.0]);
}

#[test]
fn the_target_is_a_name_and_not_an_index() {
    assert_eq!(system(&[]).unwrap().class().unwrap(), 0);
    // CheXpert's folders by name, and MONAI's port.
    let port = [("classes", "diseased, healthy"), ("noise_level", "200"), ("scale", "6"), ("variant", "paper")];
    let s = system(&port).unwrap();
    assert_eq!((s.class().unwrap(), s.passes()), (1, 400));
    assert!(
        s.taken()[0].contains("`healthy`, which is class 1 of the networks' classes diseased, healthy"),
        "{:?}",
        s.taken()
    );
    let fault = |set: &[(&str, &str)]| system(set).unwrap_err().to_string();
    assert!(fault(&[("target", "0")]).contains("`target` is `0`, which is none of `classes`: healthy, diseased"));
    assert!(fault(&[("classes", "no,yes")]).contains("`target` is `healthy`"));
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let fault = |set: &[(&str, &str)]| system(set).map(|s| format!("{s:?}")).unwrap_err().to_string();
    for (set, says) in [
        (
            &[("noise_level", "1")][..],
            "`noise_level` is 1, but a level is counted in steps of the schedule, which has 1000",
        ),
        (&[("noise_level", "1001")], "it must be 2 to 1000"),
        (&[("noise_level", "1000"), ("variant", "paper")], "it must be 1 to 999"),
        (&[("respacing", "ddim100")], "which has 100 after respacing: it must be 2 to 100"),
        (&[("respacing", "ddim300")], "`respacing`: no stride takes exactly 300 steps"),
        (&[("respacing", "2000"), ("noise_level", "5")], "`respacing`: a section of 1000"),
        (&[("respacing", "1"), ("noise_level", "5")], "`respacing` must leave two steps"),
        (&[("respacing", "few")], "`respacing` cannot be `few`: it must be none, ddimN, or counts by commas"),
        (&[("variant", "monai")], "`variant` cannot be `monai`: it must be published, paper"),
        (&[("scale", "-1")], "`scale` cannot be `-1`"),
        (&[("scale", "inf")], "`scale` cannot be `inf`"),
        (&[("classes", "healthy")], "`classes` must be a list of two or more names"),
        (&[("classes", "healthy,healthy")], "names that differ"),
        (&[("classes", "healthy,very ill")], "`classes` cannot be `healthy,very ill`"),
        (&[("difference", "squared")], "`difference` cannot be `squared`: it must be sum, min_max"),
        (&[("lambda", "3")], "Wolleb et al. has no setting `lambda`; it has variant, noise_level, scale"),
    ] {
        let said = fault(set);
        assert!(said.contains(says), "{set:?}: {said}");
    }
    for (json, says) in [
        (r#"{"method": "wolleb", "noise_levels": 3}"#, "noise_levels"),
        (r#"{"method": "wolleb", "target": 0}"#, "`target` is the number 0, but a text is needed"),
        (r#"{"method": "wolleb", "variant": "monai"}"#, "monai"),
    ] {
        let value = serde_json::from_str::<serde_json::Value>(json).unwrap();
        let said = crate::json::from_value::<System>(&value).unwrap_err();
        assert!(said.contains(says), "{json}: {said}");
    }
    let named: System =
        crate::json::from_value(&serde_json::json!({"method": "wolleb", "classes": ["a b", "c"], "target": "c"}))
            .unwrap();
    assert!(named.check(None).unwrap_err().to_string().contains("names that differ, of letters"));
}

#[test]
fn a_level_may_be_set_before_its_respacing() {
    let s = system(&[("respacing", "ddim100"), ("noise_level", "50"), ("respacing", "none"), ("noise_level", "500")])
        .unwrap();
    assert_eq!(s, Wolleb::default());
    let s = System::Wolleb(system(&[("respacing", "ddim50"), ("noise_level", "9")]).unwrap());
    let setting = s.settings().iter().find(|s| s.name == "noise_level").unwrap();
    assert_eq!(s.range(setting).to_string(), "2 to 50");
}

#[test]
fn how_masks_are_cut_changes_no_score() {
    use crate::detect::config::{DetectorConfig, InputConfig};
    let config = |set: &str| {
        let mut system = System::Wolleb(Wolleb::default());
        let (name, value) = set.split_once('=').unwrap();
        system.set(name, value).unwrap();
        DetectorConfig::new("a", Some(InputConfig::square(64, 1)), system)
    };
    let plain = config("scale=100");
    assert_eq!(config("otsu=true").changed(&plain), None);
    assert!(config("otsu=true").segments() && !plain.segments());
    assert_eq!(config("scale=99").changed(&plain).as_deref(), Some("`scale`"));
    assert_eq!(config("respacing=ddim1000").changed(&plain).as_deref(), Some("`respacing`"));
}
