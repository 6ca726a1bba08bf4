//! Two modulations as one.
use crate::Result;
use crate::graph::gradient::Backward;
use crate::graph::{Graph, NodeId};
use crate::kernels::channels::Channels;
use crate::kernels::modulate::Modulate;
use crate::kernels::pointwise::Activation::Identity;

/// s = (1 + scale)(1 + more) − 1 and b = shift·(1 + more): `both` = [scale | shift] gets dy·(1 + more), `more` gets
/// ds·(1 + scale) + db·shift. What the op itself adds to a product is taken off again.
pub(super) fn rule(b: &mut Backward, both: NodeId, more: NodeId, dy: NodeId) -> Result<()> {
    let c = b.g.shape(more).c;
    b.input(0, |g, name| {
        let times = g.push(name, Modulate, &[dy, more])?;
        let added = g.push(name, Channels { from: 0, count: 2 * c }, &[more])?;
        minus(g, name, times, added)
    })?;
    b.input(1, |g, name| {
        let mut half = |of, second: bool| {
            let from = if second { c as isize } else { 0 };
            g.push(name, Channels { from, count: c }, &[of])
        };
        let (ds, db, scale, shift) = (half(dy, false)?, half(dy, true)?, half(both, false)?, half(both, true)?);
        // The second half of the op: p·(1 + q).
        let mut times = |p, q| {
            let pair = g.concat(name, p, p)?;
            let product = g.push(name, Modulate, &[pair, q])?;
            g.push(name, Channels { from: c as isize, count: c }, &[product])
        };
        let (first, second) = (times(ds, scale)?, times(db, shift)?);
        let second = minus(g, name, second, db)?;
        g.add(name, first, second)
    })
}

fn minus(g: &mut Graph, name: &str, a: NodeId, b: NodeId) -> Result<NodeId> {
    let negative = g.map(name, b, Identity, -1.0, 0.0)?;
    g.add(name, a, negative)
}
