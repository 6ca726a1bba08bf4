//! Gaussian noise (Philox4x32-10, Salmon et al. 2011) and noise given by the caller.
use super::{Args, Io, Kernel, Real, Shader, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};

/// N(0,1) of a shape. Counter = (element/4 in logical NHWC order, draw, stream, 0), key = seed; the four words make two Box-Muller pairs.
/// The integers are the same on every device. One image's noise is shared by the whole batch (shape (1,H,W,C)).
#[derive(Clone, Debug, PartialEq)]
pub struct Gaussian {
    /// The shape of one draw, (1,H,W,C).
    pub shape: Shape,
    /// Separates uses within one draw.
    pub stream: u32,
}

/// Draw number `draw` of an input holding many: (D·N,H,W,C) → (N,H,W,C). Draws past the end begin again with the first slice.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// Samples of one draw, N.
    pub n: usize,
}

/// Four random words from a 128-bit counter and a 64-bit key (low word first): Philox4x32 with ten rounds.
pub fn philox4x32_10(c: [u32; 4], k: [u32; 2]) -> [u32; 4] {
    philox_lanes(c.map(|w| [w]), k).map(|[w]| w)
}

/// The same for L counters at once, word by word, in loops that vectorise.
#[inline(always)]
pub(crate) fn philox_lanes<const L: usize>(mut c: [[u32; L]; 4], mut k: [u32; 2]) -> [[u32; L]; 4] {
    for _ in 0..10 {
        let mut next = [[0; L]; 4];
        for i in 0..L {
            let p0 = 0xD251_1F53 * u64::from(c[0][i]);
            let p1 = 0xCD9E_8D57 * u64::from(c[2][i]);
            next[0][i] = (p1 >> 32) as u32 ^ c[1][i] ^ k[0];
            next[1][i] = p1 as u32;
            next[2][i] = (p0 >> 32) as u32 ^ c[3][i] ^ k[1];
            next[3][i] = p0 as u32;
        }
        c = next;
        k = [k[0].wrapping_add(0x9E37_79B9), k[1].wrapping_add(0xBB67_AE85)];
    }
    c
}

/// Two Box-Muller pairs from four words. Twenty-four bits of each are used, so that u in (0,1] and v in [0,1) are exact in f32.
fn normals(w: [u32; 4]) -> [f64; 4] {
    let unit = 1.0 / f64::from(1u32 << 24);
    let pair = |a: u32, b: u32| {
        let u = f64::from((a >> 8) + 1) * unit;
        let (sin, cos) = (std::f64::consts::TAU * (f64::from(b >> 8) * unit)).sin_cos();
        let r = (-2.0 * u.ln()).sqrt();
        [r * cos, r * sin]
    };
    let ([a, b], [c, d]) = (pair(w[0], w[1]), pair(w[2], w[3]));
    [a, b, c, d]
}

/// N(0,1) for the host, as many as `len`: draw number `draw` of a stream, element by element what [`Gaussian`] gives under that seed.
pub fn standard_normals(seed: u64, draw: u32, stream: u32, len: usize) -> Vec<f64> {
    let key = [seed as u32, (seed >> 32) as u32];
    let block = |b: usize| normals(philox4x32_10([b as u32, draw, stream, 0], key));
    (0..len.div_ceil(4)).flat_map(block).take(len).collect()
}

/// The same of uniform numbers in (0,1), in steps of 2⁻³².
pub fn uniforms(seed: u64, draw: u32, stream: u32, len: usize) -> Vec<f64> {
    let key = [seed as u32, (seed >> 32) as u32];
    let block =
        |b: usize| philox4x32_10([b as u32, draw, stream, 0], key).map(|w| (f64::from(w) + 0.5) / 4_294_967_296.0);
    (0..len.div_ceil(4)).flat_map(block).take(len).collect()
}

impl Kernel for Gaussian {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        if inputs.is_empty() { Ok(self.shape) } else { Err("no input is needed".into()) }
    }
    fn shader(&self, io: &Io) -> Shader {
        let (cv, len) = (io.output.c_pad() / 4, io.output.padded_len() / 4);
        Shader {
            label: "gaussian_f32".into(),
            file: shader_file!("gaussian.wgsl"),
            consts: vec![
                ("LEN", len.into()),
                ("CV", cv.into()),
                ("C", io.output.c.into()),
                ("STREAM", self.stream.into()),
            ],
            grid: grid_1d(len.div_ceil(256)),
        }
    }
    fn flops(&self, io: &Io) -> u64 {
        30 * io.output.padded_len() as u64
    }
}

impl Gaussian {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (c, cp) = (a.io.output.c, a.io.output.c_pad());
        let key = [a.step.seed_lo, a.step.seed_hi];
        let (mut block, mut z) = (usize::MAX, [0.0; 4]);
        for (i, y) in a.output.iter_mut().enumerate() {
            let (pixel, k) = (i / cp, i % cp);
            if k >= c {
                *y = T::zero();
                continue;
            }
            let element = pixel * c + k;
            if element / 4 != block {
                block = element / 4;
                z = normals(philox4x32_10([block as u32, a.step.draw, self.stream, 0], key));
            }
            *y = T::of(z[element % 4]);
        }
    }
}

