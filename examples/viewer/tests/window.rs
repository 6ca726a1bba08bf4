//! The window, looked at: screenshots that the viewer takes of itself, on the display that `test.sh` provides.
use image::{RgbImage, imageops};
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The model's limit between normal and anomalous is in the middle of the colours.
const MIDDLE: usize = 128;

/// One window at a time: a software driver takes minutes to compile a network's shaders the first time, and keeps them.
static ONE: Mutex<()> = Mutex::new(());

/// A window that has ended.
struct Window {
    code: Option<i32>,
    /// What it says of itself.
    said: String,
    error: String,
    image: RgbImage,
    /// x, y, width and height of each picture in it.
    places: HashMap<String, [u32; 4]>,
}

impl Window {
    /// Opens the viewer and waits until it has taken its screenshot; none where there is no display.
    fn open(name: &str, arguments: &[&str]) -> Option<Window> {
        if std::env::var_os("DISPLAY").is_none() {
            let required = std::env::var_os("RESIDUA_REQUIRE_GPU").is_some();
            assert!(!required, "RESIDUA_REQUIRE_GPU is set, but there is no display");
            println!("SKIPPED: no display; examples/viewer/test.sh provides one");
            return None;
        }
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let file = std::env::temp_dir().join(format!("residua-viewer-{name}-{}.png", std::process::id()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_residua-viewer"));
        command.args(arguments).arg("--screenshot").arg(&file).env("WINIT_X11_SCALE_FACTOR", "1");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(900);
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("{name}: the window was still open after a quarter of an hour");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let (mut said, mut error) = (String::new(), String::new());
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        let code = child.wait().unwrap().code();
        assert!(!error.contains("panicked"), "{name}: {error}");
        let image = image::open(&file).unwrap_or_else(|e| panic!("{name}: {e}; {error}")).into_rgb8();
        std::fs::remove_file(&file).unwrap();
        let place = |line: &str| {
            let (name, numbers) = line.split_once(": ")?;
            let numbers: Vec<u32> = numbers.split(' ').filter_map(|n| n.parse().ok()).collect();
            Some((name.to_owned(), numbers.try_into().ok()?))
        };
        let places = said.lines().filter_map(place).collect();
        Some(Window { code, said, error, image, places })
    }
    /// One of the pictures in it.
    fn part(&self, name: &str) -> RgbImage {
        let [x, y, width, height] = self.places[name];
        assert!(x + width <= self.image.width() && y + height <= self.image.height(), "{name} is cut off");
        imageops::crop_imm(&self.image, x, y, width, height).to_image()
    }
    /// For each pixel of the heat map whether it has the threshold's colour or a hotter one.
    fn hot(&self) -> Vec<bool> {
        let colours: Vec<[u8; 3]> = (0..256u32).map(|i| residua::data::heat(i as f32 / 255.0)).collect();
        let far = |a: &[u8; 3], b: &[u8; 3]| (0..3).map(|c| u32::from(a[c].abs_diff(b[c])).pow(2)).sum::<u32>();
        let nearest = |p: &[u8; 3]| (0..256).min_by_key(|i| far(p, &colours[*i])).unwrap();
        self.part("Heat map").pixels().map(|p| nearest(&p.0) >= MIDDLE).collect()
    }
}

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/texture/samples")
}

fn sample(name: &str) -> String {
    samples().join(name).to_str().unwrap().to_owned()
}

/// A file's picture at the size at which the window shows it.
fn file(name: &str, like: &RgbImage) -> RgbImage {
    let picture = image::open(sample(name)).unwrap().into_rgb8();
    imageops::resize(&picture, like.width(), like.height(), imageops::FilterType::Triangle)
}

fn share(flags: &[bool]) -> f64 {
    flags.iter().filter(|f| **f).count() as f64 / flags.len() as f64
}

/// Mean distance of two pictures in the pixels that are `chosen`, of 255.
fn distance(a: &RgbImage, b: &RgbImage, chosen: impl Fn(usize) -> bool) -> f64 {
    let pairs = a.pixels().zip(b.pixels()).enumerate().filter(|(i, _)| chosen(*i));
    let apart: Vec<f64> = pairs.map(|(_, (a, b))| f64::from(a[0].abs_diff(b[0]))).collect();
    apart.iter().sum::<f64>() / apart.len() as f64
}

#[test]
fn a_defect_is_hot_and_restored_where_it_is() {
    for name in ["foreign", "stain"] {
        let picture = format!("defect/{name}.png");
        let arguments = [&sample(&picture), "--model", "texture", "--size", "1100x580"];
        let Some(window) = Window::open(name, &arguments) else { return };
        assert_eq!(window.code, Some(0), "{}", window.error);
        assert_eq!(window.image.dimensions(), (1100, 580));
        let number = |after: &str| -> usize {
            let (_, rest) = window.said.split_once(after).unwrap_or_else(|| panic!("{}", window.said));
            rest.split(' ').next().unwrap().parse().unwrap()
        };
        let (steps, frames) = (number("in "), number("over "));
        assert!(steps > 20 && frames >= steps, "{steps} steps over {frames} frames: the window stood still");
        let [left, middle, right] = ["Picture", "Heat map", "Reconstruction"].map(|n| window.places[n]);
        assert!(left[1..] == middle[1..] && middle[1..] == right[1..], "one height and one size");
        assert!(left[0] + left[2] < middle[0] && middle[0] + middle[2] < right[0], "side by side");
        assert!(left[2] >= 300 && left[3] == left[2], "large, and as square as the file: {left:?}");

        let shown = window.part("Picture");
        let off = distance(&shown, &file(&picture, &shown), |_| true);
        assert!(off < 3.0, "{name}: the picture is off by {off}");
        let mask: Vec<bool> = file(&format!("masks/{name}.png"), &shown).pixels().map(|p| p[0] > 127).collect();
        let hot = window.hot();
        let both: Vec<bool> = hot.iter().zip(&mask).map(|(h, m)| *h && *m).collect();
        let dice = 2.0 * share(&both) / (share(&hot) + share(&mask));
        println!("{name}: hot {:.4}, mask {:.4}, Dice {dice:.3}", share(&hot), share(&mask));
        assert!(dice > 0.6, "{name}: Dice {dice}");

        let rebuilt = window.part("Reconstruction");
        let inside = distance(&shown, &rebuilt, |i| mask[i]);
        let outside = distance(&shown, &rebuilt, |i| !mask[i]);
        println!("{name}: rebuilt by {inside:.1} where the defect is, by {outside:.1} elsewhere");
        assert!(inside > 2.0 * outside && outside > 0.0, "{name}: {inside} inside, {outside} outside");
    }
}

#[test]
fn nothing_is_hot_on_a_good_sample() {
    for name in ["brick-2", "brick-3"] {
        let picture = sample(&format!("good/{name}.png"));
        let Some(window) = Window::open(name, &[&picture, "--model", "texture"]) else { return };
        assert_eq!(window.code, Some(0), "{}", window.error);
        let hot = share(&window.hot());
        println!("{name}: hot {hot:.4}");
        assert!(hot < 0.005, "{name}: {hot}");
    }
}

#[test]
fn the_threshold_sets_the_colours() {
    let picture = sample("defect/foreign.png");
    let hot = |name, threshold| {
        let arguments = [&picture, "--model", "texture", "--threshold", threshold];
        Window::open(name, &arguments).map(|w| share(&w.hot()))
    };
    let Some((cold, warm)) = hot("cold", "1000").zip(hot("warm", "0.0001")) else { return };
    assert!(cold == 0.0 && warm > 0.9, "{cold} of the pixels above 1000, {warm} above 0.0001");
}

#[test]
fn what_cannot_be_opened_is_said_in_the_window() {
    let red = |w: &Window| w.image.pixels().filter(|p| p[0] > 200 && p[1] < 140 && p[2] < 120).count();
    let broken = std::env::temp_dir().join(format!("residua-viewer-unreadable-{}.png", std::process::id()));
    std::fs::write(&broken, b"no picture").unwrap();
    let (broken, good) = (broken.to_str().unwrap(), sample("good/brick-1.png"));
    let folder = sample("");
    for (name, arguments, words) in [
        ("broken", vec![broken, "--model", "texture"], "unreadable"),
        ("absent", vec!["no-such.png"], "no-such.png"),
        ("empty", vec![&folder], "holds no picture"),
        ("model", vec![&good, "--model", "nonsense"], "no model `nonsense` among"),
        ("models", vec![&good, "--models", &folder], "no model folder"),
    ] {
        let Some(window) = Window::open(name, &arguments) else { return };
        assert_eq!(window.code, Some(1), "{name}: {}", window.error);
        assert!(window.error.contains(words), "{name}: {}", window.error);
        assert!(red(&window) > 100, "{name}: the window shows no message");
    }
    std::fs::remove_file(broken).unwrap();
}
