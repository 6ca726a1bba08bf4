//! The whole detection of one image, from its upload to its map, with the shipped models: noising, every step of every run,
//! residual and blur. The weights are on the device already; reading files and drawing pictures are not counted.
use common::{devices, group, random};
use criterion::Criterion;
use residua::detect::{ModelFolder, Runner};
use residua::{Result, Shape};
use std::path::Path;

mod common;

fn run(c: &mut Criterion) -> Result<()> {
    for model in ["texture", "brain-flair"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("weights").join(model);
        if !path.join("detector.json").is_file() {
            eprintln!("SKIPPED: {} is not here", path.display());
            continue;
        }
        let folder = ModelFolder::open(&path)?;
        let input = folder.config.image()?;
        let image = random(Shape::new(1, input.height, input.width, input.channels), 1);
        for (name, device) in devices() {
            let mut g = group(c, &format!("detect/{model}"));
            let mut ready: Option<Runner> = None;
            g.bench_function(&name, |b| {
                let detector = ready.get_or_insert_with(|| {
                    let mut made = device
                        .drive(Runner::new(&device, folder.job(1).expect("the model fits")))
                        .expect("the device takes the model");
                    // Some drivers compile when a kernel first runs.
                    device.drive(made.run(&image, 0, |_| true)).expect("the device is there");
                    made
                });
                b.iter(|| device.drive(detector.run(&image, 0, |_| true)).expect("the device is there"));
            });
            g.finish();
        }
    }
    Ok(())
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    run(&mut c).expect("the shipped models are sound");
    c.final_summary();
}
