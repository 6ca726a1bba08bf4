//! A GPU that is lost in the middle of the work.
use crate::common::{folder::picture, open_gpu, small};
use residua::data::find_inputs;
use residua::detect::{Finished, ModelFolder, Scorer, ScoringOptions, evaluate};
use residua::eval::{Dataset, Selection};
use residua::{Device, Error, gpu};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// A model whose shaders a software driver compiles in seconds, and four pictures, two of them with a defect.
fn place() -> (TempDir, ModelFolder) {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join(name);
    for folder in ["model", "in/test/good", "in/test/bad"] {
        std::fs::create_dir_all(at(folder)).unwrap();
    }
    small::write(&at("model"), 1);
    let settings = r#"{"format": 2, "name": "small", "input": {"width": 8, "height": 8, "channels": 1, "range": [-1, 1]},
        "networks": {"denoiser": {"file": "model.safetensors"}},
        "system": {"method": "anoddpm", "lambda": 5, "sampler": {"kind": "ddim", "steps": 1}, "noise": {"kind": "gaussian"}}}"#;
    std::fs::write(at("model/detector.json"), settings).unwrap();
    (0..4).for_each(|n| {
        let folder = if n < 2 { "bad" } else { "good" };
        picture(&at(&format!("in/test/{folder}/{n}.png")), 8, 8, n);
    });
    let model = ModelFolder::open(at("model")).unwrap();
    (dir, model)
}

fn own_gpu() -> Option<Arc<gpu::Gpu>> {
    open_gpu(gpu::Options { cache: false, ..gpu::Options::default() })
}

const ONE: ScoringOptions = ScoringOptions { seed: 0, batch: Some(1), axis: 2 };

#[test]
fn it_costs_the_image_under_way() {
    let Some(gpu) = own_gpu() else { return };
    let (dir, model) = place();
    let inputs = find_inputs(&[dir.path().join("in")], &[]).unwrap();
    let mut scorer = Scorer::new(Device::Gpu(gpu.clone()), &model, ONE).unwrap();
    let mut scores = Vec::new();
    let done = scorer.run(&inputs, |finished| {
        if let Finished::Image(image) = finished {
            scores.push(image.score);
        }
        if scores.len() == 2 {
            gpu.device.destroy();
        }
        Ok(())
    });
    match done {
        Err(Error::Device { device, fault }) => {
            assert!(device == gpu.info.name && fault.contains("was lost"), "{fault}")
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(scores.len(), 2);
    // From the beginning there is nothing to keep.
    let dataset = dataset(dir.path());
    assert!(matches!(evaluate(&mut scorer, &dataset, dir.path()), Err(Error::Device { .. })));
}

#[test]
fn an_evaluation_keeps_what_was_scored() {
    let Some(gpu) = own_gpu() else { return };
    let (dir, model) = place();
    let scorer = Scorer::new(Device::Gpu(gpu.clone()), &model, ONE).unwrap();
    let mut scorer = scorer.on_progress(|progress| {
        if progress.inputs == 2 {
            gpu.device.destroy();
        }
        true
    });
    let done = evaluate(&mut scorer, &dataset(dir.path()), dir.path()).unwrap();
    assert!(done.interrupted);
    assert_eq!(done.evaluation.images.len(), 2);
    let last = done.failures.last().unwrap();
    assert!(last.error.contains("was lost"), "{}", last.error);
}

fn dataset(folder: &Path) -> Dataset {
    Dataset::find(&folder.join("in"), &Selection::default()).unwrap()
}
