//! Sparse linear maps of vectors, and the tables that shaders read them from.

/// A sparse linear map of vectors: for each output the first input that it takes, and its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Taps {
    /// Length of the vectors that are mapped.
    pub inputs: usize,
    /// One for each output.
    pub outputs: Vec<Tap>,
}

/// The inputs of one output: `weights.len()` of them, from `first` on.
#[derive(Clone, Debug, PartialEq)]
pub struct Tap {
    /// The first input.
    pub first: usize,
    /// Its weight, and those of the inputs that follow.
    pub weights: Vec<f64>,
}

impl Taps {
    /// Resizing by the triangle filter whose support grows with the factor of reduction, weights normalised: PIL's `BILINEAR`
    /// (`precompute_coeffs`), and PyTorch's `interpolate(mode="bilinear", antialias=True)`. Enlarging, it is plain bilinear
    /// interpolation between half-pixel centres. Both sizes are 1 at least.
    pub fn triangle(from: usize, to: usize) -> Taps {
        let scale = from as f64 / to as f64;
        let support = scale.max(1.0);
        let one = |x: usize| {
            let center = (x as f64 + 0.5) * scale;
            let first = (center - support + 0.5).max(0.0) as usize;
            let end = ((center + support + 0.5) as usize).min(from);
            let mut weights: Vec<f64> =
                (first..end).map(|i| (1.0 - ((i as f64 - center + 0.5) * (1.0 / support)).abs()).max(0.0)).collect();
            let sum: f64 = weights.iter().sum();
            if sum != 0.0 {
                weights.iter_mut().for_each(|w| *w *= 1.0 / sum);
            }
            Tap { first, weights }
        };
        Taps { inputs: from, outputs: (0..to).map(one).collect() }
    }
    /// Linear interpolation by which the first and the last of `from` pixels are the first and the last of `to`: PyTorch's
    /// `interpolate(mode="bilinear", align_corners=True)`, with the place of a pixel rounded to f32 as there. Both sizes are 1 at
    /// least.
    pub fn aligned(from: usize, to: usize) -> Taps {
        let scale = if to > 1 { (from - 1) as f32 / (to - 1) as f32 } else { 0.0 };
        let one = |x: usize| {
            let at = scale * x as f32;
            let first = (at as usize).min(from - 1);
            let rest = f64::from((at - first as f32).clamp(0.0, 1.0));
            let weights = if first + 1 < from { vec![1.0 - rest, rest] } else { vec![1.0] };
            Tap { first, weights }
        };
        Taps { inputs: from, outputs: (0..to).map(one).collect() }
    }
    /// Correlation of `n` pixels (1 at least) with an odd number of factors, borders mirrored about the outermost pixel, which is not
    /// repeated (c b | a b c d | c b): PyTorch's and kornia's `reflect`, as often as it takes.
    pub fn mirrored(factors: &[f32], n: usize) -> Taps {
        let (radius, period) = ((factors.len() / 2) as isize, (2 * n as isize - 2).max(1));
        let at = |i: isize| {
            let i = i.rem_euclid(period);
            i.min(period - i).clamp(0, n as isize - 1) as usize
        };
        let one = |x: usize| {
            let taken: Vec<usize> = (-radius..=radius).map(|j| at(x as isize + j)).collect();
            let first = taken.iter().copied().min().unwrap_or(0);
            let last = taken.iter().copied().max().unwrap_or(0);
            let mut weights = vec![0.0; last - first + 1];
            taken.iter().zip(factors).for_each(|(&i, &f)| weights[i - first] += f64::from(f));
            Tap { first, weights }
        };
        Taps { inputs: n, outputs: (0..n).map(one).collect() }
    }
    /// The same with zeros outside of the middle `side` outputs, which begin where torchvision's `center_crop` has them: at half of the
    /// rest, rounded to the even number where it is odd.
    pub fn center(mut self, side: usize) -> Taps {
        let n = self.outputs.len();
        let from = (n.saturating_sub(side) as f64 / 2.0).round_ties_even() as usize;
        for (i, tap) in self.outputs.iter_mut().enumerate() {
            if !(from..from + side).contains(&i) {
                tap.weights.clear();
            }
        }
        self
    }
    /// The input that an output lies in: `⌊i·from/to⌋` for output i. Both sizes are 1 at least.
    pub fn nearest(from: usize, to: usize) -> Taps {
        let one = |x: usize| Tap { first: x * from / to, weights: vec![1.0] };
        Taps { inputs: from, outputs: (0..to).map(one).collect() }
    }
    /// The transposed map: what it gives for input i is the sum of what the outputs that took i are worth, each times its weight.
    pub fn transposed(&self) -> Taps {
        let each = (0..self.inputs).map(|i| {
            let takes = |tap: &Tap| i.checked_sub(tap.first).and_then(|j| tap.weights.get(j)).copied();
            let weights: Vec<Option<f64>> = self.outputs.iter().map(takes).collect();
            let first = weights.iter().position(Option::is_some).unwrap_or(0);
            let end = weights.iter().rposition(Option::is_some).map_or(first, |last| last + 1);
            Tap { first, weights: weights[first..end].iter().map(|w| w.unwrap_or(0.0)).collect() }
        });
        Taps { inputs: self.outputs.len(), outputs: each.collect() }
    }
    /// A line for each output, all of one length, then zeros up to a multiple of four: the first input, how many there are, their
    /// weights. Also gives the length of a line.
    pub fn table(&self) -> (Vec<f32>, usize) {
        let line = 2 + self.outputs.iter().map(|t| t.weights.len()).max().unwrap_or(0);
        let mut table = vec![0.0; (line * self.outputs.len()).next_multiple_of(4)];
        for (to, tap) in table.chunks_mut(line).zip(&self.outputs) {
            (to[0], to[1]) = (tap.first as f32, tap.weights.len() as f32);
            to[2..].iter_mut().zip(&tap.weights).for_each(|(to, w)| *to = *w as f32);
        }
        (table, line)
    }
    /// The map that a table holds.
    pub fn of_table(table: &[f32], line: usize, inputs: usize, outputs: usize) -> Taps {
        let tap = |line: &[f32]| Tap {
            first: line[0] as usize,
            weights: line[2..][..line[1] as usize].iter().map(|w| f64::from(*w)).collect(),
        };
        Taps { inputs, outputs: table.chunks_exact(line).take(outputs).map(tap).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::score::gaussian_weights;

    /// PyTorch's `pad(mode="reflect")`, one step at a time: beyond either end the walk turns round at the outermost pixel.
    fn walk(from: i64, n: i64) -> usize {
        let mut i = from;
        while n > 1 && !(0..n).contains(&i) {
            i = if i < 0 { -i } else { 2 * (n - 1) - i };
        }
        if n > 1 { i as usize } else { 0 }
    }

    #[test]
    fn a_mirrored_blur_does_not_repeat_the_edge() {
        for (n, sigma) in [(1, 1.0), (2, 4.0), (5, 1.5), (40, 4.0), (17, 0.5)] {
            let factors = gaussian_weights(sigma, 4.0);
            let radius = (factors.len() / 2) as i64;
            let taps = Taps::mirrored(&factors, n);
            for (x, tap) in taps.outputs.iter().enumerate() {
                let mut want = vec![0.0; n];
                for (k, &f) in factors.iter().enumerate() {
                    want[walk(x as i64 + k as i64 - radius, n as i64)] += f64::from(f);
                }
                for (i, want) in want.iter().enumerate() {
                    let found = i.checked_sub(tap.first).and_then(|j| tap.weights.get(j)).copied().unwrap_or(0.0);
                    assert!((found - want).abs() < 1e-12, "{n} {sigma}: {x} of {i}");
                }
            }
        }
    }

    #[test]
    fn the_middle_is_torchvisions() {
        // center_crop: int(round((n - side) / 2)).
        for (n, side, from) in [(256, 224, 16), (9, 4, 2), (11, 4, 4), (5, 2, 2), (7, 2, 2), (4, 4, 0)] {
            let taps = Taps::mirrored(&[1.0], n).center(side);
            let kept: Vec<usize> = (0..n).filter(|&i| !taps.outputs[i].weights.is_empty()).collect();
            assert_eq!(kept, (from..from + side).collect::<Vec<_>>(), "{side} of {n}");
        }
    }
}
