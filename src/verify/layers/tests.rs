//! A device that computes something else must be found out at the layer where it begins.
use super::*;
use crate::graph::{ConvSpec, Graph, StateId};
use crate::kernels::{Op, StepRow, pointwise::Activation, testing};
use crate::{Device, Shape, Tensor};

/// Three convolutions, a norm between them, and an addition that is merged into the last.
fn network() -> (Graph, StateId, Tensor) {
    let image = testing::random(Shape::new(1, 16, 16, 32), 1);
    let weights = testing::random(Shape::new(1, 1, 1, 32 * 32 * 9), 2).data;
    let mut g = Graph::new();
    let x = g.state("x", image.shape);
    let out = g.state("out", image.shape);
    g.section("network");
    let first = g.read(x);
    let mut h = first;
    for name in ["conv1", "conv2", "conv3"] {
        let spec =
            ConvSpec { weight: &weights, shape: [32, 32, 3, 3], bias: Some(&weights[..32]), stride: 1, pad: [1; 4] };
        h = g.conv(name, h, &spec).unwrap();
        if name != "conv3" {
            let norm = (&weights[..32], &weights[32..64]);
            h = g.group_norm(&format!("{name}.norm"), h, norm, 8, 1e-5, None, Activation::Silu).unwrap();
        }
    }
    h = g.add("sum", h, first).unwrap();
    g.write(out, h).unwrap();
    (g, x, image)
}

/// The layers of a device that runs `change`'s version of the optimised graph.
fn layers(device: &Device, change: impl Fn(&mut Graph)) -> Vec<Layer> {
    let (graph, x, image) = network();
    let right = device.optimise(&graph);
    let mut wrong = right.clone();
    change(&mut wrong);
    device.drive(async {
        let mut twin = Twin::of(device, &wrong, &right, &[StepRow::default()]).await.unwrap();
        twin.upload(x, &image).unwrap();
        examine(&mut twin, &graph, (SectionId(0), 0), None, 1e-9, &mut Vec::new()).await.unwrap()
    })
}

fn devices() -> Vec<Device> {
    std::iter::once(Device::Cpu).chain(testing::gpus().iter().cloned().map(Device::Gpu)).collect()
}

#[test]
fn a_right_device_passes_in_every_layer() {
    for device in devices() {
        let layers = layers(&device, |_| {});
        let names: Vec<_> = layers.iter().map(|l| l.name.as_str()).collect();
        for name in ["conv1", "conv1.norm.stats", "conv2", "conv2.norm.stats", "conv3"] {
            assert!(names.contains(&name), "{names:?}");
        }
        // What was fused away is not there; what Winograd adds is.
        assert!(!names.contains(&"sum") && !names.contains(&"conv1.norm"), "{names:?}");
        assert_eq!(names.contains(&"conv2 (product)"), !matches!(device, Device::Cpu), "{names:?}");
        assert!(first_wrong(&layers).is_none(), "{layers:#?}");
    }
}

#[test]
fn a_wrong_number_is_found_where_it_lies() {
    for device in devices() {
        let layers = layers(&device, |g| {
            let at = g.weights.iter().position(|w| w.name == "conv2.bias").unwrap();
            let mut bias = g.weights[at].data.to_vec();
            bias[5] += 0.1;
            g.weights[at].data = bias.into();
        });
        assert_eq!(first_wrong(&layers).map(|l| &l.name[..]), Some("conv2"), "{}", device.name());
        assert!(layers.last().is_some_and(|l| !l.ok), "it goes on to the end");
    }
}

#[test]
fn a_kernel_that_computes_something_else_is_found() {
    for device in devices() {
        let layers = layers(&device, |g| {
            let stats = g.nodes.iter_mut().find(|n| n.name == "conv1.norm.stats").unwrap();
            let Op::GroupNormStats(op) = &mut stats.op else { panic!("{stats:?}") };
            op.eps = 0.5;
        });
        let first = first_wrong(&layers).unwrap();
        assert_eq!((&first.name[..], &first.section[..]), ("conv1.norm.stats", "network"), "{}", device.name());
    }
}
