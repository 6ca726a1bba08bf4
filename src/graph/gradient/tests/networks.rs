//! What networks are made of: convolutions, GroupNorm, linear layers, embeddings, concatenation, with respect to inputs and weights.
use super::*;
use crate::graph::ConvSpec;
use crate::kernels::WeightId;
use crate::kernels::resample::{Pool, PoolKind};

/// Multiples of 1/4096, so that small moves of them are exact.
pub(super) fn values(len: usize, seed: u64) -> Vec<f32> {
    let data = random(Shape::new(1, 1, 1, len), seed).data;
    data.into_iter().map(|v| (v * 4096.0).round() / 4096.0).collect()
}

/// Every state and every weight of the graph so far, each moved itself.
pub(super) fn everything(n: &Checked) -> Vec<(Wrt, Wrt)> {
    let states = n.states.iter().map(|&s| Wrt::from(s));
    states.chain((0..n.g.weights.len()).map(|w| Wrt::from(WeightId(w)))).map(|w| (w, w)).collect()
}

#[test]
fn convolutions_of_every_stride_and_padding() {
    // Kernel, stride, padding (top, left, bottom, right), input: with and without pixels behind the last window, paddings as wide
    // as the kernel, and diffusers' asymmetric one.
    let cases = [
        ([3, 3], 1, [1; 4], Shape::new(2, 4, 5, 3)),
        ([3, 3], 2, [1; 4], Shape::new(1, 6, 6, 5)),
        ([3, 3], 2, [1; 4], Shape::new(2, 5, 7, 4)),
        ([3, 3], 2, [0, 0, 1, 1], Shape::new(1, 6, 8, 3)),
        ([1, 1], 1, [0; 4], Shape::new(2, 3, 3, 5)),
        ([1, 1], 1, [1, 0, 2, 1], Shape::new(1, 3, 4, 2)),
        ([2, 3], 3, [1, 2, 0, 1], Shape::new(1, 7, 9, 2)),
        ([5, 5], 1, [2; 4], Shape::new(1, 5, 4, 1)),
    ];
    for (i, (kernel, stride, pad, x)) in cases.into_iter().enumerate() {
        let (mut n, reads) = Checked::new(&[("x", x)]);
        let (cout, [kh, kw]) = (4 + i % 3, kernel);
        let (weight, bias) = (values(cout * x.c * kh * kw, 3), values(cout, 4));
        let spec = ConvSpec { weight: &weight, shape: [cout, x.c, kh, kw], bias: Some(&bias), stride, pad };
        let y = n.g.conv("conv", reads[0], &spec).unwrap();
        let y = n.g.map("silu", y, Activation::Silu, 1.0, 0.0).unwrap();
        let wrt = everything(&n);
        n.check(y, &wrt);
    }
}

#[test]
fn group_norm_with_and_without_modulation() {
    for (x, groups, modulated, act) in [
        (Shape::new(2, 3, 5, 6), 3, false, Activation::Silu),
        (Shape::new(2, 3, 5, 6), 6, true, Activation::Silu),
        (Shape::new(1, 2, 3, 8), 2, true, Activation::Identity),
        (Shape::new(3, 1, 2, 12), 3, false, Activation::Gelu),
    ] {
        let (mut n, reads) = Checked::new(&[("x", x), ("modulation", Shape::new(x.n, 1, 1, 2 * x.c))]);
        let (gamma, beta) = (values(x.c, 3), values(x.c, 4));
        let modulation = modulated.then_some(reads[1]);
        let y = n.g.group_norm("norm", reads[0], (&gamma, &beta), groups, 1e-5, modulation, act).unwrap();
        let mut wrt = everything(&n);
        if !modulated {
            wrt.remove(1);
        }
        n.check(y, &wrt);
    }
}

#[test]
fn linear_layers_with_activations() {
    use Activation::{Identity, Sigmoid, Silu, Tanh};
    for (rows, cin, cout, pre, post) in [(3, 5, 7, Silu, Identity), (1, 8, 4, Identity, Tanh), (2, 3, 6, Silu, Sigmoid)]
    {
        let (mut n, reads) = Checked::new(&[("x", Shape::new(rows, 1, 1, cin))]);
        let (weight, bias) = (values(cin * cout, 3), values(cout, 4));
        let y = n.g.linear("linear", reads[0], &weight, Some(&bias), pre, post).unwrap();
        let wrt = everything(&n);
        n.check(y, &wrt);
    }
}

#[test]
fn attention_with_several_heads() {
    for (n, h, w, heads, d) in [(1, 1, 1, 1, 4), (2, 3, 5, 1, 3), (1, 5, 7, 2, 4), (2, 2, 3, 3, 5)] {
        let (mut n, reads) = Checked::new(&[("qkv", Shape::new(n, h, w, 3 * heads * d))]);
        let y = n.g.attention("attention", reads[0], heads).unwrap();
        let y = n.g.map("silu", y, Activation::Silu, 1.0, 0.0).unwrap();
        let wrt = everything(&n);
        n.check(y, &wrt);
    }
}

