//! One graph in two ways must give one result: fused or not, by Winograd or not, with checks or without, under WebGPU's
//! default limits or the adapter's, on the GPU or on the processor.

use crate::common::{Case, random};
use crate::tolerance::{TWO_WAYS, nmse};
use residua::graph::{ConvSpec, Fusion, Graph, fuse, lower, lower_cpu};
use residua::kernels::{StepRow, pointwise::Activation};
use residua::{Shape, cpu, gpu};
use std::sync::Arc;

fn on_cpu(case: &Case, graph: &Graph) -> Vec<f32> {
    let mut session = cpu::Session::<f32>::new(graph);
    case.inputs.iter().for_each(|(s, t)| session.upload(*s, &t.to_device_layout()));
    session.run(case.section, &StepRow::default());
    session.state(case.out).to_vec()
}

fn on_gpu(gpu: &Arc<gpu::Gpu>, case: &Case, graph: &Graph) -> Vec<f32> {
    gpu::drive(gpu, async {
        let session = gpu::Session::new(gpu.clone(), graph, 1).await.unwrap();
        case.inputs.iter().for_each(|(s, t)| session.upload(*s, &t.to_device_layout()));
        session.set_steps(&[StepRow::default()]).unwrap();
        session.run(&[(case.section, 0)], |_| true).await.unwrap();
        session.read(case.out).await.unwrap()
    })
}

fn close(what: &str, a: &[f32], b: &[f32], bound: f64) {
    let e = nmse(a, b);
    println!("{what}: NMSE {e:.2e}");
    assert!(e <= bound, "{what}: NMSE {e:e}");
}

/// Everything that fusion knows, in a few kernels: norm, SiLU, doubling, time, residual, division, attention, skip.
fn small() -> Case {
    let mut g = Graph::new();
    let x = random(Shape::new(2, 16, 16, 32), 1);
    let emb = random(Shape::new(2, 1, 1, 32), 2);
    let inputs = vec![(g.state("x", x.shape), x), (g.state("emb", emb.shape), emb)];
    let section = g.section("main");
    let (mut h, time) = (g.read(inputs[0].0), g.read(inputs[1].0));
    let weights = random(Shape::new(1, 1, 1, 96 * 32 * 9), 3).data;
    let part = |n: usize| &weights[..n];
    let conv = |g: &mut Graph, name: &str, x, cout: usize, cin: usize, k: usize, stride: usize, pad: [usize; 4]| {
        let shape = [cout, cin, k, k];
        let scaled: Vec<f32> = part(cout * cin * k * k).iter().map(|v| v * 0.1).collect();
        g.conv(name, x, &ConvSpec { weight: &scaled, shape, bias: Some(part(cout)), stride, pad }).unwrap()
    };
    let norm = |g: &mut Graph, name: &str, x, groups| {
        g.group_norm(name, x, (part(32), part(32)), groups, 1e-5, None, Activation::Silu).unwrap()
    };
    let skip = h;
    h = norm(&mut g, "norm1", h, 8);
    h = conv(&mut g, "conv1", h, 32, 32, 3, 1, [1; 4]);
    h = g.add("time", h, time).unwrap();
    h = norm(&mut g, "norm2", h, 4);
    h = conv(&mut g, "conv2", h, 32, 32, 3, 1, [1; 4]);
    h = g.add("sum", h, skip).unwrap();
    h = g.map("divide", h, Activation::Identity, 0.5, 0.0).unwrap();
    h = conv(&mut g, "down", h, 32, 32, 3, 2, [0, 0, 1, 1]);
    let qkv = conv(&mut g, "qkv", h, 96, 32, 1, 1, [0; 4]);
    let attended = g.attention("attention", qkv, 2).unwrap();
    h = g.add("attended", attended, h).unwrap();
    h = g.upsample("up", h).unwrap();
    h = conv(&mut g, "up.conv", h, 32, 32, 3, 1, [1; 4]);
    h = g.concat("skip", h, skip).unwrap();
    h = conv(&mut g, "out", h, 3, 64, 3, 1, [1; 4]);
    let out = g.state("out", g.shape(h));
    g.write(out, h).unwrap();
    Case { graph: g, section, inputs, out }
}

#[test]
fn networks_on_the_processor() {
    for name in crate::common::denoisers_and_classifiers() {
        let case = crate::common::network(&crate::common::golden(name));
        let plain = on_cpu(&case, &case.graph);
        close(&format!("{name}, fused"), &on_cpu(&case, &fuse(&case.graph, Fusion::Full)), &plain, TWO_WAYS);
        let tiled = lower(&fuse(&case.graph, Fusion::Full), false);
        close(&format!("{name}, tiled"), &on_cpu(&case, &tiled), &plain, TWO_WAYS);
        let winograd = lower(&fuse(&case.graph, Fusion::Full), true);
        close(&format!("{name}, Winograd"), &on_cpu(&case, &winograd), &plain, TWO_WAYS);
        let processor = lower_cpu(&fuse(&case.graph, Fusion::Full));
        close(&format!("{name}, Winograd in one launch"), &on_cpu(&case, &processor), &plain, TWO_WAYS);
    }
}

#[test]
fn a_small_graph_on_every_kind_of_device() {
    let case = small();
    let plain = on_cpu(&case, &case.graph);
    let fused = fuse(&case.graph, Fusion::Full);
    let launches = |g: &Graph| residua::graph::Plan::new(g).sections[0].len();
    // Both norms, the time, the sum and its division, the doubling.
    assert_eq!(launches(&fused) + 6, launches(&case.graph));
    let graphs = [("plain", case.graph.clone()), ("fused", lower(&fused, false)), ("Winograd", lower(&fused, true))];
    for (how, graph) in &graphs {
        close(&format!("processor, {how}"), &on_cpu(&case, graph), &plain, TWO_WAYS);
    }
    let trusted = gpu::Options { trusted: true, webgpu_floor: false, cache: false };
    let checked = gpu::Options { trusted: false, webgpu_floor: true, cache: false };
    for (what, options) in [("trusted, adapter's limits", trusted), ("checked, default limits", checked)] {
        let Some(gpu) = crate::common::open_gpu(options) else { return };
        // Unfused kernels are a part of the fused ones' cases; a software driver takes a second to compile each.
        for (how, graph) in graphs.iter().filter(|(how, _)| options.trusted || *how != "plain") {
            let found = on_gpu(&gpu, &case, graph);
            close(&format!("{}, {what}, {how}", gpu.info.name), &found, &plain, TWO_WAYS);
            gpu.check().unwrap();
        }
    }
}

#[test]
fn a_network_on_the_gpu_and_on_the_processor() {
    let Some(gpu) = crate::common::open_gpu(gpu::Options::default()) else { return };
    let case = crate::common::network(&crate::common::golden("monai-unet"));
    let graph = lower(&fuse(&case.graph, Fusion::Full), true);
    close("monai-unet", &on_gpu(&gpu, &case, &graph), &on_cpu(&case, &graph), TWO_WAYS);
}
