//! Self-attention.
use crate::Result;
use crate::graph::NodeId;
use crate::graph::gradient::Backward;
use crate::kernels::attention::Attention;
use crate::kernels::attention_gradient::{AttentionGradient, AttentionRows};

/// The weights are computed again, so that nothing of the forward pass is kept but qkv and the output.
pub(super) fn rule(b: &mut Backward, &Attention { heads, .. }: &Attention, qkv: NodeId, dy: NodeId) -> Result<()> {
    let out = b.id;
    b.input(0, |g, name| {
        let rows = g.push(name, AttentionRows { heads }, &[qkv, dy, out])?;
        g.push(name, AttentionGradient { heads }, &[qkv, dy, rows])
    })
}
