//! Every kernel alone, at the shapes of AnoDDPM's UNet for 256×256 images. Throughput counts multiplications and
//! additions as the definition has them, so that Winograd's figure is an effective one.
//!
//!     cargo bench --bench kernels -- --quick 'conv3x3/128-128@64'
use common::{Ready, devices, group, values};
use criterion::{Criterion, Throughput};
use residua::graph::{ConvSpec, Graph, NodeId, SectionId};
use residua::kernels::{
    Op, StepRow, attention, concat, embedding, noise, norm,
    pointwise::{self, Activation},
    resample, sampler, score, simplex,
};
use residua::{Device, Result, Shape};

mod common;

/// Distinct 3×3 convolutions: channels in, channels out, side.
const CONV3: [(usize, usize, usize); 24] = [
    (1, 128, 256),
    (128, 128, 256),
    (128, 128, 128),
    (128, 128, 64),
    (128, 256, 64),
    (256, 256, 64),
    (256, 256, 32),
    (256, 256, 16),
    (256, 512, 16),
    (512, 512, 16),
    (512, 512, 8),
    (1024, 512, 8),
    (1024, 512, 16),
    (768, 512, 16),
    (512, 512, 32),
    (768, 256, 32),
    (512, 256, 32),
    (512, 256, 64),
    (384, 256, 64),
    (256, 256, 128),
    (384, 128, 128),
    (256, 128, 128),
    (256, 128, 256),
    (128, 1, 256),
];

/// Distinct 1×1 convolutions, those of attention (on sequences) as square images of as many pixels.
const CONV1: [(usize, usize, usize); 18] = [
    (128, 256, 64),
    (256, 768, 32),
    (256, 256, 32),
    (256, 512, 16),
    (512, 1536, 16),
    (512, 512, 16),
    (512, 1536, 8),
    (512, 512, 8),
    (1024, 512, 8),
    (1024, 512, 16),
    (768, 512, 16),
    (768, 256, 32),
    (512, 256, 32),
    (512, 256, 64),
    (384, 256, 64),
    (384, 128, 128),
    (256, 128, 128),
    (256, 128, 256),
];

/// Maps between the convolutions: channels, side.
const MAPS: [(usize, usize); 6] = [(128, 256), (128, 128), (256, 64), (256, 32), (512, 16), (512, 8)];

/// A graph of one node, and its name.
struct Case {
    group: &'static str,
    name: String,
    graph: Graph,
}

impl Case {
    /// `build` adds the node to inputs of the given shapes.
    fn new(
        group: &'static str,
        name: String,
        inputs: &[Shape],
        build: impl FnOnce(&mut Graph, &[NodeId]) -> Result<NodeId>,
    ) -> Result<Case> {
        let mut graph = Graph::new();
        let states: Vec<_> = inputs.iter().map(|&s| graph.state("input", s)).collect();
        graph.section("kernel");
        let nodes: Vec<_> = states.iter().map(|&s| graph.read(s)).collect();
        let node = build(&mut graph, &nodes)?;
        let out = graph.state("out", graph.shape(node));
        graph.write(out, node)?;
        Ok(Case { group, name, graph })
    }
    /// The same for an operation without weights.
    fn op(group: &'static str, name: String, inputs: &[Shape], op: Op) -> Result<Case> {
        Case::new(group, name, inputs, |g, x| g.push(group, op, x))
    }
    fn run(&self, c: &mut Criterion, name: &str, device: &Device) {
        let mut g = group(c, &format!("{}/{}", self.group, self.name));
        g.throughput(Throughput::Elements(self.graph.flops(SectionId(0))));
        let mut ready: Option<Ready> = None;
        // Only a benchmark that the filter lets through takes memory.
        g.bench_function(name, |b| {
            let ready = ready.get_or_insert_with(|| {
                let made = Ready::new(device, &self.graph, row()).expect("the device takes the kernel");
                eprintln!("{}", made.kernels);
                made
            });
            b.iter_custom(|n| ready.time(n));
        });
        g.finish();
    }
}

/// A step in the middle of a chain.
fn row() -> StepRow {
    StepRow {
        t: 100.0,
        signal: 0.9,
        noise: 0.4,
        clip: 1.0,
        x0_x: 1.1,
        x0_m: -0.4,
        eps_m: 1.0,
        next_0: 0.9,
        next_e: 0.3,
        sigma: 0.1,
        weight: 0.5,
        noise_t: 100,
        ..StepRow::default()
    }
}

fn square(side: usize, c: usize) -> Shape {
    Shape::new(1, side, side, c)
}

