//! The metrics against scikit-learn's and scikit-image's (`tests/reference/metrics.py`), and against definitions written
//! out a second time.
use proptest::prelude::*;
use residua::data::{Map, Mask};
use residua::eval::{DEFECTIVE, GOOD, HELD, Measures, PRO_LIMIT, PixelMeasures, Pixels, measure, measure_intervals};
use serde_json::Value;

const TOLERANCE: f64 = 1e-9;

fn reference() -> Value {
    serde_json::from_str(include_str!("../reference/metrics.json")).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn list<T>(value: &Value, one: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().unwrap().iter().map(one).collect()
}

fn hold(case: &Value, got: &Measures) {
    for (name, value) in Measures::NAMES.iter().zip(got.values()) {
        match (case.get(name), value) {
            (Some(want), Some(got)) => {
                assert!((number(want) - got).abs() < TOLERANCE, "{}, {name}: {got} for {want}", case["name"])
            }
            (None, None) => {}
            other => panic!("{}, {name}: {other:?}", case["name"]),
        }
    }
}

fn pixels(scene: &[(String, Map, Mask)], limit: usize) -> PixelMeasures {
    let folder = tempfile::tempdir().unwrap();
    let mut pixels = Pixels::new(folder.path(), limit);
    for (defect, map, mask) in scene {
        pixels.add(defect, map, mask).unwrap();
    }
    let room = |defective: bool| if defective { DEFECTIVE } else { 1 };
    let seen: usize = scene.iter().flat_map(|s| &s.2.data).map(|&d| room(d)).sum();
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        usize::from(seen >= limit),
        "a file when there is need"
    );
    let done = pixels.finish().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "and none afterwards");
    done
}

#[test]
fn image_metrics_are_scikit_learns() {
    for case in reference()["images"].as_array().unwrap() {
        let labels = list(&case["labels"], |v| v.as_bool().unwrap());
        let scored: Vec<_> = list(&case["scores"], number).into_iter().zip(labels).collect();
        let got = measure(&scored).unwrap();
        hold(case, &got);
        assert_eq!((got.curve.roc.first(), got.curve.roc.last()), (Some(&[0.0, 0.0]), Some(&[1.0, 1.0])));
        let intervals = measure_intervals(&scored);
        for (name, (value, interval)) in Measures::NAMES.iter().zip(got.values().into_iter().zip(intervals)) {
            let Some([low, high]) = interval else { continue };
            assert!((0.0..=1.0).contains(&low) && low <= high && high <= 1.0, "{name}");
            let value = value.unwrap();
            assert!(scored.len() < 60 || (low..=high).contains(&value), "{name}: {value} in [{low}, {high}]");
        }
    }
    assert!(measure(&[(0.5, true), (0.1, true)]).is_none());
    assert!(measure(&[(f64::NAN, true), (0.1, false)]).is_none());
}

#[test]
fn pixel_metrics_are_scikit_learns_in_memory_and_from_disk() {
    for case in reference()["pixels"].as_array().unwrap() {
        let rows = |v: &Value| list(v, |row| list(row, number));
        let maps = list(&case["maps"], rows);
        let masks = list(&case["masks"], rows);
        let scene: Vec<_> = maps
            .iter()
            .zip(&masks)
            .map(|(map, mask)| {
                let (height, width) = (map.len(), map[0].len());
                let map = Map::new(width, height, map.concat().iter().map(|&v| v as f32).collect()).unwrap();
                let mask = Mask { width, height, data: mask.concat().iter().map(|&v| v > 0.0).collect() };
                (if mask.any() { "scratch" } else { GOOD }.to_owned(), map, mask)
            })
            .collect();
        let [whole, spilled] = [HELD, 50].map(|limit| pixels(&scene, limit));
        hold(case, whole.all.as_ref().unwrap());
        // As `--pixel-threshold` cuts maps.
        let best = whole.all.as_ref().unwrap();
        let values = scene.iter().flat_map(|(_, map, mask)| map.data.iter().zip(&mask.data));
        let found = values.clone().filter(|(v, _)| **v > best.threshold as f32);
        let (hits, all) = (found.clone().filter(|(_, y)| **y).count(), found.count());
        let dice = 2.0 * hits as f64 / (all + values.filter(|(_, y)| **y).count()) as f64;
        assert!((dice - best.f1).abs() < 1e-12, "{dice} and {}", best.f1);
        assert_eq!(whole.regions, case["regions"].as_u64().unwrap());
        assert_eq!(whole.all, spilled.all, "to the last bit");
        assert_eq!(whole.all.as_ref().unwrap().values(), whole.defects[0].1.as_ref().unwrap().values());
    }
}

