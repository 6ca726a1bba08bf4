//! Convolution as an implicit matrix product, with what comes before and after it fused in.
use super::{Io, Kernel, Shader, WeightId, pointwise::Activation};
use crate::{Result, Shape};

mod cpu;
#[cfg(test)]
pub(crate) mod tests;
mod tile;

pub(crate) use cpu::finish;
pub(crate) use tile::Product;
#[cfg(test)]
pub(crate) use tile::TILES;
pub use tile::Tile;

/// Convolution of any kernel size. Inputs, in order: x; the (N,1,2,Cin) affine when `affine`; a (N,1,1,Cout)
/// vector when `per_sample`; a tensor of the output's shape when `residual`.
///
/// `y = scale·(conv(up(act(a·x + b))) + bias + per_sample + residual)`; zero padding is applied after the activation.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// Rows and columns of the kernel.
    pub kernel: [usize; 2],
    /// Step, 1 or more, the same in both directions.
    pub stride: usize,
    /// Zero padding: top, left, bottom, right.
    pub pad: [usize; 4],
    /// Output channels.
    pub cout: usize,
    /// Packed weights, see [`pack`]; with `winograd`, [`super::winograd::transform`]'s of them.
    pub weight: WeightId,
    /// `cout` padded to a multiple of four.
    pub bias: Option<WeightId>,
    /// The input is first mapped to a·x + b with (a, b) of the second input.
    pub affine: bool,
    /// Activation on the (mapped) input.
    pub act: Activation,
    /// The input is first doubled by nearest neighbour.
    pub upsample: bool,
    /// A vector per sample is added.
    pub per_sample: bool,
    /// A tensor is added.
    pub residual: bool,
    /// Factor of the whole result.
    pub scale: f32,
    /// Which kernel computes it.
    pub tile: Tile,
    /// The CPU half takes Winograd's way. Never in a graph for a GPU, which has three launches for that.
    pub winograd: bool,
}

impl Conv {
    /// A convolution with nothing fused in, and without a bias.
    pub fn plain(kernel: [usize; 2], stride: usize, pad: [usize; 4], cout: usize, weight: WeightId) -> Self {
        Conv {
            kernel,
            stride,
            pad,
            cout,
            weight,
            bias: None,
            affine: false,
            act: Activation::Identity,
            upsample: false,
            per_sample: false,
            residual: false,
            scale: 1.0,
            tile: Tile::default(),
            winograd: false,
        }
    }
}

/// (Cout,Cin,kh,kw) as PyTorch stores it to `[kh·kw·cin_pad][cout_pad]`, zeros in the padding.
pub fn pack(oihw: &[f32], shape: [usize; 4]) -> Vec<f32> {
    let [o, i, kh, kw] = shape;
    let (op, ip) = (o.next_multiple_of(4), i.next_multiple_of(4));
    let mut out = vec![0.0; kh * kw * ip * op];
    for (k, &v) in oihw.iter().enumerate() {
        let (co, ci, tap) = (k / (i * kh * kw), k / (kh * kw) % i, k % (kh * kw));
        out[(tap * ip + ci) * op + co] = v;
    }
    out
}

/// [`pack`]ed weights with inputs and outputs exchanged, `sizes` being the padded input and output channels; `turned`: with the
/// kernel turned by half a turn, too.
pub fn transpose(packed: &[f32], sizes: [usize; 2], turned: bool) -> Vec<f32> {
    let [ip, op] = sizes;
    let mut out = vec![0.0; packed.len()];
    let taps = packed.len() / (ip * op);
    for (tap, to) in out.chunks_exact_mut(ip * op).enumerate() {
        let source = if turned { taps - 1 - tap } else { tap };
        let from = &packed[source * ip * op..][..ip * op];
        for (co, row) in to.chunks_exact_mut(ip).enumerate() {
            row.iter_mut().enumerate().for_each(|(ci, w)| *w = from[ci * op + co]);
        }
    }
    out
}

impl Kernel for Conv {
    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let wanted = 1 + usize::from(self.affine) + usize::from(self.per_sample) + usize::from(self.residual);
        if inputs.len() != wanted {
            return Err(format!("{wanted} inputs are needed, not {}", inputs.len()));
        }
        let x = inputs[0];
        let up = if self.upsample { 2 } else { 1 };
        let [top, left, bottom, right] = self.pad;
        let side = |size: usize, pad: usize, k: usize| (size * up + pad).checked_sub(k).map(|s| s / self.stride + 1);
        let (h, w) = side(x.h, top + bottom, self.kernel[0])
            .zip(side(x.w, left + right, self.kernel[1]))
            .ok_or_else(|| format!("a {:?} kernel does not fit into {x} with padding {:?}", self.kernel, self.pad))?;
        let out = Shape::new(x.n, h, w, self.cout);
        let mut rest = inputs[1..].iter();
        let mut check = |on: bool, want: Shape, what: &str| match on.then(|| rest.next()).flatten() {
            Some(s) if *s != want => Err(format!("{what} has shape {s}, but {want} is needed")),
            _ => Ok(()),
        };
        check(self.affine, Shape::new(x.n, 1, 2, x.c), "the affine")?;
        check(self.per_sample, Shape::new(x.n, 1, 1, self.cout), "the vector per sample")?;
        check(self.residual, out, "the residual")?;
        Ok(out)
    }
    fn shader(&self, io: &Io) -> Shader {
        let (x, o) = (io.inputs[0], io.output);
        let plain = self.kernel == [1, 1] && self.stride == 1 && self.pad == [0; 4] && !self.upsample;
        // Inputs come one after the other; a flag's value is its input's number, 0 when absent.
        let mut number = 0_u32;
        let mut next = |on: bool| {
            number += u32::from(on);
            if on { number } else { 0 }
        };
        let product = Product {
            pixels: o.pixels(),
            k4: self.kernel[0] * self.kernel[1] * x.c_pad() / 4,
            in_c4: x.c_pad() / 4,
            out_c4: o.c_pad() / 4,
            batch: 1,
        };
        let mut consts = vec![
            ("IN_H", x.h.into()),
            ("IN_W", x.w.into()),
            ("OUT_HW", (o.h * o.w).into()),
            ("OUT_W", o.w.into()),
            ("KW", self.kernel[1].into()),
            ("STRIDE", self.stride.into()),
            ("PAD_TOP", self.pad[0].into()),
            ("PAD_LEFT", self.pad[1].into()),
            ("UP", u32::from(self.upsample).into()),
            ("SCALE", self.scale.into()),
            ("PLAIN", plain.into()),
            ("ONE_SAMPLE", (o.n == 1 || (o.h * o.w) % self.tile.pixels() == 0).into()),
            ("AFFINE", next(self.affine).into()),
            ("PER_SAMPLE", next(self.per_sample).into()),
            ("RESIDUAL", next(self.residual).into()),
            ("BIAS", self.bias.is_some().into()),
        ];
        if self.act != Activation::Identity {
            consts.push(self.act.constant());
        }
        self.tile.shader(if self.winograd { "conv_winograd" } else { "conv" }, &product, consts)
    }
    fn weights(&self) -> Vec<WeightId> {
        std::iter::once(self.weight).chain(self.bias).collect()
    }
    fn flops(&self, io: &Io) -> u64 {
        2 * (io.output.len() * io.inputs[0].c * self.kernel[0] * self.kernel[1]) as u64
    }
}
