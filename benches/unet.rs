//! One UNet step (3 M parameters, see common/unet.rs) at 32, 64 and 128 pixels.
use common::{Ready, devices, group, unet};
use criterion::{Criterion, Throughput};
use residua::graph::SectionId;
use residua::kernels::StepRow;
use residua::{Result, Shape};

mod common;

fn run(c: &mut Criterion) -> Result<()> {
    let (ck, spec) = unet::random()?;
    for (name, device) in devices() {
        let mut g = group(c, &format!("unet/{name}"));
        for size in [32, 64, 128] {
            let graph = unet::step(&ck, &spec, Shape::new(1, size, size, 1))?;
            let mut ready: Option<Ready> = None;
            g.throughput(Throughput::Elements(graph.flops(SectionId(0))));
            g.bench_function(format!("{size}"), |b| {
                let ready = ready.get_or_insert_with(|| {
                    Ready::new(&device, &graph, StepRow::default()).expect("the device takes the network")
                });
                b.iter_custom(|n| ready.time(n));
            });
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
