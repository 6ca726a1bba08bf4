//! The permutations behind simplex noise, seeded as OpenSimplex (Spencer 2014) and its Python port in AnoDDPM seed them.
use crate::{Shape, Tensor};

/// The permutation that OpenSimplex makes from a seed: a 64-bit linear congruential generator (Knuth's constants, wrapping),
/// three steps of warm-up, then for i from 255 down one step and the choice `(s + 31) mod (i + 1)` among what is left.
pub fn permutation(seed: i64) -> [u8; 256] {
    let next = |s: i64| s.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    let mut s = next(next(next(seed)));
    let mut source: [u8; 256] = std::array::from_fn(|i| i as u8);
    let mut out = [0; 256];
    for i in (0..256).rev() {
        s = next(s);
        // Python's integers do not wrap here, so neither may s + 31.
        let r = (i128::from(s) + 31).rem_euclid(i as i128 + 1) as usize;
        out[i] = source[r];
        source[r] = source[i];
    }
    out
}

/// One seed a sheet, derived from the user's: the splitmix64 sequence of `seed` (Steele, Lea and Flood 2014), each reduced to
/// AnoDDPM's range −10¹⁰ ≤ s < 10¹⁰. AnoDDPM draws them from NumPy's unseeded global generator and treats a drawn 0 as "no
/// seed"; here 0 is a seed like any other.
pub fn sheet_seeds(seed: u64, count: usize) -> Vec<i64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    (0..count).map(|_| (next() % 20_000_000_000) as i64 - 10_000_000_000).collect()
}

/// The input of [`crate::kernels::simplex::Simplex`]: one permutation a seed, shape (seeds,1,1,256), values 0..=255. Sheet number
/// `draw·C + c` makes channel c of a draw; so a chain of S reverse steps and one noising needs (S+1)·C seeds for each run.
pub fn table(seeds: &[i64]) -> Tensor {
    let data = seeds.iter().flat_map(|&s| permutation(s)).map(f32::from).collect();
    Tensor { shape: Shape::new(seeds.len(), 1, 1, 256), data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_the_published_permutations() {
        // AnoDDPM's _init: the first and last eight entries.
        for (seed, head, tail) in [
            (3, [164, 187, 231, 144, 104, 73, 108, 29], [163, 166, 201, 74, 149, 122, 78, 6]),
            (42, [48, 76, 40, 154, 62, 22, 64, 58], [6, 179, 70, 181, 149, 23, 20, 157]),
            (-123456789, [222, 69, 185, 16, 187, 59, 161, 230], [236, 251, 129, 178, 140, 206, 42, 110]),
            (9999999999, [131, 245, 3, 252, 164, 67, 17, 168], [163, 184, 48, 170, 13, 22, 236, 194]),
        ] {
            let p = permutation(seed);
            assert_eq!((&p[..8], &p[248..]), (&head[..], &tail[..]), "seed {seed}");
        }
    }

    #[test]
    fn seeds_are_splitmix_in_range() {
        // The first output of splitmix64 from 0 is 0xE220A8397B1DCDAF.
        let s = sheet_seeds(0, 1000);
        assert_eq!(s[0], (0xE220_A839_7B1D_CDAFu64 % 20_000_000_000) as i64 - 10_000_000_000);
        assert!(s.iter().all(|v| (-10_000_000_000..10_000_000_000).contains(v)));
        assert_eq!(table(&s[..3]).shape, Shape::new(3, 1, 1, 256));
    }
}
