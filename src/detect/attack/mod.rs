//! Adversarial images: the smallest changes that move a score the most.
mod ball;
mod pgd;
mod seeds;

pub use ball::{Ball, Norm};
pub use pgd::{Found, Pgd, Start, Subject, Target, Towards};
pub use seeds::{Use, seed_of};
