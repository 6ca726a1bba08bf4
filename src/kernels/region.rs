//! Regions: where a map is above a threshold, and what lies inside and outside of it from two images.
use super::{Args, Io, Kernel, Real, Shader, grid_1d};
use crate::gpu::shader_file;
use crate::{Result, Shape};

/// (N,H,W,1) → the same: 1 where a value above `threshold` is at most `grow` steps away, along rows and columns, otherwise 0. That is
/// a binary dilation by the 4-neighbours, `grow` times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Above {
    /// Values above it are inside; the value itself is outside.
    pub threshold: f32,
    /// Steps around; 0 for none.
    pub grow: usize,
}

/// `m·a + (1 − m)·b`: a weight for each pixel (N,H,W,1), which all channels share, and two images (N,H,W,C) of one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blend;

impl Kernel for Above {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [x] if x.c == 1 => Ok(*x),
            _ => Err(format!("one map is needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, len) = (io.output, io.output.pixels());
        let consts = vec![
            ("MODE", 0usize.into()),
            ("LEN", len.into()),
            ("HEIGHT", x.h.into()),
            ("WIDTH", x.w.into()),
            ("GROW", self.grow.into()),
            ("THRESHOLD", self.threshold.into()),
        ];
        let file = shader_file!("region.wgsl");
        Shader { label: "region_above_f32".into(), file, consts, grid: grid_1d(len.div_ceil(256)) }
    }
}

impl Above {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let (x, grow) = (a.io.output, self.grow as isize);
        let threshold = T::of(self.threshold.into());
        a.output.fill(T::zero());
        let above = |sample: usize, y: isize, x_: isize| {
            let inside = (0..x.h as isize).contains(&y) && (0..x.w as isize).contains(&x_);
            inside && a.inputs[0][4 * ((sample * x.h + y as usize) * x.w + x_ as usize)] > threshold
        };
        for (pixel, out) in a.output.chunks_exact_mut(4).enumerate() {
            let (sample, row, column) = (pixel / (x.h * x.w), pixel / x.w % x.h, pixel % x.w);
            let found = (-grow..=grow).any(|dy| {
                let rest = grow - dy.abs();
                (-rest..=rest).any(|dx| above(sample, row as isize + dy, column as isize + dx))
            });
            out[0] = if found { T::one() } else { T::zero() };
        }
    }
}

impl Kernel for Blend {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [m, a, b] if a == b && *m == a.with_c(1) => Ok(*a),
            _ => Err(format!("a weight and two images of one shape are needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let len = io.output.padded_len() / 4;
        let consts = vec![("MODE", 1usize.into()), ("LEN", len.into()), ("CV", (io.output.c_pad() / 4).into())];
        let file = shader_file!("region.wgsl");
        Shader { label: "region_blend_f32".into(), file, consts, grid: grid_1d(len.div_ceil(256)) }
    }
    fn flops(&self, io: &Io) -> u64 {
        4 * io.output.padded_len() as u64
    }
}

impl Blend {
    /// The CPU half.
    pub fn cpu<T: Real>(&self, a: Args<T>) {
        let cp = a.io.output.c_pad();
        for (i, ((y, &inside), &outside)) in a.output.iter_mut().zip(a.inputs[1]).zip(a.inputs[2]).enumerate() {
            let m = a.inputs[0][i / cp * 4];
            *y = m * inside + (T::one() - m) * outside;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Op, cases::Case, testing::ELEMENTWISE};

    #[test]
    fn what_is_near_a_high_value_is_inside() {
        for (n, h, w) in [(1, 1, 1), (2, 3, 5), (3, 17, 9), (1, 1, 40)] {
            for grow in [0, 1, 2, 7] {
                let case = Case::new(Op::Above(Above { threshold: 0.75, grow }), &[Shape::new(n, h, w, 1)], vec![]);
                let found = case.check(0.0);
                // Step by step, as a dilation is defined.
                let mut want: Vec<bool> = case.inputs[0].iter().step_by(4).map(|&v| v > 0.75).collect();
                for _ in 0..grow {
                    let before = want.clone();
                    for i in (0..before.len()).filter(|&i| before[i]) {
                        let (y, x) = (i / w % h, i % w);
                        for (fits, at) in [
                            (x > 0, i.wrapping_sub(1)),
                            (x + 1 < w, i + 1),
                            (y > 0, i.wrapping_sub(w)),
                            (y + 1 < h, i + w),
                        ] {
                            if fits {
                                want[at] = true;
                            }
                        }
                    }
                }
                let found: Vec<bool> = found.chunks(4).map(|v| v[0] == 1.0 && v[1..] == [0.0; 3]).collect();
                assert_eq!(found, want, "{n} {h} {w} {grow}");
            }
        }
        assert!(Above { threshold: 0.0, grow: 0 }.output(&[Shape::new(1, 2, 2, 3)]).is_err());
    }

    #[test]
    fn the_threshold_itself_is_outside() {
        let mut case = Case::new(Op::Above(Above { threshold: 0.25, grow: 0 }), &[Shape::new(1, 1, 2, 1)], vec![]);
        (case.inputs[0][0], case.inputs[0][4]) = (0.25, 0.25f32.next_up());
        assert_eq!(case.check(0.0).iter().step_by(4).collect::<Vec<_>>(), [&0.0, &1.0]);
    }

    #[test]
    fn a_weight_chooses_between_two_images() {
        for (n, h, w, c) in [(1, 1, 1, 1), (2, 3, 5, 3), (1, 9, 17, 4), (2, 7, 7, 10)] {
            let x = Shape::new(n, h, w, c);
            let mut case = Case::new(Op::Blend(Blend), &[x.with_c(1), x, x], vec![]);
            case.inputs[0][0] = 1.0;
            if h > 1 {
                case.inputs[0][4] = 0.0;
            }
            let (found, cp) = (case.check(ELEMENTWISE), x.c_pad());
            for (i, &found) in found.iter().enumerate() {
                let (m, a, b) = (case.inputs[0][i / cp * 4], case.inputs[1][i], case.inputs[2][i]);
                let (m, a, b) = (f64::from(m), f64::from(a), f64::from(b));
                assert_eq!(found, m * a + (1.0 - m) * b);
            }
        }
        let x = Shape::new(2, 3, 3, 2);
        assert!(Blend.output(&[x, x, x]).is_err());
    }
}
