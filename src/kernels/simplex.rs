//! Multi-octave simplex noise as AnoDDPM draws it (Wyatt et al. 2022), on OpenSimplex's 2014 lattice in three dimensions.
use super::{Args, Io, Kernel, Real, Shader, Value, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};
use rayon::prelude::*;

/// One field per channel: input is the table of permutations (sheets,1,1,256), each value an integer 0..=255; sheet
/// `draw·C + c` makes channel c (one past the end: the last). `value(r, c) = Σ_o persistence^o · n3(c·2^o/frequency,
/// r·2^o/frequency, t·2^o/frequency)` with t = `noise_t` of the step (magnitude up to 16384). Cells and distances are
/// computed in integers and ties fall as in the published double precision code, so that f32, f64 and the original agree on
/// every cell; see `shaders/simplex.wgsl`.
#[derive(Clone, Debug, PartialEq)]
pub struct Simplex {
    /// The shape of one draw, (1,H,W,C).
    pub shape: Shape,
    /// Octaves, 1..=14 (AnoDDPM: 6).
    pub octaves: u32,
    /// Factor from octave to octave (AnoDDPM: 0.8).
    pub persistence: f64,
    /// Size in pixels of the first octave's features, 1..=32768 (AnoDDPM: 64).
    pub frequency: u32,
}

/// The largest coordinate that the integers are sized for.
const EXTENT: usize = 16384;

impl Simplex {
    /// Whether ties fall as f64's roundings made them fall in the published code: for powers of two up to 512, whose
    /// coordinates and their stretched images fit 64 fractional and 20 integer bits. Otherwise a tie is an exact tie.
    fn follows_f64(&self) -> bool {
        let largest = (3 * EXTENT as u64) << (self.octaves - 1);
        self.frequency.is_power_of_two() && self.frequency <= 512 && largest / u64::from(self.frequency) < 1 << 20
    }
}

