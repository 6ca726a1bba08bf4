//! Every shader that the goldens' networks and the operations can ask for passes naga: parsed, validated without any
//! capability, written as SPIR-V, MSL and HLSL, and within WebGPU's default limits. Needs no GPU.

use naga::{AddressSpace, ShaderStage, TypeInner, back, proc::Layouter, valid};
use rayon::prelude::*;
use residua::Shape;
use residua::data::Scaling;
use residua::gpu::{preprocess, sources, specialise, texture_shaders};
use residua::graph::{Fusion, Graph, Plan, fuse, lower};
use residua::kernels::{
    Io, MAX_GROUPS, Op, StepRow, WeightId,
    act_gradient::ActGradient,
    adam::Adam,
    attention,
    batch_norm::BatchNorm,
    concat, conv_transpose,
    dense::{Dense, DenseWay},
    dropout::Dropout,
    embedding, linear,
    loss::{Loss, LossKind},
    min_max,
    minibatch::{Diffuse, Gather, Times},
    nearest_code::NearestCode,
    neighbours, noise, norm, patches,
    pointwise::{self, Activation},
    posterior::Posterior,
    resample, sampler, score, simplex,
};
use std::collections::BTreeMap;
use std::mem::offset_of;

mod gradients;
mod scores;
mod training;

/// Texts by content, with a name for messages and the number of storage bindings.
type Texts = BTreeMap<String, (String, usize)>;

fn collect(graph: &Graph, texts: &mut Texts, what: &str) {
    for launch in Plan::new(graph).sections.iter().flatten() {
        let weights = launch.weights.len();
        add(&launch.op, &launch.io, weights, texts, &format!("{what}: {}", launch.name));
    }
}

fn add(op: &Op, io: &Io, weights: usize, texts: &mut Texts, what: &str) {
    let shader = op.kernel().unwrap().shader(io);
    assert!(shader.grid.iter().all(|g| (1..=MAX_GROUPS).contains(g)), "{what}: grid {:?}", shader.grid);
    let text = specialise(&shader, io.inputs.len(), weights).unwrap_or_else(|e| panic!("{what}: {e}"));
    texts.entry(text).or_insert_with(|| (format!("{what} ({})", shader.label), io.inputs.len() + 1 + weights));
}

/// All that is asked of one text.
fn check(text: &str, name: &str, buffers: usize) {
    let module = naga::front::wgsl::parse_str(text).unwrap_or_else(|e| panic!("{name}\n{}", e.emit_to_string(text)));
    let mut validator = valid::Validator::new(valid::ValidationFlags::all(), valid::Capabilities::empty());
    let info = validator.validate(&module).unwrap_or_else(|e| panic!("{name}\n{}", e.emit_to_string(text)));
    back::spv::write_vec(&module, &info, &Default::default(), None).unwrap_or_else(|e| panic!("{name}: SPIR-V: {e}"));
    let msl = back::msl::write_string(&module, &info, &Default::default(), &Default::default());
    msl.unwrap_or_else(|e| panic!("{name}: MSL: {e}"));
    let (mut hlsl, options) = (String::new(), back::hlsl::Options::default());
    let written = back::hlsl::Writer::new(&mut hlsl, &options, &Default::default()).write(&module, &info, None);
    written.unwrap_or_else(|e| panic!("{name}: HLSL: {e}"));

    let entry = module.entry_points.iter().find(|e| e.stage == ShaderStage::Compute).unwrap();
    assert_eq!((module.entry_points.len(), &entry.name[..]), (1, "main"), "{name}");
    assert!(entry.workgroup_size.iter().product::<u32>() <= 256, "{name}: {:?} threads", entry.workgroup_size);
    let mut layouter = Layouter::default();
    layouter.update(module.to_ctx()).unwrap();
    let shared = module.global_variables.iter().filter(|(_, v)| v.space == AddressSpace::WorkGroup);
    let shared: u32 = shared.map(|(_, v)| layouter[v.ty].size).sum();
    assert!(shared <= 16384, "{name}: {shared} bytes of workgroup memory");
    let storage = module.global_variables.iter().filter(|(_, v)| matches!(v.space, AddressSpace::Storage { .. }));
    assert!(storage.count() <= 8 && buffers <= 8, "{name}: {buffers} storage buffers");
}

