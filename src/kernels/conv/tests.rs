use super::*;
use crate::kernels::testing::{PRODUCT, check, random};
use crate::kernels::{Args, Op, Real, StepRow, Value};

/// Repeatable numbers in -1..1.
pub(crate) fn numbers(len: usize, seed: u32) -> Vec<f64> {
    let mut s = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    (0..len)
        .map(|_| {
            s = s.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from((s >> 8) as f32) / f64::from(1_u32 << 23) - 1.0
        })
        .collect()
}

/// Numbers of a shape in device layout, zeros in the padding.
pub(crate) fn tensor(s: Shape, seed: u32) -> Vec<f64> {
    let mut v = numbers(s.padded_len(), seed);
    for (i, v) in v.iter_mut().enumerate() {
        if i % s.c_pad() >= s.c {
            *v = 0.0;
        }
    }
    v
}

/// Random packed weights of (Cout,Cin,kh,kw).
pub(crate) fn weights(shape: [usize; 4], seed: u32) -> Vec<f64> {
    let values: Vec<f32> = numbers(shape.iter().product(), seed).iter().map(|&v| v as f32).collect();
    pack(&values, shape).into_iter().map(f64::from).collect()
}

pub(crate) fn conv(kernel: usize, stride: usize, pad: [usize; 4], cout: usize) -> Conv {
    Conv {
        kernel: [kernel; 2],
        stride,
        pad,
        cout,
        weight: WeightId(0),
        bias: None,
        affine: false,
        act: Activation::Identity,
        upsample: false,
        per_sample: false,
        residual: false,
        scale: 1.0,
        tile: Tile::T32,
        winograd: false,
    }
}

/// Everything fused that can be.
pub(crate) fn fused(c: Conv) -> Conv {
    let act = Activation::Silu;
    Conv { bias: Some(WeightId(1)), affine: true, act, per_sample: true, residual: true, scale: 0.7, ..c }
}

/// The shapes and random inputs of a convolution of x.
pub(crate) fn inputs(c: &Conv, x: Shape) -> (Io, Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let mut shapes = vec![x];
    let mut push = |on: bool, s: Shape| shapes.extend(on.then_some(s));
    push(c.affine, Shape::new(x.n, 1, 2, x.c));
    push(c.per_sample, Shape::new(x.n, 1, 1, c.cout));
    let bare = Conv { affine: false, per_sample: false, residual: false, ..c.clone() };
    let output = bare.output(&[x]).unwrap();
    push(c.residual, output);
    assert_eq!(c.output(&shapes), Ok(output));
    let inputs = shapes.iter().zip(7..).map(|(&s, seed)| tensor(s, seed)).collect();
    let mut w = vec![weights([c.cout, x.c, c.kernel[0], c.kernel[1]], 3)];
    w.extend(c.bias.map(|_| tensor(Shape::new(1, 1, 1, c.cout), 4)));
    (Io { inputs: shapes, output }, inputs, w)
}

/// The definition, one output at a time.
fn naive(c: &Conv, io: &Io, inputs: &[Vec<f64>], w: &[Vec<f64>]) -> Vec<f64> {
    let (x, o) = (io.inputs[0], io.output);
    let up = if c.upsample { 2 } else { 1 };
    let (cp, op) = (x.c_pad(), o.c_pad());
    let mut y = vec![0.0; o.padded_len()];
    for i in 0..y.len() {
        let (pixel, co) = (i / op, i % op);
        let (n, oy, ox) = (pixel / (o.h * o.w), pixel / o.w % o.h, pixel % o.w);
        let mut sum = 0.0;
        for tap in 0..c.kernel[0] * c.kernel[1] {
            let (iy, ix) = (oy * c.stride + tap / c.kernel[1], ox * c.stride + tap % c.kernel[1]);
            let inside = |i: usize, pad: usize, size: usize| i.checked_sub(pad).filter(|&i| i < size * up);
            let (Some(iy), Some(ix)) = (inside(iy, c.pad[0], x.h), inside(ix, c.pad[1], x.w)) else { continue };
            for ci in 0..x.c {
                let mut v = inputs[0][((n * x.h + iy / up) * x.w + ix / up) * cp + ci];
                if c.affine {
                    v = inputs[1][n * 2 * cp + ci] * v + inputs[1][(n * 2 + 1) * cp + ci];
                }
                sum += c.act.apply(v) * w[0][(tap * cp + ci) * op + co];
            }
        }
        let mut rest = inputs[1 + usize::from(c.affine)..].iter();
        sum += c.bias.map_or(0.0, |_| w[1][co]);
        sum += if c.per_sample { rest.next().map_or(0.0, |p| p[n * op + co]) } else { 0.0 };
        sum += if c.residual { rest.next().map_or(0.0, |r| r[i]) } else { 0.0 };
        y[i] = f64::from(c.scale) * sum;
    }
    y
}

