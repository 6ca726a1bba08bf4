//! Quantiles of very many pixels in bounded memory.

/// Counts of values by their leading 20 bits: 4 MiB hold any number of pixels, and a bin is 0.05 % wide.
pub struct PixelHistogram {
    bins: Vec<u64>,
    count: u64,
}

/// Bits of a value that its bin leaves open.
const OPEN: u32 = 12;

impl Default for PixelHistogram {
    fn default() -> Self {
        PixelHistogram { bins: vec![0; 1 << (32 - OPEN)], count: 0 }
    }
}

impl PixelHistogram {
    /// Adds a map's values; those that are not numbers are left out.
    pub fn add(&mut self, values: &[f32]) {
        for &v in values.iter().filter(|v| !v.is_nan()) {
            self.bins[(order(v) >> OPEN) as usize] += 1;
            self.count += 1;
        }
    }
    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.count
    }
    /// Rates from 0.5 down, ten a decade, as far as the number of pixels allows, each with a value that at most this share
    /// of the pixels exceed: the true quantile, rounded up by less than 0.05 %.
    pub fn quantiles(&self) -> Vec<(f64, f32)> {
        const MANTISSAS: [f64; 10] = [5.0, 4.0, 3.0, 2.5, 2.0, 1.5, 1.2, 1.0, 0.8, 0.6];
        let rates = (1..=7).flat_map(|decade| MANTISSAS.map(|m| m * 10f64.powi(-decade)));
        rates.take_while(|rate| rate * self.count as f64 >= 1.0).map(|rate| (rate, self.above(rate))).collect()
    }
    /// The least end of a bin above which at most `rate` of the values lie.
    fn above(&self, rate: f64) -> f32 {
        let room = (rate * self.count as f64) as u64;
        let mut over = 0;
        for (bin, n) in self.bins.iter().enumerate().rev() {
            over += n;
            if over > room {
                return value(((bin as u32) << OPEN) | ((1 << OPEN) - 1));
            }
        }
        f32::NEG_INFINITY
    }
}

/// Integers in the order of the numbers.
fn order(v: f32) -> u32 {
    let bits = v.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The number of an integer.
fn value(order: u32) -> f32 {
    f32::from_bits(if order >> 31 == 1 { order & !(1 << 31) } else { !order })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_sorted_values_rounded_up() {
        let mut h = PixelHistogram::default();
        let values: Vec<f32> = (0..20_000).map(|i| ((i * 7919 % 20_011) as f32 / 3000.0 - 1.5).powi(3)).collect();
        values.chunks(777).for_each(|c| h.add(c));
        h.add(&[f32::NAN]);
        assert_eq!(h.count(), 20_000);
        let mut sorted = values.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let quantiles = h.quantiles();
        assert!(quantiles.len() > 35 && quantiles.is_sorted_by(|a, b| a.0 > b.0));
        for (rate, v) in quantiles {
            let above = values.iter().filter(|&&x| x > v).count() as f64;
            assert!(above <= rate * 20_000.0, "{above} above {v}");
            let exact = sorted[(rate * 20_000.0) as usize];
            assert!(v >= exact && v - exact <= 5e-4 * exact.abs() + 1e-30, "{v} for {exact}");
        }
    }

    #[test]
    fn order_and_value_are_inverse() {
        let list = [f32::NEG_INFINITY, -2.0, -1e-20, -0.0, 0.0, 1e-20, 0.3, 7.5, f32::INFINITY];
        assert!(list.is_sorted_by(|&a, &b| order(a) < order(b)));
        assert!(list.iter().all(|&v| value(order(v)).to_bits() == v.to_bits()));
    }
}