impl Kernel for Given {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [x] if self.n > 0 && x.n > 0 && x.n % self.n == 0 => Ok(Shape { n: self.n, ..*x }),
            _ => Err(format!("{inputs:?} does not hold draws of {} samples", self.n)),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let len = io.output.padded_len() / 4;
        Shader {
            label: "given_f32".into(),
            file: shader_file!("given.wgsl"),
            consts: vec![("LEN", len.into()), ("DRAWS", (io.inputs[0].n / self.n).into())],
            grid: grid_1d(len.div_ceil(256)),
        }
    }
    fn flops(&self, _io: &Io) -> u64 {
        0
    }
}

impl Given {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let draw = a.step.draw as usize % (a.io.inputs[0].n / self.n);
        a.output.copy_from_slice(&a.inputs[0][draw * a.output.len()..][..a.output.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{ELEMENTWISE, check, random};
    use crate::kernels::{Op, StepRow};

    #[test]
    fn philox_gives_the_known_answers() {
        // kat_vectors of Random123.
        let ones = u32::MAX;
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        for (counter, key, want) in [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([ones; 4], [ones; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (pi, [0xa409_3822, 0x299f_31d0], [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
        ] {
            assert_eq!(philox4x32_10(counter, key), want);
        }
    }

    fn draw(shape: Shape, step: &StepRow) -> Vec<f64> {
        let mut out = vec![f64::NAN; shape.padded_len()];
        let io = Io { inputs: vec![], output: shape };
        Gaussian { shape, stream: 0 }.cpu(Args { inputs: &[], output: &mut out, weights: &[], io: &io, step });
        out
    }

    #[test]
    fn moments_are_normal_and_draws_differ() {
        let row = StepRow { seed_lo: 7, seed_hi: 1, draw: 3, ..Default::default() };
        let z = draw(Shape::new(1, 256, 256, 4), &row);
        let n = z.len() as f64;
        let moment = |p: i32| z.iter().map(|v| v.powi(p)).sum::<f64>() / n;
        // Bounds are four standard errors: sqrt(1/n), sqrt(2/n), sqrt(96/n).
        assert!(moment(1).abs() < 4.0 / n.sqrt(), "mean {}", moment(1));
        assert!((moment(2) - 1.0).abs() < 4.0 * (2.0 / n).sqrt(), "variance {}", moment(2));
        assert!((moment(4) - 3.0).abs() < 4.0 * (96.0 / n).sqrt(), "kurtosis {}", moment(4));
        assert_ne!(z, draw(Shape::new(1, 256, 256, 4), &StepRow { draw: 4, ..row }));
    }

    #[test]
    fn values_do_not_depend_on_the_padding() {
        let row = StepRow { seed_lo: 5, ..Default::default() };
        let wide = draw(Shape::new(1, 1, 5, 4), &row);
        let odd = draw(Shape::new(1, 4, 1, 5), &row);
        let logical: Vec<_> = odd.iter().enumerate().filter(|(i, _)| i % 8 < 5).map(|(_, &v)| v).collect();
        assert_eq!(wide, logical);
        assert!(odd.iter().skip(5).step_by(8).all(|&v| v == 0.0));
    }

    #[test]
    fn the_host_draws_the_same_and_uniforms_are_uniform() {
        let row = StepRow { seed_lo: 7, seed_hi: 1, draw: 3, ..Default::default() };
        // Four channels have no padding.
        assert_eq!(standard_normals(1 << 32 | 7, 3, 0, 4 * 35), draw(Shape::new(1, 5, 7, 4), &row));
        let u = uniforms(5, 2, 1, 40_001);
        let (n, sum) = (u.len() as f64, u.iter().sum::<f64>());
        let squares: f64 = u.iter().map(|v| (v - 0.5).powi(2)).sum();
        // Four standard errors: sqrt(1/12n) and sqrt(1/180n).
        assert!((sum / n - 0.5).abs() < 4.0 / (12.0 * n).sqrt(), "{}", sum / n);
        assert!((squares / n - 1.0 / 12.0).abs() < 4.0 / (180.0 * n).sqrt(), "{}", squares / n);
        assert!(u.iter().all(|v| *v > 0.0 && *v < 1.0));
    }

    #[test]
    fn every_device_agrees() {
        let step = StepRow { seed_lo: 0xDEAD_BEEF, seed_hi: 7, draw: 2, ..Default::default() };
        for (h, w, c) in [(1, 1, 1), (5, 7, 3), (17, 31, 4), (64, 65, 1), (3, 5, 6), (128, 128, 8)] {
            check(&Op::Gaussian(Gaussian { shape: Shape::new(1, h, w, c), stream: 3 }), &[], &[], &step, ELEMENTWISE);
            let many = random(Shape::new(6, h, w, c), 1);
            let slice = check(&Op::Given(Given { n: 2 }), std::slice::from_ref(&many), &[], &step, ELEMENTWISE);
            let last = many.data[4 * h * w * c..].iter().map(|&v| f64::from(v));
            assert!(slice.into_iter().eq(last), "draw 2 of 3 is the last third");
        }
    }
}