fn check_all(texts: &Texts) {
    texts.par_iter().for_each(|(text, (name, buffers))| check(text, name, *buffers));
    println!("{} shaders", texts.len());
}

#[test]
fn of_the_golden_networks_fused_and_not() {
    let graphs: Vec<_> = crate::common::denoisers_and_classifiers()
        .chain(crate::common::LATENT)
        .collect::<Vec<_>>()
        .into_par_iter()
        .map(|n| (n, crate::common::network(&crate::common::golden(n)).graph))
        .collect();
    let mut texts = Texts::new();
    for (name, graph) in &graphs {
        for (how, fusion, winograd) in [
            ("plain", Fusion::None, false),
            ("plain, Winograd", Fusion::None, true),
            ("fused", Fusion::Full, false),
            ("fused, Winograd", Fusion::Full, true),
        ] {
            collect(&lower(&fuse(graph, fusion), winograd), &mut texts, &format!("{name}, {how}"));
        }
    }
    check_all(&texts);
}

/// The operations that networks do not use, or not in every form, at awkward sizes.
#[test]
fn of_the_operations() {
    let mut texts = Texts::new();
    let mut op = |op: Op, inputs: &[Shape], weights: usize| {
        let output = op.kernel().unwrap().output(inputs).unwrap_or_else(|e| panic!("{op:?}: {e}"));
        let io = Io { inputs: inputs.to_vec(), output };
        add(&op, &io, weights, &mut texts, &format!("{op:?} on {inputs:?}"));
    };
    let w = WeightId;
    let activations = {
        use Activation::*;
        [Identity, Silu, Relu, LeakyRelu, Elu, Mish, Gelu, Tanh, Sigmoid, RoundF16]
    };
    for c in [1, 2, 3, 4, 5, 8, 33, 68] {
        let x = Shape::new(2, 7, 13, c);
        let (one, vector) = (Shape { n: 1, ..x }, Shape::new(2, 1, 1, c));
        for act in activations {
            op(Op::Map(pointwise::Map { act, scale: 0.5, shift: -1.0 }), &[x], 0);
            op(Op::Affine(norm::Affine { act }), &[x, Shape::new(2, 1, 2, c)], 0);
            let l = linear::Linear { cout: c + 1, weight: w(0), bias: Some(w(1)), pre: act, post: act };
            op(Op::Linear(l.clone()), &[vector], 2);
            op(Op::Linear(linear::Linear { bias: None, ..l }), &[vector], 1);
        }
        for k in [1, 5, neighbours::MAX_K] {
            op(Op::Neighbours(neighbours::Neighbours { k }), &[vector, Shape::new(99, 1, 1, c)], 0);
        }
        op(Op::Add(pointwise::Add), &[x, x], 0);
        op(Op::Add(pointwise::Add), &[x, vector], 0);
        for groups in (1..=c).filter(|g| c % g == 0) {
            let stats = norm::GroupNormStats { groups, eps: 1e-6, gamma: w(0), beta: w(1), scale_shift: false };
            op(Op::GroupNormStats(stats.clone()), &[x], 2);
            let stats = norm::GroupNormStats { scale_shift: true, ..stats };
            op(Op::GroupNormStats(stats), &[x, Shape::new(2, 1, 1, 2 * c)], 2);
        }
        for heads in (1..=c).filter(|h| c % h == 0) {
            op(Op::Attention(attention::Attention::new(heads)), &[x.with_c(3 * c)], 0);
        }
        op(Op::Upsample(resample::Upsample), &[x], 0);
        for kind in [resample::PoolKind::Average, resample::PoolKind::Max] {
            op(Op::Pool(resample::Pool::square(kind, 2, 2)), &[x], 0);
            op(Op::Pool(resample::Pool { kind, size: [3, 3], stride: 2, pad: 1 }), &[x], 0);
            op(Op::Pool(resample::Pool { kind, size: [x.h, x.w], stride: 1, pad: 0 }), &[x], 0);
        }
        op(Op::Concat(concat::Concat), &[x, x.with_c(5)], 0);
        op(Op::Concat(concat::Concat), &[x, x], 0);
        let table = embedding::Embedding { table: w(0), classes: 3, dim: c };
        op(Op::Embedding(table), &[Shape::new(2, 7, 13, 1)], 1);
        for codes in [1, 33, 1000] {
            op(NearestCode { codes, width: c, table: w(0), squares: w(1) }.into(), &[x], 2);
        }
        for part in [Posterior::LogVariance, Posterior::Deviation, Posterior::Sample] {
            op(part.into(), &[x; 3][..if part == Posterior::Sample { 3 } else { 1 }], 0);
        }
        for cos_first in [false, true] {
            let sinusoids = embedding::TimeEmbedding { dim: c + 1, cos_first, freq_shift: 0.0 };
            op(Op::TimeEmbedding(sinusoids), &[Shape::new(2, 1, 1, 1)], 0);
        }
        op(Op::StepTime(embedding::StepTime { n: c }), &[], 0);
        for noise in [x, one] {
            op(Op::NoiseTo(sampler::NoiseTo), &[x, noise], 0);
            for learned_range in [false, true] {
                let m = x.with_c(if learned_range { 2 * c } else { c });
                op(Op::SamplerStep(sampler::SamplerStep { learned_range, noisy: true }), &[x, m, noise], 0);
                op(Op::SamplerStep(sampler::SamplerStep { learned_range, noisy: false }), &[x, m], 0);
            }
        }
        for patches_per_call in [1, 4] {
            let (table, count) = (w(0), 11);
            let predictions = Shape { n: x.n * patches_per_call, ..x };
            op(Op::PatchCompose(patches::PatchCompose { patches_per_call, table, count }), &[x, x], 1);
            op(Op::PatchStitch(patches::PatchStitch { patches_per_call, table, count }), &[x, predictions], 1);
            op(Op::PatchMean(patches::PatchMean { table, count }), &[x], 1);
        }
        op(Op::Accumulate(sampler::Accumulate), &[x, x], 0);
        op(Op::Gaussian(noise::Gaussian { shape: one, stream: 3 }), &[], 0);
        op(Op::Given(noise::Given { n: 2 }), &[Shape { n: 6, ..x }], 0);
        for frequency in [1, 64, 100, 4096] {
            let s = simplex::Simplex { shape: one, octaves: 6, persistence: 0.8, frequency };
            op(Op::Simplex(s), &[Shape::new(3 * c, 1, 1, 256)], 0);
        }
        {
            use score::ResidualKind::*;
            for kind in [Squared, Absolute, Positive, Negative] {
                op(Op::Residual(score::Residual { kind }), &[x, x], 0);
            }
        }
        for horizontal in [false, true] {
            op(Op::Blur(score::Blur { weight: w(0), radius: 4, horizontal }), &[x], 1);
        }
        op(Op::Reduce(score::Reduce), &[x], 0);
        op(Op::MinMax(min_max::MinMax), &[x], 0);
        for (k, stride, pad, output_pad) in
            [(4, 2, 1, 0), (2, 2, 0, 0), (3, 1, 1, 0), (3, 2, 1, 1)].map(|(k, s, p, o)| (k, s, [p; 4], [o; 2]))
        {
            let (kernel, cout, weight, bias) = ([k, k], c + 2, w(0), Some(w(1)));
            let t = conv_transpose::ConvTranspose { kernel, stride, pad, output_pad, cout, weight, bias };
            op(Op::ConvTranspose(t), &[x], 2);
        }
    }
    check_all(&texts);
}

