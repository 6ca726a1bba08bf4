//! What makes logits of features, and a class's probability of logits.
use super::networks::{everything, values};
use super::*;
use crate::kernels::conv::pack;
use crate::kernels::conv_transpose::ConvTranspose;
use crate::kernels::pixels::Pixels;

/// All but the last state, which holds classes.
fn but_the_class(n: &Checked) -> Vec<(Wrt, Wrt)> {
    let class = Wrt::from(*n.states.last().unwrap());
    everything(n).into_iter().filter(|(w, _)| *w != class).collect()
}

#[test]
fn ranges_of_pixels() {
    for (x, from, height, width) in [
        (Shape::new(2, 2, 3, 5), -1, 1, 7),
        (Shape::new(1, 1, 7, 4), 1, 2, 3),
        (Shape::new(3, 1, 1, 3), 0, 2, 4),
        (Shape::new(2, 3, 3, 1), 2, 5, 1),
    ] {
        for tabled in [false, true] {
            let (mut n, reads) = Checked::new(&[("x", x)]);
            let one = Shape::new(1, height, width, x.c);
            let mut table = random(one, 3).to_device_layout();
            table.iter_mut().for_each(|v| *v = (*v * 4096.0).round() / 4096.0);
            let table = tabled.then(|| n.g.weight("table", table));
            let y = n.g.push("pixels", Pixels { from, height, width, table }, &[reads[0]]).unwrap();
            let y = n.g.map("silu", y, Activation::Silu, 1.0, 0.0).unwrap();
            let wrt = everything(&n);
            n.check(y, &wrt);
        }
    }
}

#[test]
fn the_mean_of_all_pixels() {
    for x in [Shape::new(2, 3, 5, 6), Shape::new(1, 2, 2, 3), Shape::new(3, 1, 1, 4), Shape::new(1, 4, 1, 7)] {
        let (mut n, reads) = Checked::new(&[("x", x)]);
        let y = n.g.map("silu", reads[0], Activation::Silu, 1.0, 0.0).unwrap();
        let y = n.g.global_avg_pool("mean", y).unwrap();
        let wrt = everything(&n);
        n.check(y, &wrt);
    }
}

/// An attention pool but for the attention: tokens with positions, a projection of each, the first.
#[test]
fn tokens_and_the_first_of_them() {
    for x in [Shape::new(2, 2, 2, 6), Shape::new(1, 3, 3, 4), Shape::new(3, 1, 1, 5)] {
        let (mut n, reads) = Checked::new(&[("x", x)]);
        let positions = values((1 + x.h * x.w) * x.c, 3);
        let h = n.g.tokens("tokens", reads[0], &positions).unwrap();
        assert_eq!(n.g.shape(h), Shape::new(x.n, 1, 1 + x.h * x.w, x.c));
        let h = n.g.map("silu", h, Activation::Silu, 1.0, 0.0).unwrap();
        let first = n.g.first_pixel("first", h).unwrap();
        let h = n.g.add("sum", h, first).unwrap();
        let wrt = everything(&n);
        n.check(h, &wrt);
    }
}

#[test]
fn the_probability_of_a_class() {
    for (rows, classes, cin) in [(3, 2, 4), (1, 7, 5), (5, 1, 3), (4, 10, 3)] {
        let (mut n, reads) = Checked::new(&[("x", Shape::new(rows, 1, 1, cin)), ("class", Shape::new(rows, 1, 1, 1))]);
        // Classes of all kinds, from the random numbers of the state.
        let class = n.g.map("class", reads[1], Activation::Identity, 4.0, 4.0).unwrap();
        let weight = values(classes * cin, 3);
        let logits = n.g.linear("logits", reads[0], &weight, None, Activation::Silu, Activation::Identity).unwrap();
        let y = n.g.log_softmax_pick("log p", logits, class).unwrap();
        // Of a single class nothing changes the probability.
        if classes == 1 {
            let ones = n.g.map("ones", reads[1], Activation::Identity, 0.0, 1.0).unwrap();
            let found = gradients(&mut n.g, (y, ones), &[n.states[0].into()]).unwrap();
            let out = n.keep("gradient", found[0]);
            let data: Vec<Vec<f32>> = (0..).zip(&n.states).map(|(i, &s)| n.values(s, i)).collect();
            assert!(n.run(&data, out).0.state(out).iter().all(|&g| g == 0.0));
            continue;
        }
        let wrt = but_the_class(&n);
        n.check(y, &wrt);
    }
}

