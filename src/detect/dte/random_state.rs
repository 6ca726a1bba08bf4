//! NumPy's legacy generator, as far as drawing rows needs it: the same draws for the same seed, on every machine.

/// `numpy.random.RandomState(seed)`: MT19937 (Matsumoto and Nishimura 1998), bounded draws by masking and rejection.
#[derive(Clone, Debug)]
pub struct RandomState {
    state: [u32; N],
    next: usize,
}

const N: usize = 624;
const M: usize = 397;

impl RandomState {
    /// Seeds as NumPy does with one integer.
    pub fn new(seed: u32) -> Self {
        let mut state = [seed; N];
        for i in 1..N {
            let last = state[i - 1];
            state[i] = 1_812_433_253u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(i as u32);
        }
        RandomState { state, next: N }
    }
    /// `choice(n, size)`: indices below `n`, with replacement. None are drawn from an empty range.
    pub fn choice_with_replacement(&mut self, n: usize, size: usize) -> Vec<usize> {
        (0..if n == 0 { 0 } else { size }).map(|_| self.interval(n as u32 - 1) as usize).collect()
    }
    /// `choice(n, size, replace=False)`: the first `size` of a permutation.
    pub fn choice_without_replacement(&mut self, n: usize, size: usize) -> Vec<usize> {
        let mut all = self.permutation(n);
        all.truncate(size);
        all
    }
    /// `permutation(n)`.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            all.swap(i, self.interval(i as u32) as usize);
        }
        all
    }
    /// A draw from 0..=max.
    fn interval(&mut self, max: u32) -> u32 {
        if max == 0 {
            return 0;
        }
        let mask = u32::MAX >> max.leading_zeros();
        loop {
            let v = self.word() & mask;
            if v <= max {
                return v;
            }
        }
    }
    /// The next tempered word.
    fn word(&mut self) -> u32 {
        if self.next == N {
            for i in 0..N {
                let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
                let twist = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + M) % N] ^ (y >> 1) ^ twist;
            }
            self.next = 0;
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seed, 12 of 80, 6 of 1 000 003, 6 of 60 007 without replacement, 10 of 10, 4 of 80.
    type Draws = (u32, [usize; 12], [usize; 6], [usize; 6], [usize; 10], [usize; 4]);

    #[test]
    fn draws_are_numpys() {
        // NumPy 2's RandomState: choice(80, 12), choice(1000003, 6), choice(60007, 6, False), choice(10, 10, False),
        // choice(1, 3), choice(80, 4), one after the other.
        let known: [Draws; 3] = [
            (
                0,
                [44, 47, 64, 67, 67, 9, 21, 36, 70, 12, 58, 65],
                [949734, 674343, 370775, 745048, 887633, 255653],
                [57621, 52907, 18655, 37395, 72, 12981],
                [6, 4, 1, 5, 3, 7, 0, 8, 9, 2],
                [60, 34, 60, 77],
            ),
            (
                3,
                [24, 3, 56, 72, 0, 21, 19, 74, 41, 10, 21, 38],
                [584160, 391084, 457309, 198055, 203150, 937464],
                [5597, 46921, 59640, 9195, 1771, 1071],
                [4, 9, 6, 8, 7, 5, 1, 0, 2, 3],
                [42, 34, 59, 44],
            ),
            (
                u32::MAX,
                [35, 34, 12, 71, 52, 64, 32, 11, 74, 27, 13, 54],
                [916567, 775479, 430806, 790030, 969929, 525193],
                [42974, 22861, 25638, 10926, 50730, 1983],
                [8, 2, 0, 1, 6, 4, 3, 7, 5, 9],
                [78, 75, 20, 21],
            ),
        ];
        for (seed, few, many, subset, all, last) in known {
            let mut r = RandomState::new(seed);
            assert_eq!(r.choice_with_replacement(80, 12), few);
            assert_eq!(r.choice_with_replacement(1_000_003, 6), many);
            assert_eq!(r.choice_without_replacement(60_007, 6), subset);
            assert_eq!(r.choice_without_replacement(10, 10), all);
            assert_eq!(r.choice_with_replacement(1, 3), [0; 3]);
            assert_eq!(r.choice_with_replacement(80, 4), last);
            assert!(r.choice_with_replacement(0, 4).is_empty());
        }
    }
}
