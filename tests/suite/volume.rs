//! The post-processing of volumes against SciPy's and scikit-image's (`tests/reference/volume.py`), and against
//! definitions written out a second time.
use proptest::prelude::*;
use residua::score::{
    Holes, MAX_SIDE, Overlap, ROUNDS, Voxels, best_threshold, bracket_threshold, components, drop_small, erode,
    foreground_mean, masked, median3d,
};
use serde_json::Value;

fn cases(of: &str) -> Vec<Value> {
    let reference: Value = serde_json::from_str(include_str!("../reference/volume.json")).unwrap();
    let cases = reference[of].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn dims(case: &Value) -> [usize; 3] {
    let dims = list(&case["dims"]);
    [dims[0] as usize, dims[1] as usize, dims[2] as usize]
}

fn bits(value: &Value) -> Vec<bool> {
    value.as_str().unwrap().bytes().map(|b| b == b'1').collect()
}

fn mask(case: &Value, key: &str) -> Voxels<bool> {
    Voxels::new(dims(case), bits(&case[key])).unwrap()
}

fn map(case: &Value) -> Voxels<f32> {
    Voxels::new(dims(case), list(&case["map"]).iter().map(|v| *v as f32 / 8.0).collect()).unwrap()
}

#[test]
fn medians_are_scipys() {
    for case in cases("median") {
        let got = median3d(&map(&case), case["side"].as_u64().unwrap() as usize).unwrap();
        let got: Vec<f64> = got.data().iter().map(|&v| f64::from(v) * 8.0).collect();
        assert_eq!(got, list(&case["median"]), "{} with side {}", case["dims"], case["side"]);
    }
}

#[test]
fn erosions_are_scipys() {
    for case in cases("erosion") {
        let eroded = case["eroded"].as_array().unwrap();
        let mask = Voxels::new(dims(&case), bits(&eroded[0])).unwrap();
        for (iterations, want) in eroded.iter().enumerate() {
            assert_eq!(erode(&mask, iterations).data(), bits(want), "{}, {iterations} times", case["dims"]);
        }
        assert!(erode(&mask, 1000).data().iter().all(|inside| !inside));
    }
}

#[test]
fn components_are_scipys_and_drop_by_scikit_images_filled_area() {
    for case in cases("components") {
        let (name, mask) = (&case["name"], mask(&case, "mask"));
        let found = components(&mask);
        let labels: Vec<f64> = found.labels.data().iter().map(|&l| l.into()).collect();
        assert_eq!(labels, list(&case["labels"]), "{name}");
        for (i, &size) in found.sizes.iter().enumerate() {
            assert_eq!(size, labels.iter().filter(|&&l| l == i as f64 + 1.0).count(), "{name}, component {}", i + 1);
        }
        assert_eq!(drop_small(&mask, 0, Holes::Keep), mask);
        for dropped in case["dropped"].as_array().unwrap() {
            let largest = dropped["largest"].as_u64().unwrap() as usize;
            for (holes, want) in [(Holes::Keep, "kept"), (Holes::Fill, "filled")] {
                let got = drop_small(&mask, largest, holes);
                assert_eq!(got.data(), bits(&dropped[want]), "{name}, up to {largest}, {holes:?}");
            }
        }
    }
}

#[test]
fn thresholds_are_bracketed_as_described() {
    for case in cases("bracket") {
        let volumes: Vec<_> =
            case["volumes"].as_array().unwrap().iter().map(|volume| (map(volume), mask(volume, "mask"))).collect();
        let borrowed: Vec<_> = volumes.iter().map(|(map, mask)| (map, mask)).collect();
        let got = best_threshold(&borrowed).unwrap();
        assert!((got.dice - case["dice"].as_f64().unwrap()).abs() < 1e-12, "{got:?}");
        assert!((got.threshold - case["threshold"].as_f64().unwrap()).abs() < 1e-12, "{got:?}");
        let max = volumes.iter().flat_map(|(map, _)| map.data()).fold(0.0, |max: f32, &v| max.max(v));
        let mut tried = Vec::new();
        let streamed = bracket_threshold(max.into(), ROUNDS, |threshold| {
            tried.push(threshold);
            let mut overlap = Overlap::default();
            for (map, mask) in &volumes {
                overlap.add(map.data(), mask.data(), threshold)?;
            }
            Ok(overlap.dice())
        });
        assert_eq!(streamed.unwrap(), got);
        assert_eq!(tried, list(&case["tried"]));
        for ((map, mask), want) in volumes.iter().zip(case["means"].as_array().unwrap()) {
            match (foreground_mean(map, mask).unwrap(), want.as_f64()) {
                (Some(got), Some(want)) => assert!((got - want).abs() < 1e-12),
                (got, want) => assert_eq!(got, want),
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let small = Voxels::new([1, 1, 2], vec![1.0, 2.0]).unwrap();
    let other = Voxels::new([1, 2, 1], vec![true, false]).unwrap();
    let same = Voxels::new([1, 1, 2], vec![true, false]).unwrap();
    assert!(masked(&small, &other).unwrap_err().to_string().contains("1x1x2 and a mask of 1x2x1"));
    assert!(foreground_mean(&small, &other).is_err() && best_threshold(&[(&small, &other)]).is_err());
    assert_eq!(masked(&small, &same).unwrap().data(), [1.0, 0.0]);
    assert_eq!(median3d(&small, 1).unwrap(), small);
    for side in [0, 2, MAX_SIDE + 2] {
        assert!(median3d(&small, side).unwrap_err().to_string().contains("odd"));
    }
    let nan = Voxels::new([1, 1, 2], vec![1.0, f32::NAN]).unwrap();
    assert!(median3d(&nan, 3).unwrap_err().to_string().contains("NaN") && best_threshold(&[(&nan, &same)]).is_err());
    assert!(best_threshold(&[]).is_err());
    assert!(bracket_threshold(f64::NAN, 10, |_| Ok(0.0)).is_err() && bracket_threshold(1.0, 0, |_| Ok(0.0)).is_err());
    assert!(Overlap::default().add(&[1.0], &[], 0.0).is_err());
    for (dims, count) in [([0, 1, 1], 0), ([1, 2, 2], 3), ([usize::MAX, 2, 1], 2), ([1 << 16, 1 << 16, 1], 1)] {
        assert!(Voxels::new(dims, vec![false; count]).is_err(), "{dims:?}");
    }
}

/// The window's values, sorted; positions outside are mirrored step by step.
fn naive_median(map: &Voxels<f32>, side: usize) -> Vec<f32> {
    let [depth, height, width] = map.dims();
    let mirror = |mut at: isize, len: usize| {
        while !(0..len as isize).contains(&at) {
            at = if at < 0 { -1 - at } else { 2 * len as isize - 1 - at };
        }
        at as usize
    };
    let reach = (side / 2) as isize;
    let around = |at: usize, len: usize| -> Vec<usize> {
        (-reach..=reach).map(|step| mirror(at as isize + step, len)).collect()
    };
    let mut medians = Vec::new();
    for at in 0..map.data().len() {
        let (zs, ys, xs) =
            (around(at / width / height, depth), around(at / width % height, height), around(at % width, width));
        let mut window = Vec::new();
        for z in zs {
            for y in &ys {
                window.extend(xs.iter().map(|x| map.data()[(z * height + y) * width + x]));
            }
        }
        window.sort_by(f32::total_cmp);
        medians.push(window[window.len() / 2]);
    }
    medians
}

#[test]
fn medians_across_the_seams_of_tiles() {
    for dims in [[11, 11, 261], [1, 70, 20], [3, 25, 300]] {
        let mut state = 7u32;
        let values = (0..dims.iter().product()).map(|_| {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            (state >> 16) as f32
        });
        let map = Voxels::new(dims, values.collect()).unwrap();
        assert_eq!(median3d(&map, 3).unwrap().data(), naive_median(&map, 3), "{dims:?}");
    }
}

/// Labels by flooding from every voxel that has none yet.
fn flooded(mask: &Voxels<bool>) -> Vec<u32> {
    let size = mask.dims().map(|side| side as isize);
    let index = |p: [isize; 3]| ((p[0] * size[1] + p[1]) * size[2] + p[2]) as usize;
    let mut labels = vec![0; mask.data().len()];
    let mut next = 1;
    for first in 0..labels.len() {
        let at = first as isize;
        let mut pending = vec![[at / size[2] / size[1], at / size[2] % size[1], at % size[2]]];
        let before = labels.clone();
        while let Some(p) = pending.pop() {
            let inside = p.iter().zip(size).all(|(&p, side)| (0..side).contains(&p));
            if inside && mask.data()[index(p)] && labels[index(p)] == 0 {
                labels[index(p)] = next;
                pending.extend((0..27).map(|n| [p[0] + n / 9 - 1, p[1] + n / 3 % 3 - 1, p[2] + n % 3 - 1]));
            }
        }
        next += u32::from(labels != before);
    }
    labels
}

/// A volume of small axes, its values from `of`.
fn voxels<T: Clone + std::fmt::Debug>(of: impl Strategy<Value = T> + Clone) -> impl Strategy<Value = Voxels<T>> {
    (1usize..6, 1usize..7, 1usize..9).prop_flat_map(move |(depth, height, width)| {
        let values = prop::collection::vec(of.clone(), depth * height * width);
        values.prop_map(move |values| Voxels::new([depth, height, width], values).unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn medians_are_those_of_sorted_windows(
        map in voxels(prop_oneof![
            -1e3f32..1e3,
            (-2i8..3).prop_map(f32::from),
            Just(f32::INFINITY),
            Just(f32::NEG_INFINITY),
            Just(f32::MIN_POSITIVE / 2.0),
        ]),
        half in 1usize..5,
    ) {
        prop_assert_eq!(median3d(&map, 2 * half + 1).unwrap().into_data(), naive_median(&map, 2 * half + 1));
    }

    #[test]
    fn components_are_what_a_flood_reaches(
        mask in (0.05..0.9).prop_flat_map(|share| voxels(prop::bool::weighted(share))),
    ) {
        let found = components(&mask);
        prop_assert_eq!(found.sizes.len() as u32, *found.labels.data().iter().max().unwrap());
        prop_assert_eq!(found.labels.into_data(), flooded(&mask));
    }
}

/// A map like those of brains, zero outside an ellipsoid: `cargo test --test volume -- --ignored --nocapture`.
#[test]
#[ignore = "measures time"]
fn time_on_a_large_volume() {
    let dims = [155, 240, 240];
    let mut state = 1u32;
    let values = (0..dims.iter().product::<usize>()).map(|at| {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        let place = [at / 240 / 240, at / 240 % 240, at % 240];
        let radius: f32 = place.iter().zip(dims).map(|(&p, side)| (p as f32 / side as f32 - 0.5).powi(2)).sum();
        (radius < 0.16, (state >> 8) as f32 / (1 << 24) as f32)
    });
    let (inside, noise): (Vec<bool>, Vec<f32>) = values.unzip();
    let brain = Voxels::new(dims, inside).unwrap();
    let noise = Voxels::new(dims, noise).unwrap();
    let timed = |name: &str, work: &dyn Fn()| {
        let start = std::time::Instant::now();
        work();
        println!("{name}: {:.2} s", start.elapsed().as_secs_f64());
    };
    let map = masked(&noise, &brain).unwrap();
    timed("erosion, 9 times", &|| drop(erode(&brain, 9)));
    timed("median of 5, brain", &|| drop(median3d(&map, 5).unwrap()));
    timed("median of 5, noise everywhere", &|| drop(median3d(&noise, 5).unwrap()));
    let spots = Voxels::new(dims, noise.data().iter().map(|&v| v > 0.95).collect()).unwrap();
    timed("small components of noise, dropped", &|| drop(drop_small(&spots, 7, Holes::Keep)));
    timed("small components of noise, dropped, holes filled", &|| drop(drop_small(&spots, 7, Holes::Fill)));
    timed("best threshold", &|| assert!(best_threshold(&[(&map, &brain)]).unwrap().dice > 0.5));
}
