//! What the benchmarks share: devices, random tensors, timing, networks with random weights.
#![allow(dead_code)]
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode};
use residua::graph::{Graph, Plan, SectionId, StateId};
use residua::kernels::StepRow;
use residua::{Device, Session, Shape, Tensor};
use std::time::{Duration, Instant};

pub mod classifier;
pub mod unet;
mod weights;

/// The processor, and the GPU where there is one (a software one too): what `RESIDUA_BENCH_DEVICES` names, `cpu,gpu`
/// by default.
pub fn devices() -> Vec<(String, Device)> {
    let chosen = std::env::var("RESIDUA_BENCH_DEVICES").unwrap_or_else(|_| "cpu,gpu".into());
    let open = |name: &str| match pollster::block_on(Device::select(name)) {
        Ok(device) => {
            eprintln!("{name}: {}", device.name());
            Some((name.to_owned(), device))
        }
        Err(e) => {
            eprintln!("SKIPPED on {name}: {e}");
            None
        }
    };
    chosen.split(',').filter_map(open).collect()
}

/// Few samples: one of them may take seconds.
pub fn group<'a>(c: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut g = c.benchmark_group(name);
    g.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    g.sampling_mode(SamplingMode::Flat);
    g
}

/// Times a graph of one section, which is made ready when the benchmark is among those that are chosen.
pub fn bench(g: &mut BenchmarkGroup<WallTime>, name: &str, device: &Device, graph: &Graph) {
    let mut ready: Option<Ready> = None;
    g.bench_function(name, |b| {
        let ready = ready.get_or_insert_with(|| {
            Ready::new(device, graph, StepRow::default()).expect("the device takes the network")
        });
        b.iter_custom(|n| ready.time(n));
    });
}

/// Values in −1..1, the same on every machine.
pub fn random(shape: Shape, seed: u64) -> Tensor {
    Tensor { shape, data: values(shape.len(), seed) }
}

/// `n` values in −1..1.
pub fn values(n: usize, seed: u64) -> Vec<f32> {
    let mut s = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        (s >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// A graph of one section on a device, its states filled at random.
pub struct Ready {
    device: Device,
    session: Session,
    /// The kernels it launches, in order, each named once.
    pub kernels: String,
}

/// The section that [`Ready`] runs.
const SECTION: SectionId = SectionId(0);

impl Ready {
    /// `row` is the step's values.
    pub fn new(device: &Device, graph: &Graph, row: StepRow) -> residua::Result<Ready> {
        let mut session = device.drive(device.session(graph, 1))?;
        for (i, s) in graph.states.iter().enumerate() {
            session.upload(StateId(i), &random(s.shape, i as u64 + 1))?;
        }
        session.set_steps(&[row])?;
        // Some drivers compile when a kernel first runs.
        device.drive(session.run(&[(SECTION, 0)], |_| true))?;
        let plan = Plan::new(&device.optimise(graph));
        let mut names: Vec<String> = Vec::new();
        for launch in &plan.sections[SECTION.0] {
            let label = launch.op.kernel().map_or_else(String::new, |k| k.shader(&launch.io).label);
            if !names.contains(&label) {
                names.push(label);
            }
        }
        Ok(Ready { device: device.clone(), session, kernels: names.join(" + ") })
    }
    /// The time of `n` runs in one submission where the device takes it.
    pub fn time(&mut self, n: u64) -> Duration {
        let schedule = vec![(SECTION, 0); n as usize];
        let start = Instant::now();
        self.device.drive(self.session.run(&schedule, |_| true)).expect("the device is there");
        start.elapsed()
    }
}
