//! Adversarial images: the smallest changes that move a score the most.
mod ball;
mod network;
mod pgd;
mod run;
mod seeds;

pub use ball::{Ball, Norm};
pub use pgd::{Found, Pgd, Start, Subject, Target, Towards};
pub use run::{AttackSettings, Attacked, Attacker};
pub use seeds::{Use, seed_of};
