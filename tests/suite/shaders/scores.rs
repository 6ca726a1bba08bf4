//! The shaders of the chain's and the score's gradients, at awkward sizes.
use super::*;
use residua::kernels::axis_map::{AxisMap, Taps};
use residua::kernels::keep::Keep;
use residua::kernels::region::{Above, Blend};
use residua::kernels::sampler_gradient::SamplerGradient;
use residua::kernels::score_gradient::{ReduceGradient, ResidualGradient};

#[test]
fn of_chains_and_scores() {
    let mut texts = Texts::new();
    let mut op = |op: Op, inputs: &[Shape], weights: usize| {
        let output = op.kernel().unwrap().output(inputs).unwrap_or_else(|e| panic!("{op:?}: {e}"));
        let io = Io { inputs: inputs.to_vec(), output };
        add(&op, &io, weights, &mut texts, &format!("{op:?} on {inputs:?}"));
    };
    for c in [1, 2, 3, 4, 5, 8, 33] {
        let x = Shape::new(2, 7, 13, c);
        let one = Shape { n: 1, ..x };
        for (horizontal, inputs, outputs) in [(true, 13, 6), (true, 13, 40), (false, 7, 1), (false, 7, 8)] {
            let line = Taps::triangle(inputs, outputs).table().1;
            op(AxisMap { table: WeightId(0), line, inputs, outputs, horizontal }.into(), &[x], 1);
        }
        for (learned_range, noisy) in [(false, false), (false, true), (true, false), (true, true)] {
            let m = x.with_c(if learned_range { 2 * c } else { c });
            for (at_output, z) in [(false, x), (true, x), (false, one), (true, one)] {
                let step = sampler::SamplerStep { learned_range, noisy };
                op(SamplerGradient { step, at_output }.into(), &[x, x, m, z][..3 + usize::from(noisy)], 0);
            }
        }
        use score::ResidualKind::*;
        for kind in [Squared, Absolute, Positive, Negative] {
            op(ResidualGradient { kind }.into(), &[x.with_c(1), x, x], 0);
        }
        let reduced = Shape::new(2, 1, 1, 3);
        op(ReduceGradient.into(), &[reduced, x, reduced], 0);
        op(Keep { slots: 3 }.into(), &[x], 0);
        op(Blend.into(), &[x.with_c(1), x, x], 0);
        for (threshold, grow) in [(0.0, 0), (0.005675, 1), (1e6, 64)] {
            op(Above { threshold, grow }.into(), &[x.with_c(1)], 0);
        }
    }
    check_all(&texts);
}
