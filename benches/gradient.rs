//! What gradients with respect to the image cost beside the forward pass: of a UNet (3 M parameters, see common/unet.rs) and of a
//! classifier (see common/classifier.rs), at 64 and 128 pixels. `forward and backward` computes the output as well.
use common::{bench, classifier, devices, group, unet};
use criterion::Criterion;
use residua::graph::{Graph, NodeId, gradients};
use residua::{Result, Shape};

mod common;

/// A network of an image and a time, and with `backward` vᵀ·∂out/∂x of a given v.
fn graph(
    image: Shape,
    backward: bool,
    network: impl FnOnce(&mut Graph, NodeId, NodeId) -> Result<NodeId>,
) -> Result<Graph> {
    let mut g = Graph::new();
    let (x, t) = (g.state("x", image), g.state("t", Shape::new(image.n, 1, 1, 1)));
    g.section("step");
    let (x, t) = (g.read(x), g.read(t));
    let node = network(&mut g, x, t)?;
    let out = g.state("out", g.shape(node));
    g.write(out, node)?;
    if backward {
        let v = g.state("v", g.shape(node));
        let v = g.read(v);
        let dx = gradients(&mut g, (node, v), &[x.into()])?[0];
        let gradient = g.state("gradient", image);
        g.write(gradient, dx)?;
    }
    Ok(g)
}

fn run(c: &mut Criterion) -> Result<()> {
    let (ck, spec) = unet::random()?;
    for (name, device) in devices() {
        let mut g = group(c, &format!("gradient/{name}"));
        for size in [64, 128] {
            let (classifier_ck, classifier) = classifier::random(size)?;
            for (what, backward) in [("forward", false), ("forward and backward", true)] {
                let unet = graph(Shape::new(1, size, size, 1), backward, |g, x, t| spec.build(&ck, g, x, t, None))?;
                let other =
                    graph(Shape::new(1, size, size, 4), backward, |g, x, t| classifier.build(&classifier_ck, g, x, t))?;
                for (network, graph) in [("unet", unet), ("classifier", other)] {
                    bench(&mut g, &format!("{network} {size} {what}"), &device, &graph);
                }
            }
        }
        g.finish();
    }
    Ok(())
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    run(&mut c).expect("the networks are sound");
    c.final_summary();
}
