//! The shaders of gradients.
use super::*;
use residua::graph::{NodeId, Wrt, gradients};
use residua::kernels::Kernel;
use residua::kernels::attention_gradient::{AttentionGradient, AttentionRows};
use residua::kernels::pool_gradient::PoolGradient;

/// The gradients of the golden networks by their image and all of their weights.
#[test]
fn of_the_golden_networks_gradients() {
    let mut texts = Texts::new();
    for name in crate::common::denoisers_and_classifiers() {
        let crate::common::Case { graph: mut g, inputs, out, .. } =
            crate::common::network(&crate::common::golden(name));
        let used = Plan::new(&g).weights();
        let output = g.writes.iter().find(|w| w.1 == out).unwrap().0;
        let wrt: Vec<Wrt> = std::iter::once(inputs[0].0.into()).chain(used.into_iter().map(Wrt::from)).collect();
        let dy = g.state("gradient", g.shape(output));
        let dy = g.read(dy);
        let found: Vec<NodeId> = gradients(&mut g, (output, dy), &wrt).unwrap();
        for node in found {
            let kept = g.state("kept", g.shape(node));
            g.write(kept, node).unwrap();
        }
        collect(&lower(&fuse(&g, Fusion::Full), true), &mut texts, name);
    }
    check_all(&texts);
}

/// Attention and pooling, at awkward sizes.
#[test]
fn of_attention_and_pooling() {
    let mut texts = Texts::new();
    let mut op = |op: Op, inputs: &[Shape]| {
        let output = op.kernel().unwrap().output(inputs).unwrap_or_else(|e| panic!("{op:?}: {e}"));
        let io = Io { inputs: inputs.to_vec(), output };
        add(&op, &io, 0, &mut texts, &format!("{op:?} on {inputs:?}"));
    };
    for c in [1, 2, 3, 4, 5, 8, 33, 68, 516, 1100] {
        let x = Shape::new(2, 7, 13, c);
        for heads in (1..=c).filter(|h| c % h == 0) {
            op(AttentionRows { heads }.into(), &[x.with_c(3 * c), x, x]);
            op(AttentionGradient { heads }.into(), &[x.with_c(3 * c), x, x.with_c(2 * heads)]);
        }
        for (size, stride, pad) in [([2, 2], 2, 0), ([3, 3], 2, 1), ([x.h, x.w], 1, 0)] {
            for kind in [resample::PoolKind::Average, resample::PoolKind::Max] {
                let (pool, input) = (resample::Pool { kind, size, stride, pad }, [x.h, x.w]);
                let dy = pool.output(&[x]).unwrap();
                let given = [dy, x];
                let given = if kind == resample::PoolKind::Max { &given } else { &given[..1] };
                op(PoolGradient { pool, input }.into(), given);
            }
        }
    }
    check_all(&texts);
}