pub(crate) fn cast<T: Real>(v: &[Vec<f64>]) -> Vec<Vec<T>> {
    v.iter().map(|v| v.iter().map(|&v| T::of(v)).collect()).collect()
}

pub(crate) fn refs<T>(v: &[Vec<T>]) -> Vec<&[T]> {
    v.iter().map(Vec::as_slice).collect()
}

/// Runs a CPU half on numbers rounded to T.
pub(crate) fn run<T: Real>(io: &Io, inputs: &[Vec<f64>], w: &[Vec<f64>], f: impl Fn(Args<T>)) -> Vec<f64> {
    let (inputs, w) = (cast::<T>(inputs), cast::<T>(w));
    // Not zeros: the kernel has to write every element.
    let mut y = vec![T::of(9e9); io.output.padded_len()];
    let step = StepRow::default();
    f(Args { inputs: &refs(&inputs), output: &mut y, weights: &refs(&w), io, step: &step });
    y.into_iter().map(Real::f64).collect()
}

pub(crate) fn nmse(y: &[f64], reference: &[f64]) -> f64 {
    let sum = |f: &dyn Fn((&f64, &f64)) -> f64| y.iter().zip(reference).map(f).sum::<f64>();
    sum(&|(a, b)| (a - b) * (a - b)) / sum(&|(_, b)| b * b).max(1e-300)
}

/// Convolutions at awkward shapes, with the shape of their input.
pub(crate) fn cases() -> Vec<(Conv, Shape)> {
    let mut v = Vec::new();
    for (cin, cout) in [(1, 1), (3, 5), (5, 3), (32, 32), (33, 31), (4, 65), (130, 7)] {
        v.push((conv(3, 1, [1; 4], cout), Shape::new(2, 7, 11, cin)));
        v.push((fused(conv(3, 1, [1; 4], cout)), Shape::new(2, 8, 8, cin)));
        v.push((fused(conv(1, 1, [0; 4], cout)), Shape::new(3, 5, 13, cin)));
        v.push((conv(1, 1, [0; 4], cout), Shape::new(1, 1, 1, cin)));
    }
    for stride in 1..=3 {
        for pad in [[0; 4], [1; 4], [0, 0, 1, 1], [2, 0, 1, 3]] {
            for kernel in [1, 2, 3, 4, 5] {
                v.push((fused(conv(kernel, stride, pad, 6)), Shape::new(2, 9, 6, 5)));
            }
        }
    }
    for (h, w) in [(1, 1), (1, 31), (2, 16), (33, 1), (8, 8), (9, 7), (63, 1), (5, 13), (16, 17)] {
        v.push((fused(conv(3, 1, [1; 4], 9)), Shape::new(1, h, w, 6)));
        v.push((Conv { upsample: true, ..fused(conv(3, 1, [1; 4], 9)) }, Shape::new(2, h, w, 6)));
    }
    v.push((Conv { kernel: [1, 3], ..conv(1, 1, [0, 1, 0, 1], 8) }, Shape::new(1, 6, 5, 8)));
    v.push((Conv { act: Activation::Relu, residual: true, ..conv(7, 2, [3; 4], 8) }, Shape::new(1, 40, 70, 3)));
    v.push((Conv { upsample: true, ..conv(1, 1, [0; 4], 8) }, Shape::new(2, 3, 5, 8)));
    v
}

#[test]
fn cpu_agrees_with_the_definition() {
    for (c, x) in cases() {
        let (io, inputs, w) = inputs(&c, x);
        let want = naive(&c, &io, &inputs, &w);
        let y = run::<f64>(&io, &inputs, &w, |a| c.cpu(a));
        assert!(nmse(&y, &want) < 1e-24, "f64 {c:?} on {x}: {}", nmse(&y, &want));
        let y = run::<f32>(&io, &inputs, &w, |a| c.cpu(a));
        assert!(nmse(&y, &want) < 1e-11, "f32 {c:?} on {x}: {}", nmse(&y, &want));
    }
}

