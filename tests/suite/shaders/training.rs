//! The shaders of training.
use super::*;

/// The operations of training, at awkward sizes.
#[test]
fn of_training() {
    let mut texts = Texts::new();
    let mut op = |op: Op, inputs: &[Shape], weights: usize| {
        let output = op.kernel().unwrap().output(inputs).unwrap_or_else(|e| panic!("{op:?}: {e}"));
        let io = Io { inputs: inputs.to_vec(), output };
        add(&op, &io, weights, &mut texts, &format!("{op:?} on {inputs:?}"));
    };
    for (b, c) in [(1, 3), (17, 4), (64, 33)] {
        let rows = |n, c| Shape::new(n, 1, 1, c);
        let (x, t) = (rows(b, c), rows(b, 1));
        op(Op::Gather(Gather { batch: b }), &[rows(99, c), Shape::new(1, 1, 1, 99)], 0);
        op(Op::Times(Times { batch: b, steps: 300, stream: 1 }), &[], 0);
        op(Op::Diffuse(Diffuse { steps: 300, schedule: WeightId(0) }), &[x, x, t], 1);
        op(Op::Dense(Dense { way: DenseWay::Forward }), &[x, rows(3 * (c + 1), 7)], 0);
        op(Op::Dense(Dense { way: DenseWay::Input }), &[rows(b, 7), rows(3 * (c + 1), 7)], 0);
        op(Op::Dense(Dense { way: DenseWay::Weight }), &[x, rows(b, 7)], 0);
        op(Op::BatchNorm(BatchNorm::Forward), &[x, rows(6, c)], 0);
        op(Op::BatchNorm(BatchNorm::Input), &[x, x, rows(6, c)], 0);
        op(Op::BatchNorm(BatchNorm::Weight), &[x, x], 0);
        op(Op::BatchNorm(BatchNorm::Moments), &[x], 0);
        op(Op::Dropout(Dropout { p: 0.4, stream: 2 }), &[x], 0);
        use Activation::{Elu, Gelu, LeakyRelu, Mish, Relu, Sigmoid, Silu, Tanh};
        for act in [Relu, LeakyRelu, Elu, Mish, Silu, Gelu, Tanh, Sigmoid] {
            op(Op::ActGradient(ActGradient { act }), &[x, x], 0);
        }
        for gradient in [false, true] {
            op(Op::Loss(Loss { kind: LossKind::Categorical { steps: 400 }, gradient }), &[x, t], 0);
            let kind = LossKind::InverseGamma { shape: 2.0, steps: 400, variances: WeightId(0) };
            op(Op::Loss(Loss { kind, gradient }), &[t, t], 1);
            op(Op::Loss(Loss { kind: LossKind::MeanSquare, gradient }), &[x, x], 0);
        }
        op(Op::Adam(Adam { decay: 5e-4 }), &[x], 0);
    }
    check_all(&texts);
}