#[test]
fn what_chooses_has_no_gradient() {
    let (mut n, reads) = Checked::new(&[("x", Shape::new(2, 1, 1, 3)), ("class", Shape::new(2, 1, 1, 1))]);
    let y = n.g.log_softmax_pick("log p", reads[0], reads[1]).unwrap();
    let ones = n.g.map("ones", reads[1], Activation::Identity, 0.0, 1.0).unwrap();
    let found = gradients(&mut n.g, (y, ones), &[n.states[1].into()]).unwrap();
    let out = n.keep("gradient", found[0]);
    let data: Vec<Vec<f32>> = (0..).zip(&n.states).map(|(i, &s)| n.values(s, i)).collect();
    assert!(n.run(&data, out).0.state(out).iter().all(|&g| g == 0.0));
}

/// The head of `spatial_v2`: means of features of several sizes, GroupNorm on one vector a sample.
#[test]
fn means_behind_one_another() {
    let (a, b) = (Shape::new(2, 4, 3, 5), Shape::new(2, 2, 1, 6));
    let (mut n, reads) = Checked::new(&[("a", a), ("b", b)]);
    let g = &mut n.g;
    let first = g.map("silu", reads[0], Activation::Silu, 1.0, 0.0).unwrap();
    let first = g.global_avg_pool("mean a", first).unwrap();
    let second = g.map("silu", reads[1], Activation::Silu, 1.0, 0.0).unwrap();
    let second = g.global_avg_pool("mean b", second).unwrap();
    let h = g.concat("means", first, second).unwrap();
    let (weight, bias) = (values(12 * 11, 3), values(12, 4));
    let h = g.linear("linear", h, &weight, Some(&bias), Activation::Identity, Activation::Identity).unwrap();
    let (gamma, beta) = (values(12, 5), values(12, 6));
    let h = g.group_norm("norm", h, (&gamma, &beta), 3, 1e-5, None, Activation::Silu).unwrap();
    let wrt = everything(&n);
    n.check(h, &wrt);
}

#[test]
fn transposed_convolutions() {
    for (x, cout, kernel, stride, pad, output_pad) in [
        (Shape::new(2, 3, 5, 6), 5, 4, 2, 1, 0),
        (Shape::new(1, 4, 3, 3), 4, 3, 2, 1, 1),
        (Shape::new(1, 2, 2, 1), 3, 2, 2, 0, 0),
        (Shape::new(1, 3, 3, 4), 2, 3, 1, 1, 0),
    ] {
        let (mut n, reads) = Checked::new(&[("x", x)]);
        let one = random(Shape::new(cout, kernel, kernel, x.c), 3).data;
        let rounded: Vec<f32> = one.iter().map(|v| (v * 4096.0).round() / 4096.0).collect();
        let weight = n.g.weight("kernel", pack(&rounded, [cout, x.c, kernel, kernel]));
        let (kernel, output_pad) = ([kernel; 2], [output_pad; 2]);
        let op = ConvTranspose { kernel, stride, pad: [pad; 4], output_pad, cout, weight, bias: None };
        let y = n.g.push("transposed", op, &[reads[0]]).unwrap();
        let y = n.g.map("silu", y, Activation::Silu, 1.0, 0.0).unwrap();
        let output = y;
        let refused = gradients(&mut n.g.clone(), (output, output), &[Wrt::Weight(weight)]).unwrap_err().to_string();
        assert!(refused.contains("have no gradient"), "{refused}");
        let states: Vec<_> = n.states.iter().map(|&s| (Wrt::State(s), Wrt::State(s))).collect();
        n.check(output, &states);
    }
}