/// Regions by spreading the smallest index among neighbours until nothing changes.
fn spread(mask: &Mask) -> Vec<Vec<usize>> {
    let mut own: Vec<usize> = (0..mask.data.len()).collect();
    let near = |a: usize, b: usize| {
        (a % mask.width).abs_diff(b % mask.width) <= 1 && (a / mask.width).abs_diff(b / mask.width) <= 1
    };
    let inside: Vec<usize> = (0..mask.data.len()).filter(|&p| mask.data[p]).collect();
    let mut changed = true;
    while changed {
        changed = false;
        for &a in &inside {
            for &b in inside.iter().filter(|&&b| near(a, b)) {
                if own[b] < own[a] {
                    (own[a], changed) = (own[b], true);
                }
            }
        }
    }
    let roots = inside.iter().filter(|&&p| own[p] == p);
    roots.map(|&root| inside.iter().copied().filter(|&p| own[p] == root).collect()).collect()
}

/// Every metric by its definition, counting anew at every threshold.
fn by_definition(scene: &[(String, Map, Mask)]) -> [f64; 6] {
    let all: Vec<(f32, bool)> =
        scene.iter().flat_map(|(_, map, mask)| map.data.iter().copied().zip(mask.data.iter().copied())).collect();
    let of = |label: bool| all.iter().copied().filter(|p| p.1 == label).collect::<Vec<_>>();
    let (yes, no) = (of(true), of(false));
    let pairs = yes.iter().flat_map(|a| no.iter().map(|b| (a.0, b.0)));
    let won: f64 = pairs
        .map(|(a, b)| {
            if a > b {
                1.0
            } else if a == b {
                0.5
            } else {
                0.0
            }
        })
        .sum();
    let mut thresholds: Vec<f32> = all.iter().map(|p| p.0).collect();
    thresholds.sort_unstable_by(|a, b| b.total_cmp(a));
    thresholds.dedup();
    let (mut auprc, mut f1, mut iou, mut fpr95, mut recall) = (0.0, 0.0f64, 0.0f64, None, 0.0);
    let (mut corner, mut area) = ((0.0, 0.0), 0.0);
    for t in thresholds {
        let tp = yes.iter().filter(|p| p.0 >= t).count() as f64;
        let fp = no.iter().filter(|p| p.0 >= t).count() as f64;
        let (tpr, fpr) = (tp / yes.len() as f64, fp / no.len() as f64);
        auprc += (tpr - recall) * tp / (tp + fp);
        recall = tpr;
        f1 = f1.max(2.0 * tp / (tp + fp + yes.len() as f64));
        iou = iou.max(tp / (fp + yes.len() as f64));
        fpr95 = fpr95.or((tpr >= 0.95).then_some(fpr));
        let shares: Vec<f64> = scene
            .iter()
            .flat_map(|(_, map, mask)| {
                let found = |region: Vec<usize>| {
                    region.iter().filter(|&&p| map.data[p] >= t).count() as f64 / region.len() as f64
                };
                spread(mask).into_iter().map(found).collect::<Vec<_>>()
            })
            .collect();
        let overlap = shares.iter().sum::<f64>() / shares.len() as f64;
        let (x0, y0): (f64, f64) = corner;
        let x = fpr.min(PRO_LIMIT);
        if x > x0 {
            let y = y0 + (overlap - y0) * (x - x0) / (fpr - x0);
            area += (x - x0) * (y0 + y) / 2.0;
        }
        corner = (fpr, overlap);
    }
    [won / (yes.len() * no.len()) as f64, auprc, f1, iou, fpr95.unwrap(), area / PRO_LIMIT]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn a_stream_gives_what_the_definitions_give(
        images in prop::collection::vec((1usize..7, 1usize..7, prop::collection::vec((0u8..12, 0u8..4), 36)), 2..6),
        limit in 1usize..40,
    ) {
        let mut scene: Vec<_> = images.iter().enumerate().map(|(i, (width, height, cells))| {
            let cells = &cells[..width * height];
            let data = cells.iter().map(|c| (f32::from(c.0) - 3.0) / 7.0).collect();
            let mask = Mask { width: *width, height: *height, data: cells.iter().map(|c| c.1 == 0).collect() };
            let defect = if mask.any() { format!("d{}", i % 2) } else { GOOD.into() };
            (defect, Map::new(*width, *height, data).unwrap(), mask)
        }).collect();
        // Neither label may be missing.
        scene[0].2.data[0] = true;
        scene[0].0 = "d0".into();
        scene.push((GOOD.into(), Map::new(1, 1, vec![0.25]).unwrap(), Mask::empty(1, 1)));
        let got = pixels(&scene, limit);
        let want = by_definition(&scene);
        let values = got.all.unwrap().values();
        for ((name, got), want) in Measures::NAMES.iter().zip(values).zip(want) {
            prop_assert!((got.unwrap() - want).abs() < TOLERANCE, "{name}: {got:?} for {want}");
        }
        for (defect, own) in got.defects {
            let part: Vec<_> = scene.iter().filter(|s| s.0 == defect || s.0 == GOOD).cloned().collect();
            for ((name, got), want) in Measures::NAMES.iter().zip(own.unwrap().values()).zip(by_definition(&part)) {
                prop_assert!((got.unwrap() - want).abs() < TOLERANCE, "{defect}, {name}: {got:?} for {want}");
            }
        }
    }
}

