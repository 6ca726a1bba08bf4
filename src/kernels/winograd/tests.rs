use super::super::conv::TILES;
use super::super::conv::tests::{cases, conv, fused, inputs, nmse, run, validates};
use super::super::testing::{ELEMENTWISE, PRODUCT, check, random};
use super::super::{Op, StepRow};
use super::*;

type Lowered = (WinogradInput, WinogradGemm, WinogradOutput);

/// The three halves one after the other.
fn three<T: super::super::Real>((a, b, c): &Lowered, io: &Io, x: &[Vec<f64>], w: &[Vec<f64>]) -> Vec<f64> {
    let cut = 1 + usize::from(a.affine);
    let packed: Vec<f32> = w[0].iter().map(|&v| v as f32).collect();
    let u = transform(&packed, io.inputs[0].c, io.output.c).into_iter().map(f64::from).collect();
    let v = a.output(&io.inputs[..cut]).unwrap();
    let m = b.output(&[v]).unwrap();
    let vs = run::<T>(&Io { inputs: io.inputs[..cut].to_vec(), output: v }, &x[..cut], &[], |args| a.cpu(args));
    let ms = run::<T>(&Io { inputs: vec![v], output: m }, &[vs], &[u], |args| b.cpu(args));
    let mut shapes = vec![m];
    shapes.extend(&io.inputs[cut..]);
    let last: Vec<_> = std::iter::once(ms).chain(x[cut..].iter().cloned()).collect();
    assert_eq!(c.output(&shapes), Ok(io.output));
    run::<T>(&Io { inputs: shapes, output: io.output }, &last, &w[1..], |args| c.cpu(args))
}

#[test]
fn agrees_with_the_convolution_and_validates() {
    let mut done = 0;
    for (c, x) in cases() {
        let (io, x, w) = inputs(&c, x);
        let Some(l) = lower(&c, &io, WeightId(0), Class::WebGpu) else { continue };
        done += 1;
        let want = run::<f64>(&io, &x, &w, |a| c.cpu(a));
        // The transformed weights are rounded to f32, in the f64 half too.
        let (y64, y32) = (three::<f64>(&l, &io, &x, &w), three::<f32>(&l, &io, &x, &w));
        assert!(nmse(&y64, &want) < 1e-13, "f64 {c:?}: {}", nmse(&y64, &want));
        assert!(nmse(&y32, &want) < 1e-11, "f32 {c:?}: {}", nmse(&y32, &want));
        let cut = 1 + usize::from(c.affine);
        let v = l.0.output(&io.inputs[..cut]).unwrap();
        let m = v.with_c(c.cout);
        validates(&l.0.shader(&Io { inputs: io.inputs[..cut].to_vec(), output: v }), cut as u32);
        for tile in TILES {
            let gemm = WinogradGemm { tile, ..l.1.clone() };
            validates(&gemm.shader(&Io { inputs: vec![v], output: m }), 1);
        }
        let shapes: Vec<_> = std::iter::once(m).chain(io.inputs[cut..].iter().copied()).collect();
        let n = shapes.len() as u32;
        validates(&l.2.shader(&Io { inputs: shapes, output: io.output }), n);
    }
    assert!(done > 30, "only {done} cases");
}

#[test]
fn in_one_launch_on_the_processor() {
    let mut cases = cases();
    cases.push((fused(conv(3, 1, [1; 4], 36)), Shape::new(1, 67, 300, 4)));
    cases.push((conv(3, 1, [2, 0, 1, 3], 12), Shape::new(2, 31, 33, 20)));
    for (c, x) in cases.into_iter().filter(|(c, _)| c.kernel == [3, 3] && c.stride == 1) {
        let (io, x, mut w) = inputs(&c, x);
        let want = run::<f64>(&io, &x, &w, |a| c.cpu(a));
        let packed: Vec<f32> = w[0].iter().map(|&v| v as f32).collect();
        w[0] = transform(&packed, io.inputs[0].c, io.output.c).into_iter().map(f64::from).collect();
        let c = Conv { winograd: true, ..c };
        let y64 = run::<f64>(&io, &x, &w, |a| c.cpu(a));
        let y32 = run::<f32>(&io, &x, &w, |a| c.cpu(a));
        assert!(nmse(&y64, &want) < 1e-13, "f64 {c:?}: {}", nmse(&y64, &want));
        assert!(nmse(&y32, &want) < 1e-11, "f32 {c:?}: {}", nmse(&y32, &want));
    }
}

#[test]
fn devices_agree() {
    let step = StepRow::default();
    for (n, h, w, cin, cout) in [(1, 1, 1, 1, 1), (2, 7, 9, 5, 33), (1, 16, 16, 32, 64), (3, 11, 2, 65, 3)] {
        for upsample in [false, true] {
            let c = Conv { upsample, ..fused(conv(3, 1, [1; 4], cout)) };
            let (io, _, weights) = inputs(&c, Shape::new(n, h, w, cin));
            let (a, b, c) = lower(&c, &io, WeightId(0), Class::WebGpu).unwrap();
            let of = |shapes: &[Shape]| shapes.iter().zip(1..).map(|(&s, i)| random(s, i)).collect::<Vec<_>>();
            let (v, single) = (a.output(&io.inputs[..2]).unwrap(), |w: &[f64]| w.iter().map(|&v| v as f32).collect());
            let (packed, bias): (Vec<_>, Vec<_>) = (single(&weights[0]), single(&weights[1]));
            let u = transform(&packed, cin, cout);
            check(&Op::WinogradInput(a), &of(&io.inputs[..2]), &[], &step, ELEMENTWISE);
            for tile in TILES {
                let b = WinogradGemm { tile, ..b.clone() };
                check(&Op::WinogradGemm(b), &of(&[v]), std::slice::from_ref(&u), &step, PRODUCT);
            }
            // The bias is weight 1 of the convolution and the only one of the last launch.
            let c = WinogradOutput { bias: Some(WeightId(0)), ..c };
            let shapes = [v.with_c(cout), io.inputs[2], io.inputs[3]];
            check(&Op::WinogradOutput(c), &of(&shapes), &[bias], &step, ELEMENTWISE);
        }
    }
}

#[test]
fn wide_sums_stay_within_the_bar() {
    let c = fused(conv(3, 1, [1; 4], 16));
    let (io, x, w) = inputs(&c, Shape::new(1, 6, 6, 1024));
    let l = lower(&c, &io, WeightId(0), Class::WebGpu).unwrap();
    let want = run::<f64>(&io, &x, &w, |a| c.cpu(a));
    let e = nmse(&three::<f32>(&l, &io, &x, &w), &want);
    assert!(e < 1e-11, "{e}");
}

#[test]
fn what_it_cannot_do_stays_a_convolution() {
    for (c, x) in [
        (conv(3, 2, [1; 4], 8), Shape::new(1, 8, 8, 8)),
        (conv(5, 1, [2; 4], 8), Shape::new(1, 8, 8, 8)),
        (conv(3, 1, [1; 4], 256), Shape::new(1, 256, 256, 8)),
    ] {
        let io = Io { inputs: vec![x], output: c.output(&[x]).unwrap() };
        assert!(lower(&c, &io, WeightId(0), Class::WebGpu).is_none());
    }
}
