//! For the kernels' tests: one op on the CPU in f64 (the truth), in f32, and on a GPU where there is one.
use super::{Op, StepRow, WeightId};
use crate::graph::{Graph, SectionId};
use crate::{Shape, Tensor, gpu};
use std::sync::{Arc, OnceLock};

/// NMSE bounds of one kernel against its f64 half.
pub const ELEMENTWISE: f64 = 1e-11;
/// The same for convolutions, matrix products and attention.
pub const PRODUCT: f64 = 1e-10;

/// |out − truth|² / |truth|²; NaN and infinity count as infinite, and so does a wrong length.
pub fn nmse(out: &[f32], truth: &[f64]) -> f64 {
    if out.len() != truth.len() {
        return f64::INFINITY;
    }
    let (mut error, mut norm) = (0.0, 0.0);
    for (&a, &b) in out.iter().zip(truth) {
        error += (f64::from(a) - b).powi(2);
        norm += b * b;
    }
    let e = error / norm.max(1e-300);
    if e.is_nan() {
        f64::INFINITY
    } else if error == 0.0 {
        0.0
    } else {
        e
    }
}

/// Values in −1…1 from a small generator, the same on every machine.
pub fn random(shape: Shape, seed: u64) -> Tensor {
    let mut s = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        (s >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let data = (0..shape.len()).map(|_| next()).collect();
    Tensor { shape, data }
}

/// The devices that the tests use: trusted and checked with WebGPU's default limits. `None` where there is no adapter.
pub fn gpus() -> &'static [Arc<gpu::Gpu>] {
    static GPUS: OnceLock<Vec<Arc<gpu::Gpu>>> = OnceLock::new();
    GPUS.get_or_init(|| {
        let checked = gpu::Options { trusted: false, webgpu_floor: true, cache: false };
        let open = |o| pollster::block_on(gpu::Gpu::new(None, true, o)).map(Arc::new);
        let found: Vec<_> = [gpu::Options::default(), checked].into_iter().filter_map(|o| open(o).ok()).collect();
        if found.is_empty() {
            assert!(
                std::env::var_os("RESIDUA_REQUIRE_GPU").is_none(),
                "RESIDUA_REQUIRE_GPU is set, but no adapter is there"
            );
            eprintln!("SKIPPED on the GPU: no adapter");
        }
        found
    })
}

/// Runs `op` (whose weights are ids 0, 1, … into `weights`) and holds every device to the f64 result. Returns the truth
/// in NCHW.
pub fn check(op: &Op, inputs: &[Tensor], weights: &[Vec<f32>], step: &StepRow, tolerance: f64) -> Vec<f64> {
    let mut g = Graph::new();
    let states: Vec<_> = inputs.iter().map(|t| g.state("input", t.shape)).collect();
    g.section("main");
    for (i, w) in weights.iter().enumerate() {
        assert_eq!(g.weight(&format!("w{i}"), w.clone()), WeightId(i));
    }
    let nodes: Vec<_> = states.iter().map(|&s| g.read(s)).collect();
    let node = g.push("op", op.clone(), &nodes).unwrap();
    let shape = g.shape(node);
    let out = g.state("out", shape);
    g.write(out, node).unwrap();
    let data: Vec<_> = inputs.iter().map(Tensor::to_device_layout).collect();
    // Garbage in the output shows padding lanes that a kernel forgets.
    let garbage = vec![f32::NAN; shape.padded_len()];

    let mut truth = crate::cpu::Session::<f64>::new(&g);
    let mut single = crate::cpu::Session::<f32>::new(&g);
    for (s, d) in states.iter().zip(&data) {
        truth.upload(*s, d);
        single.upload(*s, d);
    }
    truth.run(SectionId(0), step);
    single.run(SectionId(0), step);
    let truth = truth.state(out).to_vec();
    let padding_is_zero = truth.iter().enumerate().all(|(i, &v)| i % shape.c_pad() < shape.c || v == 0.0);
    assert!(padding_is_zero, "{op:?} {shape}: the CPU leaves values in the padding");
    let e = nmse(single.state(out), &truth);
    assert!(e <= tolerance, "{op:?} on {:?}: CPU f32 NMSE {e:e}", inputs.iter().map(|t| t.shape).collect::<Vec<_>>());

    for gpu in gpus() {
        let result = gpu::drive(gpu, async {
            let session = gpu::Session::new(gpu.clone(), &g, 1).await?;
            states.iter().zip(&data).for_each(|(s, d)| session.upload(*s, d));
            session.upload(out, &garbage);
            session.set_steps(&[*step])?;
            session.run(&[(SectionId(0), 0)], |_| true).await?;
            session.read(out).await
        });
        let result = result.unwrap_or_else(|e| panic!("{op:?}: {e}"));
        let e = nmse(&result, &truth);
        assert!(
            e <= tolerance,
            "{op:?} on {:?}: {} NMSE {e:e}",
            inputs.iter().map(|t| t.shape).collect::<Vec<_>>(),
            gpu.info.name
        );
    }
    let hw = shape.h * shape.w;
    let at = |n, c, p| truth[(n * hw + p) * shape.c_pad() + c];
    (0..shape.n)
        .flat_map(|n| (0..shape.c).flat_map(move |c| (0..hw).map(move |p| (n, c, p))))
        .map(|(n, c, p)| at(n, c, p))
        .collect()
}
