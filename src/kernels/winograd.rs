//! 3×3 convolutions at stride 1 by Winograd's F(2×2,3×3) (Lavin and Gray 2015): 16 multiplications where the
//! definition has 36, in three launches:
//!
//! x → [`WinogradInput`] → V (16,1,T,Cin) → [`WinogradGemm`] → (16,1,T,Cout) → [`WinogradOutput`] → y
//!
//! with T the 2×2 tiles of the output, all samples after one another, row by row. What a [`Conv`] has fused
//! before it goes into the first, what it has after it into the last; [`lower`] makes the three. On the processor they
//! are one launch ([`Conv::winograd`]) that goes through V and the products piece by piece, in its cache.
use super::class::Class;
use super::conv::{Conv, Product, Tile};
use super::{Io, Kernel, Shader, Value, WeightId, grid_1d, pointwise::Activation};
use crate::gpu::shader_file;
use crate::{Result, Shape};

mod cpu;
pub(crate) use cpu::{Scratch, convolve};
#[cfg(test)]
mod tests;

/// V = Bᵀ·d·B for each 4×4 patch d of act(a·x + b). Inputs: x; the (N,1,2,C) affine when `affine`.
#[derive(Clone, Debug, PartialEq)]
pub struct WinogradInput {
    /// Zero padding: top, left, bottom, right.
    pub pad: [usize; 4],
    /// As [`Conv::affine`].
    pub affine: bool,
    /// As [`Conv::act`].
    pub act: Activation,
    /// As [`Conv::upsample`].
    pub upsample: bool,
}

/// Sixteen matrix products: (16,1,T,Cin) → (16,1,T,Cout).
#[derive(Clone, Debug, PartialEq)]
pub struct WinogradGemm {
    /// Output channels.
    pub cout: usize,
    /// Weights as [`transform`] makes them.
    pub weight: WeightId,
    /// Which kernel computes it.
    pub tile: Tile,
}

/// y = scale·(Aᵀ·m·A + bias + per_sample + residual). Inputs: m; a (N,1,1,C) vector when `per_sample`; a tensor of
/// the output's shape when `residual`.
#[derive(Clone, Debug, PartialEq)]
pub struct WinogradOutput {
    /// Samples, rows and columns of the output.
    pub nhw: [usize; 3],
    /// Padded to a multiple of four.
    pub bias: Option<WeightId>,
    /// As [`Conv::per_sample`].
    pub per_sample: bool,
    /// As [`Conv::residual`].
    pub residual: bool,
    /// Factor of the whole result.
    pub scale: f32,
}

/// Most bytes of V or of the products: WebGPU's default binding limit.
const MAX_BYTES: usize = 128 << 20;

/// The three launches that replace a convolution of `io`'s shapes, or none where it is not a 3×3 one at stride 1
/// or V would not fit a binding. `weight` is the id of [`transform`]'s result. Inputs: [`WinogradInput`] takes the
/// convolution's x and affine, [`WinogradOutput`] the rest after the products. The tile is chosen for `class`.
pub fn lower(
    conv: &Conv,
    io: &Io,
    weight: WeightId,
    class: Class,
) -> Option<(WinogradInput, WinogradGemm, WinogradOutput)> {
    let (x, o) = (io.inputs[0], io.output);
    let &Conv { pad, cout, bias, affine, act, upsample, per_sample, residual, scale, .. } = conv;
    let tiles = tiles([o.n, o.h, o.w]);
    let largest = 16 * tiles * x.c_pad().max(o.c_pad()) * size_of::<f32>();
    if conv.kernel != [3, 3] || conv.stride != 1 || largest > MAX_BYTES {
        return None;
    }
    let tile = Tile::choose(class, tiles, o.c_pad(), 16);
    Some((
        WinogradInput { pad, affine, act, upsample },
        WinogradGemm { cout, weight, tile },
        WinogradOutput { nhw: [o.n, o.h, o.w], bias, per_sample, residual, scale },
    ))
}

/// Tiles of 2×2 outputs.
fn tiles([n, h, w]: [usize; 3]) -> usize {
    n * h.div_ceil(2) * w.div_ceil(2)
}

/// Packed weights of a 3×3 convolution ([`super::conv::pack`]) to `[16][cin_pad][cout_pad]`: U = G·g·Gᵀ for each
/// pair of channels, computed in f64 and rounded once.
pub fn transform(packed: &[f32], cin: usize, cout: usize) -> Vec<f32> {
    let size = cin.next_multiple_of(4) * cout.next_multiple_of(4);
    let mut u = vec![0.0; 16 * size];
    // One row of G times three numbers.
    let g = |p: usize, a: f64, b: f64, c: f64| match p {
        0 => a,
        1 => 0.5 * (a + b + c),
        2 => 0.5 * (a - b + c),
        _ => c,
    };
    for i in 0..size {
        let w = |row: usize, col: usize| packed.get((row * 3 + col) * size + i).map_or(0.0, |&v| f64::from(v));
        for p in 0..16 {
            let row = |r: usize| g(p % 4, w(r, 0), w(r, 1), w(r, 2));
            u[p * size + i] = g(p / 4, row(0), row(1), row(2)) as f32;
        }
    }
    u
}

