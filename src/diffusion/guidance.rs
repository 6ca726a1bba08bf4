//! Classifier guidance: the gradient of a class's log probability with respect to a noised image.
//!
//! Source: Dhariwal and Nichol 2021, "Diffusion Models Beat GANs on Image Synthesis", section 4 (algorithm 1 adds it to a mean, scaled
//! by the variance; algorithm 2 takes it, scaled by √(1 − ᾱ), off ε).
use crate::Result;
use crate::graph::{Graph, NodeId, gradients};
use crate::kernels::pointwise::Activation::Identity;
use crate::model::Network;

/// `scale · ∇ₓ log p(class | x, t)` of a classifier, of x's shape (N,H,W,C). `t` (N,1,1,1) are times as the classifier was trained
/// with; `class` (N,1,1,1) are classes from 0 on, each sample's own (one that is out of range counts as the nearest that is not). The
/// classifier is differentiated with respect to `x` alone: an image, or anything computed from one.
/// # Errors
/// As [`Network::build`], for a network that is no classifier among others, and [`gradients`].
pub fn guidance(
    g: &mut Graph,
    classifier: &Network,
    x: NodeId,
    t: NodeId,
    class: NodeId,
    scale: f32,
) -> Result<NodeId> {
    classifier.as_classifier()?;
    let logits = classifier.build(g, &[x, t])?;
    guidance_by(g, logits, x, class, scale)
}

/// The same, given the logits (N,1,1,classes) that a classifier has made of `x`.
/// # Errors
/// As [`gradients`].
pub fn guidance_by(g: &mut Graph, logits: NodeId, x: NodeId, class: NodeId, scale: f32) -> Result<NodeId> {
    let log_p = g.log_softmax_pick("log p(class)", logits, class)?;
    // Samples do not see each other, so that the gradient of the sum is each one's own.
    let factor = g.map("guidance scale", class, Identity, 0.0, scale)?;
    Ok(gradients(g, (log_p, factor), &[x.into()])?[0])
}
