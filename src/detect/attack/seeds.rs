//! Which noise is used for what: that of an attack is never that by which its result is judged.
use crate::detect::scorer::named_seed;

/// A use of a draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The gradient of a step.
    Step {
        /// Of which restart.
        restart: usize,
        /// Which.
        step: usize,
        /// Of how many.
        draw: usize,
    },
    /// Comparing candidates within the attack.
    Compare {
        /// Of how many.
        draw: usize,
    },
    /// Judging the result.
    Fresh {
        /// Of how many.
        draw: usize,
    },
}

/// The seed of a draw under an attack's seed. Those of the attack are even and those that judge are odd, so that none is both.
pub fn seed_of(seed: u64, used: Use) -> u64 {
    match used {
        Use::Step { restart, step, draw } => named_seed(seed, &format!("step {restart}/{step}/{draw}")) & !1,
        Use::Compare { draw } => named_seed(seed, &format!("compare {draw}")) & !1,
        Use::Fresh { draw } => named_seed(seed, &format!("fresh {draw}")) | 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_draw_of_an_attack_is_one_that_judges_and_none_is_used_twice() {
        for seed in [0, 1, u64::MAX] {
            let steps = (0..20).flat_map(|i| (0..20).map(move |j| (i / 4, i % 4, j)));
            let steps = steps.map(|(restart, step, draw)| Use::Step { restart, step, draw });
            let compare = (0..20).map(|draw| Use::Compare { draw });
            let attack: HashSet<u64> = steps.chain(compare).map(|u| seed_of(seed, u)).collect();
            let fresh: HashSet<u64> = (0..1000).map(|draw| seed_of(seed, Use::Fresh { draw })).collect();
            assert_eq!((attack.len(), fresh.len()), (420, 1000));
            assert!(attack.is_disjoint(&fresh));
        }
    }
}
