//! The threshold of the best Dice, by bracketing.
use super::{Overlap, Voxels};
use crate::{Error, Result};

/// The rounds of pDDPM's public code.
pub const ROUNDS: usize = 10;

/// What bracketing found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bracket {
    /// The best threshold that was tried; what lies above it counts as found.
    pub threshold: f64,
    /// The Dice there.
    pub dice: f64,
}

/// Searches the threshold of the best Dice as pDDPM's public code does on its validation volumes.
///
/// The interval starts as `[0, max]`, `max` being the greatest value of all maps (`[0, 1]` if that is 0). Each round
/// compares the Dice at its quarter and at its three quarters and goes on in the half with the better one, the lower
/// half when they are equal. The best threshold tried is remembered, the latest of several that are equally good. This
/// finds the optimum of a Dice with one peak, to `max / 2^rounds`; with several peaks it may end on a lesser one.
///
/// `dice` is asked for one threshold at a time, twice a round, and may read the maps from wherever they lie: for the
/// published value, the Dice of all voxels of all validation volumes taken together, above the threshold ([`Overlap`]).
/// # Errors
/// [`Error::Invalid`] for no rounds or a `max` that is negative or not finite; whatever `dice` returns.
pub fn bracket_threshold(max: f64, rounds: usize, mut dice: impl FnMut(f64) -> Result<f64>) -> Result<Bracket> {
    if !(max.is_finite() && max >= 0.0) || rounds == 0 {
        return Err(Error::Invalid(format!("no threshold can be sought from 0 to {max} in {rounds} rounds")));
    }
    let (mut bottom, mut top) = (0.0, if max == 0.0 { 1.0 } else { max });
    let mut best = Bracket { threshold: 0.0, dice: 0.0 };
    for _ in 0..rounds {
        let at = |share: f64| bottom + (top - bottom) * share;
        let (low, centre, high) = (at(0.25), at(0.5), at(0.75));
        let (dice_low, dice_high) = (dice(low)?, dice(high)?);
        let better = if dice_low >= dice_high {
            top = centre;
            Bracket { threshold: low, dice: dice_low }
        } else {
            bottom = centre;
            Bracket { threshold: high, dice: dice_high }
        };
        if better.dice >= best.dice {
            best = better;
        }
    }
    Ok(best)
}

/// [`bracket_threshold`] over volumes in memory: post-processed maps and their true segmentations, [`ROUNDS`] rounds.
/// # Errors
/// [`Error::Invalid`] when a map and its mask differ in their axes, when a map is not finite, or when all are negative.
pub fn best_threshold(volumes: &[(&Voxels<f32>, &Voxels<bool>)]) -> Result<Bracket> {
    let mut max = f64::NEG_INFINITY;
    for (map, mask) in volumes {
        map.check_same(mask)?;
        if map.data().iter().any(|v| !v.is_finite()) {
            return Err(Error::Invalid("a threshold is sought on maps that are finite; one is not".into()));
        }
        max = map.data().iter().fold(max, |max, &v| max.max(f64::from(v)));
    }
    bracket_threshold(max, ROUNDS, |threshold| {
        let mut overlap = Overlap::default();
        volumes.iter().try_for_each(|(map, mask)| overlap.add(map.data(), mask.data(), threshold))?;
        Ok(overlap.dice())
    })
}
