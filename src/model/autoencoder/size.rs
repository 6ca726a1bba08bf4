//! How large the latent of an image is, and the image of a latent.
use super::{Autoencoder, Step, Strided};
use crate::model::unet::{Downsample, Layer};
use crate::{Error, Result, Shape};

impl Autoencoder {
    /// The shape (N,h,w,c) of the latent of images (N,H,W,C). Sides need not be multiples of anything.
    /// # Errors
    /// [`Error::Invalid`] for another number of channels, and for images that are too small.
    pub fn latent_shape(&self, image: Shape) -> Result<Shape> {
        self.through(&self.encoder, image, self.in_channels(), self.latent_channels())
    }
    /// The shape (N,H,W,C) of the images that latents (N,h,w,c) are decoded to.
    /// # Errors
    /// As [`Autoencoder::latent_shape`].
    pub fn image_shape(&self, latent: Shape) -> Result<Shape> {
        self.through(&self.decoder, latent, self.latent_channels(), self.out_channels())
    }
    fn through(&self, steps: &[Step], from: Shape, takes: usize, gives: usize) -> Result<Shape> {
        let fault = |text: String| Error::Invalid(format!("the network ({}) {text}", self.title()));
        if from.c != takes {
            return Err(fault(format!("takes {takes} channels, not {}", from.c)));
        }
        let side = |side: usize| steps.iter().try_fold(side, |s, step| step.side(s)).filter(|&s| s > 0);
        let found = side(from.h).zip(side(from.w)).filter(|_| !from.is_empty());
        let (h, w) = found.ok_or_else(|| fault(format!("leaves nothing of {}x{}", from.h, from.w)))?;
        Ok(Shape { h, w, c: gives, ..from })
    }
    /// How many times smaller the latent is than the image, at sizes that it divides.
    pub fn factor(&self) -> usize {
        let halved = self.encoder.iter().map(|s| match s {
            Step::Conv(c) => c.stride,
            Step::Layer(l) if l.halves() => 2,
            _ => 1,
        });
        halved.fold(1, usize::saturating_mul)
    }
}

impl Step {
    /// Rows or columns afterwards; none where nothing is left.
    fn side(&self, side: usize) -> Option<usize> {
        match self {
            Step::Conv(c) => c.side(side),
            Step::Transposed(c) => {
                let whole = side.checked_sub(1)?.checked_mul(c.stride)?.checked_add(c.extent()? + c.output_pad)?;
                whole.checked_sub(2 * c.pad)
            }
            Step::Layer(Layer::Down(Downsample { conv: None, .. })) => Some(side / 2),
            Step::Layer(Layer::Down(Downsample { right_bottom, .. })) => {
                let pads = if *right_bottom { 1 } else { 2 };
                Some((side + pads).checked_sub(3)? / 2 + 1)
            }
            Step::Layer(l) if l.doubles() => side.checked_mul(2),
            Step::Layer(l) if l.halves() => Some(side / 2),
            Step::Layer(_) | Step::Norm(..) | Step::Activation(_) => Some(side),
            Step::Unit { conv1, conv2, .. } => conv2.side(conv1.side(side)?),
        }
    }
}

impl Strided {
    fn side(&self, side: usize) -> Option<usize> {
        Some((side + 2 * self.pad).checked_sub(self.extent()?)? / self.stride + 1)
    }
    /// Pixels from the first row of the kernel to the last, both included.
    fn extent(&self) -> Option<usize> {
        self.conv.kernel.checked_sub(1)?.checked_mul(self.dilation)?.checked_add(1)
    }
}