impl Kernel for WinogradInput {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (x, affine) = match (inputs, self.affine) {
            ([x], false) => (x, None),
            ([x, ab], true) => (x, Some(ab)),
            _ => return Err(format!("{} inputs are needed, not {}", 1 + usize::from(self.affine), inputs.len())),
        };
        let want = Shape::new(x.n, 1, 2, x.c);
        if let Some(ab) = affine.filter(|&ab| *ab != want) {
            return Err(format!("the affine has shape {ab}, but {want} is needed"));
        }
        let [n, h, w] = self.nhw(*x).ok_or_else(|| format!("a 3x3 kernel does not fit into {x}"))?;
        Ok(Shape::new(16, 1, tiles([n, h, w]), x.c))
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, v) = (io.inputs[0], io.output);
        let [_, h, w] = self.nhw(x).unwrap_or_default();
        let threads = v.w * (v.c_pad() / 4);
        let mut consts = vec![
            ("IN_H", x.h.into()),
            ("IN_W", x.w.into()),
            ("C4", (x.c_pad() / 4).into()),
            ("T", v.w.into()),
            ("TILES_H", h.div_ceil(2).into()),
            ("TILES_W", w.div_ceil(2).into()),
            ("PAD_TOP", self.pad[0].into()),
            ("PAD_LEFT", self.pad[1].into()),
            ("UP", u32::from(self.upsample).into()),
            ("AFFINE", self.affine.into()),
        ];
        if self.act != Activation::Identity {
            consts.push(self.act.constant());
        }
        let grid = grid_1d(threads.div_ceil(64));
        Shader { label: "winograd_input_f32".into(), file: shader_file!("winograd_input.wgsl"), consts, grid }
    }
    fn flops(&self, io: &Io) -> u64 {
        2 * io.output.len() as u64
    }
}

impl WinogradInput {
    /// Samples, rows and columns of the convolution's output.
    fn nhw(&self, x: Shape) -> Option<[usize; 3]> {
        let [top, left, bottom, right] = self.pad;
        let up = 1 + usize::from(self.upsample);
        let side = |s: usize, pad: usize| (s * up + pad).checked_sub(2).filter(|&s| s > 0);
        Some([x.n, side(x.h, top + bottom)?, side(x.w, left + right)?])
    }
}

impl Kernel for WinogradGemm {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [v] if v.n == 16 && v.h == 1 => Ok(v.with_c(self.cout)),
            _ => Err(format!("one input of shape (16,1,T,C) is needed, not {inputs:?}")),
        }
    }
    fn shader(&self, io: &Io) -> Shader {
        let (v, o) = (io.inputs[0], io.output);
        let (in_c4, out_c4) = (v.c_pad() / 4, o.c_pad() / 4);
        let product = Product { pixels: v.w, k4: in_c4, in_c4, out_c4, batch: 16 };
        // One row of pixels, nothing before and nothing after the product.
        let mut consts: Vec<_> = ["UP", "PAD_TOP", "PAD_LEFT"].map(|name| (name, Value::U(0))).into();
        consts.extend(["IN_H", "KW", "STRIDE"].map(|name| (name, Value::U(1))));
        consts.extend(["IN_W", "OUT_HW", "OUT_W"].map(|name| (name, v.w.into())));
        consts.extend([("PLAIN", true.into()), ("SCALE", 1.0.into())]);
        self.tile.shader("winograd", &product, consts)
    }
    fn weights(&self) -> Vec<WeightId> {
        vec![self.weight]
    }
    fn flops(&self, io: &Io) -> u64 {
        2 * (io.output.len() * io.inputs[0].c) as u64
    }
}

impl Kernel for WinogradOutput {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let wanted = 1 + usize::from(self.per_sample) + usize::from(self.residual);
        if inputs.len() != wanted {
            return Err(format!("{wanted} inputs are needed, not {}", inputs.len()));
        }
        let ([n, h, w], m) = (self.nhw, inputs[0]);
        let out = Shape::new(n, h, w, m.c);
        if m != Shape::new(16, 1, tiles(self.nhw), m.c) {
            return Err(format!("the products have shape {m}, which does not give {out}"));
        }
        let vector = Shape::new(n, 1, 1, m.c);
        if self.per_sample && inputs[1] != vector {
            return Err(format!("the vector per sample has shape {}, but {vector} is needed", inputs[1]));
        }
        if self.residual && inputs[wanted - 1] != out {
            return Err(format!("the residual has shape {}, but {out} is needed", inputs[wanted - 1]));
        }
        Ok(out)
    }
    fn shader(&self, io: &Io) -> Shader {
        let (m, o) = (io.inputs[0], io.output);
        let threads = m.w * (m.c_pad() / 4);
        let consts = vec![
            ("OUT_H", o.h.into()),
            ("OUT_W", o.w.into()),
            ("C4", (m.c_pad() / 4).into()),
            ("T", m.w.into()),
            ("TILES_H", o.h.div_ceil(2).into()),
            ("TILES_W", o.w.div_ceil(2).into()),
            ("SCALE", self.scale.into()),
            ("BIAS", self.bias.is_some().into()),
            ("PER_SAMPLE", u32::from(self.per_sample).into()),
            ("RESIDUAL", if self.residual { (io.inputs.len() - 1).into() } else { 0_u32.into() }),
        ];
        let grid = grid_1d(threads.div_ceil(64));
        Shader { label: "winograd_output_f32".into(), file: shader_file!("winograd_output.wgsl"), consts, grid }
    }
    fn weights(&self) -> Vec<WeightId> {
        self.bias.into_iter().collect()
    }
    fn flops(&self, io: &Io) -> u64 {
        6 * io.output.len() as u64
    }
}