impl Kernel for Simplex {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        if !(1..=14).contains(&self.octaves) || !(1..=32768).contains(&self.frequency) {
            return Err(format!(
                "1 to 14 octaves and a frequency of 1 to 32768 are possible, not {} and {}",
                self.octaves, self.frequency
            ));
        }
        if self.shape.n != 1 || self.shape.h.max(self.shape.w) > EXTENT {
            return Err(format!("one field of up to {EXTENT} pixels a side is possible, not {}", self.shape));
        }
        match inputs {
            [p] if p.c == 256 && p.h == 1 && p.w == 1 && p.n >= self.shape.c => Ok(self.shape),
            _ => Err(format!("a table of permutations (sheets,1,1,256) is needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let (cv, len, follows) = (io.output.c_pad() / 4, io.output.padded_len() / 4, self.follows_f64());
        Shader {
            label: format!("simplex_{}_octaves_f32", self.octaves),
            file: shader_file!("simplex.wgsl"),
            consts: vec![
                ("LEN", len.into()),
                ("CV", cv.into()),
                ("C", io.output.c.into()),
                ("W", io.output.w.into()),
                ("SHEETS", io.inputs[0].n.into()),
                ("OCTAVES", self.octaves.into()),
                ("PERSISTENCE", (self.persistence as f32).into()),
                ("EXACT", (!follows).into()),
                ("ONE", if follows { 1 } else { 6 * self.frequency }.into()),
                ("LOG_F", if follows { self.frequency.ilog2() } else { 0 }.into()),
                ("F_I", Value::T(self.frequency.to_string())),
            ],
            grid: grid_1d(len.div_ceil(256)),
        }
    }
    fn flops(&self, io: &Io) -> u64 {
        io.output.len() as u64 * u64::from(self.octaves) * 8 * 30
    }
}

impl Simplex {
    /// The CPU half, always in f64.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (c, cp, w) = (a.io.output.c, a.io.output.c_pad(), a.io.output.w);
        let sheets: Vec<[u8; 256]> = (0..c)
            .map(|k| {
                let sheet = (a.step.draw as usize * c + k).min(a.io.inputs[0].n - 1);
                std::array::from_fn(|i| a.inputs[0][sheet * 256 + i].f64() as u8)
            })
            .collect();
        let t = i64::from(a.step.noise_t);
        a.output.par_chunks_mut(cp * w).enumerate().for_each(|(row, out)| {
            for (col, pixel) in out.chunks_mut(cp).enumerate() {
                pixel.fill(T::zero());
                for (y, perm) in pixel.iter_mut().zip(&sheets) {
                    let mut amplitude = 1.0;
                    let mut value = 0.0;
                    for o in 0..self.octaves {
                        value += amplitude * self.octave(perm, [(col as i64) << o, (row as i64) << o, t << o]);
                        amplitude *= self.persistence;
                    }
                    *y = T::of(value);
                }
            }
        });
    }

    /// n3 at `c`/frequency.
    fn octave(&self, perm: &[u8; 256], c: [i64; 3]) -> f64 {
        let f = i64::from(self.frequency);
        let s = c[0] + c[1] + c[2];
        let mut base = c.map(|v| (6 * v - s).div_euclid(6 * f));
        let mut inside = c.map(|v| (6 * v - s).rem_euclid(6 * f) as f64);
        let mut one = (6 * f) as f64;
        if self.follows_f64() {
            // As the published code computes them, rounding by rounding: the choice at a tie hangs on it.
            let stretch = (s as f64 / f as f64) * (-1.0 / 6.0);
            let squeezed = c.map(|v| v as f64 / f as f64 + stretch);
            base = squeezed.map(|v| v.floor() as i64);
            inside = squeezed.map(|v| v - v.floor());
            one = 1.0;
        }
        let (region, extras) = choose(inside, one);
        // Distances in units of 1/(18 frequency), exact.
        let r: [i64; 3] = std::array::from_fn(|i| 6 * c[i] - s - 6 * f * base[i]);
        let near = r.map(|v| 3 * v + r[0] + r[1] + r[2]);
        let share = |o: [i64; 3]| share(perm, base, near, f, o);
        let mut v = share(extras[0]) + share(extras[1]);
        for i in 0..3 {
            if region != Region::Far {
                v += share(bits(1 << i));
            }
            if region != Region::Origin {
                v += share(bits(7 ^ (1 << i)));
            }
        }
        match region {
            Region::Origin => v += share([0; 3]),
            Region::Far => v += share([1; 3]),
            Region::Between => {}
        }
        v / 103.0
    }
}

/// One lattice point's share: `base` + o is the point, `near` the way from `base` in units of 1/(18 f).
fn share(perm: &[u8; 256], base: [i64; 3], near: [i64; 3], f: i64, o: [i64; 3]) -> f64 {
    let d: [f64; 3] =
        std::array::from_fn(|i| (near[i] - 6 * f * (3 * o[i] + o[0] + o[1] + o[2])) as f64 / (18 * f) as f64);
    let reach = 2.0 - (d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
    if reach <= 0.0 {
        return 0.0;
    }
    let h = (0..3).fold(0, |h, i| i64::from(perm[((h + base[i] + o[i]) & 255) as usize])) % 24;
    // The 24 gradients: one component of 11, two of 4, every choice of signs.
    let long = (h % 3) as usize;
    let s = h / 3;
    let positive = [s & 1 != 0, s & 2 == 0, s & 4 == 0];
    let dot: f64 = (0..3).map(|i| (if i == long { 11.0 } else { 4.0 }) * if positive[i] { d[i] } else { -d[i] }).sum();
    reach.powi(4) * dot
}

fn bits(c: u8) -> [i64; 3] {
    [c & 1, (c >> 1) & 1, (c >> 2) & 1].map(i64::from)
}

/// The part of a unit cube of the squeezed lattice: the tetrahedron at (0,0,0), the one at (1,1,1), the octahedron.
#[derive(Clone, Copy, PartialEq)]
enum Region {
    Origin,
    Far,
    Between,
}

/// The region, and the two lattice points beside its corners that count. `inside` is the place in the cube, whose side is `one`.
/// Comparisons are in the published order and strictness: at a tie they decide.
fn choose([x, y, z]: [f64; 3], one: f64) -> (Region, [[i64; 3]; 2]) {
    let doubled = |c: u8, less: i64| bits(c).map(|v| 2 * v - less);
    // The two points that differ from `from` by one of the other two axes than the lone one in `axis`.
    let beside = |from: u8, axis: u8, sign: i64| {
        let (p, a) = (bits(from), bits(axis));
        [[a[2], a[0], a[1]], [a[1], a[2], a[0]]].map(|q| std::array::from_fn(|i| p[i] + sign * q[i]))
    };
    let total = x + y + z;
    if total <= one {
        let (mut a, mut sa, mut b, mut sb) = (1, x, 2, y);
        if sa >= sb && z > sb {
            (b, sb) = (4, z);
        } else if sa < sb && z > sa {
            (a, sa) = (4, z);
        }
        let rest = one - total;
        if rest > sa || rest > sb {
            let c = if sb > sa { b } else { a };
            return (Region::Origin, beside(c, c, -1));
        }
        return (Region::Origin, [bits(a | b), doubled(a | b, 1)]);
    }
    if total >= 2.0 * one {
        let (mut a, mut sa, mut b, mut sb) = (6, x, 5, y);
        if sa <= sb && z < sb {
            (b, sb) = (3, z);
        } else if sa > sb && z < sa {
            (a, sa) = (3, z);
        }
        let rest = 3.0 * one - total;
        if rest < sa || rest < sb {
            let c = if sb < sa { b } else { a };
            return (Region::Far, beside(c, 7 - c, 1));
        }
        return (Region::Far, [bits(a & b), doubled(a & b, 0)]);
    }
    let side = |pair: f64, far: u8| if pair > one { (far, true, pair - one) } else { (7 - far, false, one - pair) };
    let (mut a, mut b, c) = (side(x + y, 3), side(x + z, 5), side(y + z, 6));
    if a.2 <= b.2 {
        if a.2 < c.2 {
            a = c;
        }
    } else if b.2 < c.2 {
        b = c;
    }
    let extras = match (a.1, b.1) {
        (true, true) => [[1; 3], doubled(a.0 & b.0, 0)],
        (false, false) => [[0; 3], doubled(a.0 | b.0, 1)],
        (true, false) => [doubled(a.0, 1), doubled(b.0, 0)],
        (false, true) => [doubled(b.0, 1), doubled(a.0, 0)],
    };
    (Region::Between, extras)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::permutation;
    use crate::kernels::testing::{ELEMENTWISE, check};
    use crate::kernels::{Op, StepRow};

    fn field(seed: i64, t: i32, n: usize) -> Vec<f64> {
        let shape = Shape::new(1, n, n, 1);
        let op = Simplex { shape, octaves: 6, persistence: 0.8, frequency: 64 };
        let table: Vec<f64> = permutation::permutation(seed).map(f64::from).to_vec();
        let io = Io { inputs: vec![Shape::new(1, 1, 1, 256)], output: shape };
        let mut out = vec![0.0; shape.padded_len()];
        let step = StepRow { noise_t: t, ..Default::default() };
        op.cpu(Args { inputs: &[&table], output: &mut out, weights: &[], io: &io, step: &step });
        out.into_iter().step_by(4).collect()
    }

    #[test]
    fn single_pixels_of_the_published_field() {
        // AnoDDPM's own code, seed 42: (column, row, t), value.
        let f = field(42, 249, 256);
        for (col, row, want) in [
            (1, 0, -0.32176073895514773),
            (0, 1, -0.3587620656592631),
            (128, 64, 0.3012110685227455),
            (255, 255, 0.6418630962617071),
        ] {
            assert!((f[row * 256 + col] - want).abs() < 1e-12, "({col},{row}): {} {want}", f[row * 256 + col]);
        }
        assert!((field(42, 100, 256)[200 * 256 + 17] - -0.220705878083288).abs() < 1e-12);
        assert!(field(42, 0, 1)[0].abs() < 1e-60);
    }

    #[test]
    fn golden_fields() {
        let folder = std::env::var("RESIDUA_GOLDENS").unwrap_or_else(|_| "tests/goldens".into());
        let file = std::path::Path::new(&folder).join("chains/simplex-fields/io.safetensors");
        let Ok(bytes) = std::fs::read(&file) else {
            eprintln!("SKIPPED: {} is not there", file.display());
            return;
        };
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let want: Vec<f64> =
            tensors.tensor("out").unwrap().data().chunks(8).map(bytemuck::pod_read_unaligned).collect();
        for (i, (seed, t)) in [(42, 249), (3, 100), (-123456789, 0), (9999999999, 799)].into_iter().enumerate() {
            let worst =
                field(seed, t, 64).iter().zip(&want[i * 4096..]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-12, "seed {seed}, t {t}: {worst:e}");
        }
    }

    #[test]
    fn every_device_chooses_the_same_cells() {
        // A cell chosen differently is a step of 1e-5 to 1e-4, which this bound sees. 100 and 600 take exact ties.
        let cases = [
            (64, 6, 249, 1),
            (64, 6, 0, 3),
            (1, 1, -5, 4),
            (512, 9, 3, 1),
            (2, 4, 777, 5),
            (100, 6, 999, 2),
            (600, 3, 12, 1),
        ];
        for (frequency, octaves, noise_t, c) in cases {
            let op = Op::Simplex(Simplex { shape: Shape::new(1, 37, 64, c), octaves, persistence: 0.8, frequency });
            let table = permutation::table(&permutation::sheet_seeds(9, 3 * c));
            check(&op, &[table], &[], &StepRow { noise_t, draw: 1, ..Default::default() }, ELEMENTWISE);
        }
    }
}