#[test]
fn the_benchmarks_shaders() {
    let consts = [("ROUNDS".to_owned(), 64u32.into()), ("LEN".to_owned(), 1000u32.into())].into();
    for source in [sources::BENCH_FMA, sources::BENCH_COPY] {
        check(&preprocess(source, &consts).unwrap(), source.name, 2);
    }
}

#[test]
fn the_ways_in_and_out_of_textures() {
    let mut texts = Texts::new();
    let over = residua::data::Over::Mask;
    let ways = [Scaling::Fixed {}, Scaling::MinMax { over }, Scaling::Percentiles { low: 1.0, high: 100.0, over }];
    for (h, w, c) in [(1, 1, 1), (7, 13, 3), (64, 64, 2), (4096, 4096, 4)] {
        for shader in ways.iter().flat_map(|way| texture_shaders(Shape::new(1, h, w, c), [-1.0, 1.0], *way)) {
            assert!(shader.grid.iter().all(|g| (1..=MAX_GROUPS).contains(g)), "{:?}", shader.grid);
            let name = format!("{} at {h}x{w}x{c}", shader.label);
            texts.insert(specialise(&shader, 0, 0).unwrap(), (name, 3));
        }
    }
    let labels: std::collections::BTreeSet<_> = texts.values().map(|(name, _)| name.split(' ').next()).collect();
    // In by three kinds of texel, out in two formats and as a picture, four passes through the texels, two without.
    assert_eq!(labels.len(), 3 + 2 + 1 + 4 * 3 + 2);
    check_all(&texts);
}