#[test]
fn maps_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut pixels = Pixels::new(folder.path(), HELD);
    let map = |v: f32| Map::new(2, 1, vec![0.0, v]).unwrap();
    assert!(pixels.add(GOOD, &map(1.0), &Mask::empty(1, 2)).unwrap_err().to_string().contains("2x1"));
    assert!(pixels.add(GOOD, &map(f32::NAN), &Mask::empty(2, 1)).is_err());
    pixels.add(GOOD, &map(1.0), &Mask::empty(2, 1)).unwrap();
    let done = pixels.finish().unwrap();
    assert!(done.all.is_none() && done.defects.is_empty());
    assert_eq!((done.total.negatives, done.total.positives), (2, 0));
}

/// `RESIDUA_STREAM` images (100 by default) of a million pixels with distinct scores, by hand:
/// `cargo test --release --test metrics -- --ignored --nocapture`.
#[test]
#[ignore = "writes gigabytes"]
fn a_long_stream_stays_within_memory() {
    let count = std::env::var("RESIDUA_STREAM").ok().and_then(|n| n.parse().ok()).unwrap_or(100u64);
    let folder = tempfile::tempdir().unwrap();
    let mut pixels = Pixels::new(folder.path(), HELD);
    let side = 1000;
    let begin = std::time::Instant::now();
    let (mut state, mut most) = (1u64, 0);
    for image in 0..count {
        let mask = Mask {
            width: side,
            height: side,
            data: (0..side * side).map(|p| image % 3 == 0 && p / side < 30 && p % side < 300).collect(),
        };
        let draw = |&defective: &bool| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32 + 0.2 * f32::from(u8::from(defective))
        };
        let map = Map::new(side, side, mask.data.iter().map(draw).collect()).unwrap();
        pixels.add(if mask.any() { "scratch" } else { GOOD }, &map, &mask).unwrap();
        let files = std::fs::read_dir(folder.path()).unwrap().flatten();
        most = most.max(files.map(|f| f.metadata().map_or(0, |m| m.len())).sum::<u64>());
    }
    let got = pixels.finish().unwrap();
    let auroc = got.all.unwrap().auroc;
    // A score that is uniform on [0.2, 1.2] exceeds one on [0, 1] with probability 1 - 0.8^2 / 2.
    assert!((auroc - 0.68).abs() < 1e-3, "{auroc}");
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or("VmHWM unknown").to_owned();
    println!("{count} images in {:?}, {most} bytes on disk, {peak}", begin.elapsed());
}
