//! What is done with the maps of a volume: the erosion of the foreground and the median.
use super::*;

/// The square's median with mirrored borders, and a foreground without its outermost ring, both as they are defined.
#[test]
fn maps_may_be_eroded_at_the_foreground_and_smoothed_by_a_median() {
    let p = place();
    let model = model(&p, r#", "threshold": 0"#);
    // Black around an ellipse, so that there is a foreground.
    let inside = |y: usize, x: usize| (2 * x as isize - 31).pow(2) + (3 * y as isize - 35).pow(2) < 900;
    let pixel = |x: u32, y: u32| {
        let value = (x * 7 + y * 3) % 200 + 40;
        image::Luma([if inside(y as usize, x as usize) { value as u8 } else { 0 }])
    };
    image::GrayImage::from_fn(32, 24, pixel).save(p.at("in/a.png")).unwrap();
    let plain = map(&p, &model, "in/a.png", &[]);
    let eroded = |y: usize, x: usize| {
        let near = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)].map(|(v, u)| (y as isize + v, x as isize + u));
        near.iter().all(|&(v, u)| (0..24).contains(&v) && (0..32).contains(&u) && inside(v as usize, u as usize))
    };
    let at = |i: usize| (i / 32, i % 32);
    let masked: Vec<f32> = (0..24 * 32).map(|i| if eroded(at(i).0, at(i).1) { plain[i] } else { 0.0 }).collect();
    assert!(masked.iter().filter(|&&v| v > 0.0).count() > 50 && masked != plain);
    assert_eq!(map(&p, &model, "in/a.png", &["--set", "erosion=1"]), masked);
    let mirrored = |i: isize, n: isize| {
        if i < 0 {
            -1 - i
        } else if i >= n {
            2 * n - 1 - i
        } else {
            i
        }
    };
    let median = |i: usize| {
        let (y, x) = (at(i).0 as isize, at(i).1 as isize);
        let all = (y - 1..=y + 1).flat_map(|v| (x - 1..=x + 1).map(move |u| (v, u)));
        let mut all: Vec<f32> = all.map(|(v, u)| masked[(mirrored(v, 24) * 32 + mirrored(u, 32)) as usize]).collect();
        all.sort_by(f32::total_cmp);
        all[4]
    };
    let want: Vec<f32> = (0..24 * 32).map(median).collect();
    assert_eq!(map(&p, &model, "in/a.png", &["--set", "erosion=1", "--set", "median=3"]), want);
    let (input, out) = (p.text("in"), p.text("out"));
    let args = ["detect", &input, "--model", &model, "--out", &out, "--set", "median=4"];
    refused(&args, "`median` must be odd and up to 31");

    // Then a volume is judged as a whole.
    nifti(&p.at("in/scan.nii"), [32, 24, 3], 1, &(0..32 * 24 * 3).map(|i| (i * 7 % 251) as u8).collect::<Vec<_>>());
    let (code, said, results) = p.detect(&model, &["--set", "median=3"]);
    assert!(code == 0 && results["volumes"][0]["score"].is_number(), "{said}");
}

/// An image whose latents all fit well has an empty mask: a verdict, and no fault of the image. One whose foreground the erosion takes away
/// was never judged.
#[test]
fn a_map_of_zeros_is_a_verdict_unless_nothing_was_left_to_judge() {
    let p = place();
    let model = model(&p, r#", "threshold": 1000000"#);
    let warned = |more: &[&str]| {
        let (code, said, results) = p.detect(&model, more);
        assert!(code == 0 && results["records"][0]["score"] == 0.0, "{said}");
        results["records"][0]["warnings"].to_string().contains("its map is empty")
    };
    assert!(!warned(&[]) && !warned(&["--set", "median=3"]) && !warned(&["--set", "erosion=1"]));
    assert!(warned(&["--set", "erosion=100"]) && warned(&["--set", "erosion=100", "--set", "median=3"]));
    let (normal, device) = (p.text("normal"), ["--device", "cpu"]);
    let calibrate = |more: &[&str]| run(&[&["calibrate", &normal, "--model", &model], more, &device].concat());
    for settings in [&[][..], &["--set", "erosion=1"]] {
        let (code, out, err) = calibrate(settings);
        assert_eq!(code, 0, "{settings:?}: {out}{err}");
    }
    let (code, _, err) = calibrate(&["--set", "erosion=100"]);
    assert!(code == 2 && err.contains("its map is empty, so that it tells nothing about normal images"), "{err}");
}

#[test]
fn the_mask_of_latents_is_shown() {
    let p = place();
    let model = model(&p, "");
    let shown = |threshold: &str| {
        let (code, said, _) = p.detect(&model, &["--set", threshold]);
        assert_eq!(code, 0, "{said}");
        let page = std::fs::read_to_string(p.at("out/report.html")).unwrap();
        assert!(page.contains("Latent mask"));
        image::open(p.at("out/a/latent-mask.png")).unwrap().to_luma8()
    };
    let (all, none, some) = (shown("threshold=0"), shown("threshold=1000000"), shown("threshold=0.5"));
    assert_eq!(all.dimensions(), (32, 24));
    assert!(all.pixels().all(|v| v.0 == [255]) && none.pixels().all(|v| v.0 == [0]), "all of it, and nothing");
    // A latent is 4x4 pixels of the image.
    assert!(some.enumerate_pixels().all(|(x, y, v)| v == some.get_pixel(x / 4 * 4, y / 4 * 4)));
    let (code, said, _) = p.detect(&model, &["--set", "map=divergence"]);
    assert!(code == 0 && !p.at("out/a/latent-mask.png").exists(), "{said}");
}