fn lib(name: &str) -> sources::ShaderFile {
    sources::LIB.into_iter().find(|s| s.name == name).unwrap()
}

/// Every file under `shaders/` is embedded somewhere, and every shared piece is included somewhere.
#[test]
fn no_file_is_left_over() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = |folder: &str, ending: &str| -> Vec<_> {
        let found = std::fs::read_dir(root.join(folder)).unwrap().map(|e| e.unwrap().path());
        found.filter(|p| p.extension().is_some_and(|e| e == ending)).collect()
    };
    let text = |p: &std::path::PathBuf| std::fs::read_to_string(p).unwrap();
    let rust: String =
        ["src/kernels", "src/kernels/conv", "src/gpu"].map(|f| files(f, "rs")).concat().iter().map(text).collect();
    let shaders = files("shaders", "wgsl");
    let wgsl: String = shaders.iter().chain(&files("shaders/lib", "wgsl")).map(text).collect();
    let name = |p: &std::path::PathBuf| p.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(shaders.len() > 30);
    for file in shaders.iter().map(name) {
        assert!(rust.contains(&format!("shader_file!(\"{file}\")")), "no kernel uses {file}");
    }
    for file in files("shaders/lib", "wgsl").iter().map(name) {
        assert_eq!(lib(&format!("lib/{file}")).name, format!("lib/{file}"));
        assert!(wgsl.contains(&format!("#include lib/{file}\n")), "no shader includes {file}");
    }
}

/// The step's row means the same to Rust and to WGSL.
#[test]
fn the_step_row_has_one_layout() {
    let text = preprocess(lib("lib/step.wgsl"), &[("BIND_STEP".to_owned(), 0u32.into())].into()).unwrap();
    let module = naga::front::wgsl::parse_str(&text).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&text)));
    let row = module.types.iter().find(|(_, t)| t.name.as_deref() == Some("StepRow")).unwrap().1;
    let TypeInner::Struct { members, span } = &row.inner else { panic!("StepRow is no struct") };
    assert_eq!(*span as usize, size_of::<StepRow>());
    let found: BTreeMap<String, usize> = members.iter().map(|m| (m.name.clone().unwrap(), m.offset as usize)).collect();
    let fields = [
        ("t", offset_of!(StepRow, t)),
        ("signal", offset_of!(StepRow, signal)),
        ("noise", offset_of!(StepRow, noise)),
        ("clip", offset_of!(StepRow, clip)),
        ("x0_x", offset_of!(StepRow, x0_x)),
        ("x0_m", offset_of!(StepRow, x0_m)),
        ("eps_x", offset_of!(StepRow, eps_x)),
        ("eps_m", offset_of!(StepRow, eps_m)),
        ("eps_0", offset_of!(StepRow, eps_0)),
        ("next_0", offset_of!(StepRow, next_0)),
        ("next_x", offset_of!(StepRow, next_x)),
        ("next_e", offset_of!(StepRow, next_e)),
        ("sigma", offset_of!(StepRow, sigma)),
        ("log_min", offset_of!(StepRow, log_min)),
        ("log_max", offset_of!(StepRow, log_max)),
        ("weight", offset_of!(StepRow, weight)),
        ("seed_lo", offset_of!(StepRow, seed_lo)),
        ("seed_hi", offset_of!(StepRow, seed_hi)),
        ("draw", offset_of!(StepRow, draw)),
        ("noise_t", offset_of!(StepRow, noise_t)),
        ("rate", offset_of!(StepRow, rate)),
        ("root", offset_of!(StepRow, root)),
        ("first_patch", offset_of!(StepRow, patch)),
        ("pad", offset_of!(StepRow, pad)),
    ];
    assert_eq!(found.len(), fields.len());
    for (name, offset) in fields {
        assert_eq!(found.get(name), Some(&offset), "{name}");
    }
}
