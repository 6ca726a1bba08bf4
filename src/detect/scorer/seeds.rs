//! Which noise an item has.
use super::Scorer;
use crate::detect::Item;
use crate::detect::config::NoisePer;

impl Scorer<'_> {
    /// The seed of an item's noise: the run's, or one made from it and from the name of what shares the noise.
    pub fn seed_of(&self, item: &Item) -> u64 {
        let file = item.path.file_name().unwrap_or_default().to_string_lossy();
        match self.model.config.system.noise_per() {
            NoisePer::Run => self.options.seed,
            NoisePer::Volume => named_seed(self.options.seed, &file),
            NoisePer::Image => named_seed(self.options.seed, &format!("{file}/{}", item.name)),
        }
    }
}

/// A seed for a name: FNV-1a of the name, mixed with the run's seed by SplitMix64 (Steele, Lea and Flood 2014).
pub fn named_seed(seed: u64, name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15) ^ hash;
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