#[test]
fn pooling_of_every_window() {
    use PoolKind::{Average, Max};
    for (kind, size, stride, pad, x) in [
        (Max, [3, 3], 2, 1, Shape::new(2, 6, 5, 3)),
        (Max, [2, 2], 2, 0, Shape::new(1, 5, 4, 2)),
        (Average, [3, 2], 1, 1, Shape::new(2, 4, 3, 3)),
        (Average, [2, 2], 2, 0, Shape::new(1, 5, 4, 4)),
        (Average, [4, 3], 1, 0, Shape::new(2, 4, 3, 5)),
    ] {
        let (mut n, reads) = Checked::new(&[("x", x)]);
        let y = n.g.push("pool", Pool { kind, size, stride, pad }, &reads).unwrap();
        let y = n.g.map("silu", y, Activation::Silu, 1.0, 0.0).unwrap();
        let wrt = everything(&n);
        n.check(y, &wrt);
    }
}

/// A residual block with a time, a label and a skip, as UNets are made of them.
#[test]
fn a_block_of_a_unet() {
    let x = Shape::new(2, 4, 4, 6);
    let (mut n, reads) = Checked::new(&[
        ("x", x),
        ("skip", x.with_c(3)),
        ("time", Shape::new(2, 1, 1, 5)),
        ("y", Shape::new(2, 1, 1, 1)),
    ]);
    let [input, skip, time, label] = reads[..] else { unreachable!() };
    let g = &mut n.g;
    let table = values(3 * 5, 2);
    let embedded = g.embedding("label", label, &table, 5).unwrap();
    let time = g.add("time and label", time, embedded).unwrap();
    let h = g.concat("concat", input, skip).unwrap();
    let (gamma, beta) = (values(9, 3), values(9, 4));
    let h = g.group_norm("norm", h, (&gamma, &beta), 3, 1e-5, None, Activation::Silu).unwrap();
    let first = values(6 * 9 * 9, 5);
    let spec = ConvSpec { weight: &first, shape: [6, 9, 3, 3], bias: None, stride: 1, pad: [1; 4] };
    let h = g.conv("first", h, &spec).unwrap();
    let projection = values(5 * 12, 6);
    let modulation = g.linear("projection", time, &projection, None, Activation::Silu, Activation::Identity).unwrap();
    let h = g.group_norm("norm 2", h, (&gamma[..6], &beta[..6]), 2, 1e-5, Some(modulation), Activation::Silu).unwrap();
    let part = g.push("part", crate::kernels::channels::Channels { from: -2, count: 9 }, &[h]).unwrap();
    let part = g.push("part again", crate::kernels::channels::Channels { from: 2, count: 6 }, &[part]).unwrap();
    let output = g.add("residual", part, input).unwrap();
    let [sx, ss, st, _] = n.states[..] else { unreachable!() };
    let states = [sx, ss, st].map(|s| (Wrt::from(s), Wrt::from(s)));
    let weights = (0..n.g.weights.len()).map(|w| (Wrt::from(WeightId(w)), Wrt::from(WeightId(w))));
    n.check(output, &states.into_iter().chain(weights).collect::<Vec<_>>());
}

#[test]
fn of_two_modulations_as_one() {
    let x = Shape::new(2, 4, 4, 6);
    let vector = |c| Shape::new(2, 1, 1, c);
    let (mut n, reads) = Checked::new(&[("x", x), ("time", vector(12)), ("condition", vector(6))]);
    let [input, time, condition] = reads[..] else { unreachable!() };
    let g = &mut n.g;
    let both = g.push("both", crate::kernels::modulate::Modulate, &[time, condition]).unwrap();
    let (gamma, beta) = (values(6, 3), values(6, 4));
    let y = g.group_norm("norm", input, (&gamma, &beta), 3, 1e-5, Some(both), Activation::Silu).unwrap();
    let wrt: Vec<_> = n.states.iter().map(|&s| (Wrt::from(s), Wrt::from(s))).collect();
    n.check(y, &wrt);
}

#[test]
fn what_is_fused_is_refused() {
    let x = Shape::new(1, 4, 4, 4);
    let (mut n, reads) = Checked::new(&[("x", x)]);
    let weight = values(16, 3);
    let spec = ConvSpec { weight: &weight, shape: [4, 4, 1, 1], bias: None, stride: 1, pad: [0; 4] };
    let h = n.g.map("silu", reads[0], Activation::Silu, 1.0, 0.0).unwrap();
    let y = n.g.conv("conv", h, &spec).unwrap();
    let Op::Conv(conv) = &mut n.g.nodes[y.0].op else { unreachable!() };
    conv.act = Activation::Silu;
    let text = gradients(&mut n.g, (y, reads[0]), &[n.states[0].into()]).unwrap_err().to_string();
    assert!(text.contains("conv") && text.contains("before fusion"), "{text}");
}