fn conv((cin, cout, side): (usize, usize, usize), k: usize, stride: usize) -> Result<Case> {
    let (weight, bias) = (values(cout * cin * k * k, 1), values(cout, 2));
    let pad = [k / 2; 4];
    let spec = ConvSpec { weight: &weight, shape: [cout, cin, k, k], bias: Some(&bias), stride, pad };
    let group = match (k, stride) {
        (1, _) => "conv1x1",
        (_, 1) => "conv3x3",
        _ => "conv3x3s2",
    };
    Case::new(group, format!("{cin}-{cout}@{side}"), &[square(side * stride, cin)], |g, x| g.conv("conv", x[0], &spec))
}

fn convolutions() -> Result<Vec<Case>> {
    let threes = CONV3.iter().map(|&s| conv(s, 3, 1));
    let strided = [(128, 128, 64), (256, 256, 16)].map(|s| conv(s, 3, 2));
    let ones = CONV1.iter().map(|&s| conv(s, 1, 1));
    threes.chain(strided).chain(ones).collect()
}

fn maps() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (c, side) in MAPS {
        let (x, name) = (square(side, c), format!("{c}@{side}"));
        let (gamma, beta) = (values(c, 1), values(c, 2));
        let affine = Op::Affine(norm::Affine { act: Activation::Silu });
        let up = Op::Upsample(resample::Upsample);
        let pool = resample::Pool::square(resample::PoolKind::Average, 2, 2);
        cases.extend([
            Case::new("groupnorm_stats", name.clone(), &[x], |g, x| {
                let (gamma, beta) = (g.vector("gamma", &gamma), g.vector("beta", &beta));
                let op = norm::GroupNormStats { groups: 32, eps: 1e-5, gamma, beta, scale_shift: false };
                g.push("stats", Op::GroupNormStats(op), x)
            })?,
            Case::op("affine_silu", name.clone(), &[x, Shape::new(1, 1, 2, c)], affine)?,
            Case::op("add", name.clone(), &[x, x], Op::Add(pointwise::Add))?,
            Case::op("concat", name.clone(), &[x, x], Op::Concat(concat::Concat))?,
            Case::op("upsample", name.clone(), &[x], up)?,
            Case::op("avg_pool", name, &[x], Op::Pool(pool))?,
        ]);
    }
    Ok(cases)
}

fn others() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (c, side, heads) in [(256, 32, 2), (512, 16, 2), (512, 8, 2), (256, 32, 4)] {
        let name = format!("{c}x{heads}@{side}");
        cases.push(Case::op(
            "attention",
            name,
            &[square(side, 3 * c)],
            Op::Attention(attention::Attention::new(heads)),
        )?);
    }
    for (cin, cout) in [(128, 512), (512, 512), (512, 128)] {
        let (weight, bias) = (values(cout * cin, 1), values(cout, 2));
        cases.push(Case::new("linear", format!("{cin}-{cout}"), &[Shape::new(1, 1, 1, cin)], |g, x| {
            g.linear("linear", x[0], &weight, Some(&bias), Activation::Silu, Activation::Identity)
        })?);
    }
    let (image, name) = (square(256, 1), || "1@256".to_owned());
    let time = embedding::TimeEmbedding { dim: 128, cos_first: true, freq_shift: 0.0 };
    let octaves = simplex::Simplex { shape: image, octaves: 6, persistence: 0.8, frequency: 64 };
    let step = sampler::SamplerStep { learned_range: false, noisy: true };
    let squared = score::Residual { kind: score::ResidualKind::Squared };
    let blur = score::gaussian_weights(2.0, 4.0);
    cases.extend([
        Case::op("time_embedding", "128".into(), &[Shape::new(1, 1, 1, 1)], Op::TimeEmbedding(time))?,
        Case::op("gaussian", name(), &[], Op::Gaussian(noise::Gaussian { shape: image, stream: 0 }))?,
        Case::op("noise_to", name(), &[image, image], Op::NoiseTo(sampler::NoiseTo))?,
        Case::op("sampler_step", name(), &[image, image, image], Op::SamplerStep(step))?,
        Case::op("accumulate", name(), &[image, image], Op::Accumulate(sampler::Accumulate))?,
        Case::op("residual", name(), &[image, image], Op::Residual(squared))?,
        Case::new("blur", name(), &[image], |g, x| {
            let weight = g.vector("blur", &blur);
            g.push("blur", Op::Blur(score::Blur { weight, radius: blur.len() / 2, horizontal: true }), x)
        })?,
        Case::op("reduce", name(), &[image], Op::Reduce(score::Reduce))?,
        Case::op("simplex", name(), &[Shape::new(1, 1, 1, 256)], Op::Simplex(octaves))?,
    ]);
    Ok(cases)
}

fn run(c: &mut Criterion) -> Result<()> {
    let devices = devices();
    for case in convolutions()?.into_iter().chain(maps()?).chain(others()?) {
        devices.iter().for_each(|(name, device)| case.run(c, name, device));
    }
    Ok(())
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    run(&mut c).expect("the shapes fit");
    c.final_summary();
}