#[test]
fn chunks_of_a_large_map_join() {
    let (c, x) = (fused(conv(3, 1, [1; 4], 4)), Shape::new(1, 67, 300, 4));
    let (io, inputs, w) = inputs(&c, x);
    let y = run::<f64>(&io, &inputs, &w, |a| c.cpu(a));
    assert!(nmse(&y, &naive(&c, &io, &inputs, &w)) < 1e-24);
}

#[test]
fn padding_lanes_are_zero() {
    let c = fused(conv(3, 1, [1; 4], 5));
    let (io, inputs, w) = inputs(&c, Shape::new(1, 4, 4, 3));
    let y = run::<f32>(&io, &inputs, &w, |a| c.cpu(a));
    assert!(y.iter().enumerate().all(|(i, &v)| i % 8 < 5 || v == 0.0));
}

#[test]
fn wrong_inputs_are_refused() {
    let c = fused(conv(3, 1, [0; 4], 5));
    let x = Shape::new(1, 4, 4, 3);
    assert!(c.output(&[x]).is_err());
    assert!(conv(3, 1, [0; 4], 5).output(&[Shape::new(1, 2, 4, 3)]).is_err());
    let wrong = [x, Shape::new(1, 1, 2, 3), Shape::new(1, 1, 1, 5), x];
    assert!(c.output(&wrong).unwrap_err().contains("residual"));
}

/// The text that the GPU would get passes naga's validation.
pub(crate) fn validates(s: &Shader, inputs: u32) {
    let mut consts: crate::gpu::Consts = s.consts.iter().map(|(k, v)| (k.to_string(), v.clone())).collect();
    let mut bind = |name: String, at: u32| consts.insert(name, Value::U(at));
    (0..inputs).for_each(|i| drop(bind(format!("BIND_IN{i}"), 1 + i)));
    bind("BIND_OUT".into(), 1 + inputs);
    (0..2).for_each(|i| drop(bind(format!("BIND_W{i}"), 2 + inputs + i)));
    let text = crate::gpu::preprocess(s.file, &consts).unwrap();
    let module = match naga::front::wgsl::parse_str(&text) {
        Ok(m) => m,
        Err(e) => panic!("{}", e.emit_to_string(&text)),
    };
    let mut v = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty());
    v.validate(&module).map_err(|e| e.emit_to_string(&text)).unwrap();
}

#[test]
fn shaders_validate() {
    for (c, x) in cases() {
        for tile in TILES {
            let c = Conv { tile, ..c.clone() };
            let (io, ..) = inputs(&c, x);
            validates(&c.shader(&io), io.inputs.len() as u32);
        }
    }
}

/// One convolution on every device, inputs and weights at random.
fn on_devices(c: &Conv, x: Shape) {
    let (io, _, w) = inputs(c, x);
    let x: Vec<_> = io.inputs.iter().zip(1..).map(|(&s, seed)| random(s, seed)).collect();
    let w: Vec<_> = w.iter().map(|w| w.iter().map(|&v| v as f32).collect()).collect();
    check(&Op::Conv(c.clone()), &x, &w, &StepRow::default(), PRODUCT);
}

// Every shape and tile is a pipeline of its own, and software drivers take a second to compile one: a selection.

#[test]
fn devices_agree_at_awkward_shapes() {
    for (c, x) in cases().into_iter().step_by(4) {
        on_devices(&c, x);
    }
}

#[test]
fn devices_agree_around_the_tiles() {
    for tile in TILES {
        let (bm, bn) = (tile.pixels(), tile.channels());
        // The tile itself, and around it.
        for (pixels, cin, cout) in [(bm, 16, bn), (bm + 1, 17, bn + 1)] {
            on_devices(&Conv { tile, ..fused(conv(1, 1, [0; 4], cout)) }, Shape::new(2, 1, pixels, cin));
        }
        on_devices(&Conv { tile, ..fused(conv(3, 2, [0, 0, 1, 1], bn - 1)) }, Shape::new(3, 5, 7, 9));
    }
}

#[test]
fn more_tiles_than_one_grid_dimension_holds() {
    on_devices(&Conv { tile: Tile::T32, ..conv(1, 1, [0; 4], 4) }, Shape::new(1, 1448, 1449, 1));
}
