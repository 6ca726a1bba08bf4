//! One UNet step (3 M parameters, see common/unet.rs) at 32, 64 and 128 pixels.
use common::{bench, devices, group, unet};
use criterion::{Criterion, Throughput};
use residua::graph::SectionId;
use residua::{Result, Shape};

mod common;

fn run(c: &mut Criterion) -> Result<()> {
    let (ck, spec) = unet::random()?;
    for (name, device) in devices() {
        let mut g = group(c, &format!("unet/{name}"));
        for size in [32, 64, 128] {
            let graph = unet::step(&ck, &spec, Shape::new(1, size, size, 1))?;
            g.throughput(Throughput::Elements(graph.flops(SectionId(0))));
            bench(&mut g, &size.to_string(), &device, &graph);
        }
        g.finish();
    }
    Ok(())
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    run(&mut c).expect("the network is sound");
    c.final_summary();
}
