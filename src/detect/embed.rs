//! Scoring inside another wgpu program: from one of its textures to another, encoded into its own command encoders.
use super::{ModelFolder, Runner};
use crate::data::heat;
use crate::gpu::{self, Gpu, Textures};
use crate::{Device, Error, Result, Shape};
use std::ops::Range;
use std::sync::Arc;

/// A detector on a host's device, for one image at a time.
///
/// Everything is allocated by [`Embedded::new`]. From then on the host encodes, submits and decides when; nothing here
/// blocks, submits, reads back or allocates device memory (a bind group is made for each texture that a call touches).
/// Images share one set of buffers, so the steps of one must not run among those of another.
///
/// # The input texture
/// Any size; any format with one, three or four channels that shaders read as floats (unorm, float, filterable or
/// not), clamped to 0..1; 2D, one layer, level 0, usage `TEXTURE_BINDING`. It becomes what the command line makes of a
/// file with the same values: one channel is repeated for an RGB model, three become grey by 0.299, 0.587 and 0.114,
/// sizes change by PIL's antialiased triangle filter ([`crate::data::resize_triangle`], to f32 rounding; equal sizes
/// are copied), and 0 and 1 become the ends of the model's range. An `-srgb` format counts with the values as stored,
/// as a PNG does. Alpha is not read: a premultiplied texture is thereby over black.
///
/// # The output texture
/// Any size (bilinear, [`crate::data::resize_bilinear`]), 2D, one layer, level 0, usage `STORAGE_BINDING`. `Rgba8Unorm`
/// gets the colours of [`crate::report::heatmap`] under [`Embedded::set_scale`], opaque, as sRGB values; `R32Float` gets the
/// map itself.
///
/// # What it leaves out
/// What a system does to whole volumes on the host (pDDPM's erosion and median, which Pinaya et al. may have, too: [`super::System::postprocessing`]) is not done: the
/// map is the one before it, and a threshold that was chosen on maps after it does not hold for this one. The scores are the map's own
/// mean, maximum and minimum, whatever the model's `score` says. The seed is taken as it is, where pDDPM's files have one each.
pub struct Embedded {
    detector: Runner,
    textures: Textures,
    reconstruction: Option<wgpu::Buffer>,
    scores: wgpu::Buffer,
}

impl Embedded {
    /// Builds the detector on the host's device, with seed 0. The scale of the colours is twice the model's pixel
    /// threshold, as in the command line's pictures, or 1 where the model has none. Compiles shaders where it is
    /// polled; uploads go out with the host's next submission.
    /// # Errors
    /// As [`Runner::new`]; [`Error::File`] for a system that has no map.
    pub async fn new(gpu: Arc<Gpu>, model: &ModelFolder) -> Result<Embedded> {
        let job = model.job(1)?;
        let map = job.map().map_err(|e| Error::file(&model.path, e.to_string()))?;
        let input = model.config.image()?;
        let mut detector = Runner::new(&Device::Gpu(gpu.clone()), job).await?;
        detector.seed(0)?;
        let (job, session) = (detector.job(), session(&detector)?);
        let buffers = [job.input, map].map(|s| session.buffer(s).clone());
        let reconstruction = job.outputs.reconstruction.map(|s| session.buffer(s).clone());
        let summary = job.outputs.summary.unwrap_or(map);
        let scores = session.buffer(summary).clone();
        let shape = Shape::new(1, input.height, input.width, input.channels);
        let colours = std::array::from_fn(|i| heat(i as f32 / 255.0));
        let textures = Textures::new(gpu, shape, input.range, input.scaling, buffers, colours).await?;
        textures.set_scale(model.config.threshold.pixel.map_or(1.0, |t| 2.0 * t as f32));
        Ok(Embedded { detector, textures, reconstruction, scores })
    }
    /// Chooses all noise by one number, for what is submitted from now on; uploads only when the number changes.
    /// # Errors
    /// As [`Runner::seed`].
    pub fn seed(&mut self, seed: u64) -> Result<()> {
        self.detector.seed(seed)
    }
    /// The value of the map that takes the hottest colour, for what is submitted from now on. A scale that is not
    /// positive leaves everything black.
    pub fn set_scale(&self, scale: f32) {
        self.textures.set_scale(scale);
    }
    /// Parts that the job can be cut into: the way in, each evaluation of the network and what lies between, the way
    /// out.
    pub fn steps(&self) -> usize {
        self.detector.steps() + 2
    }
    /// Encodes the whole job: `input` is scored, and `output` gets its map.
    /// # Errors
    /// [`Error::Invalid`] in words for a texture that does not fit; nothing is encoded then. What wgpu does not tell (a
    /// texture of another device, or one destroyed) goes to the device's own error handler.
    pub fn encode(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        input: &wgpu::Texture,
        output: &wgpu::Texture,
    ) -> Result<()> {
        self.encode_part(encoder, input, output, 0..self.steps())
    }
    /// Encodes some of the [`Embedded::steps`], so that a display stays alive between the submissions of one job. Parts
    /// must run in order; `input` is read by the first step only, `output` is written by the last only.
    /// # Errors
    /// As [`Embedded::encode`], and for steps that there are not.
    pub fn encode_part(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        input: &wgpu::Texture,
        output: &wgpu::Texture,
        steps: Range<usize>,
    ) -> Result<()> {
        let (way_in, way_out) = (self.textures.check_in(input)?, self.textures.check_out(output)?);
        let session = session(&self.detector)?;
        let schedule = &self.detector.job().phases;
        let last = schedule.len() + 1;
        if steps.end > last + 1 {
            return Err(Error::Invalid(format!("steps {steps:?} of a job that has {}", last + 1)));
        }
        for step in steps {
            match step {
                0 => self.textures.encode_in(encoder, input, way_in),
                _ if step == last => self.textures.encode_out(encoder, output, way_out),
                _ => {
                    let phase = schedule[step - 1];
                    session.encode(encoder, phase.section, phase.row);
                }
            }
        }
        Ok(())
    }
    /// Encodes the reconstruction, as the last submitted job left it, into `output` for a host to show: an `Rgba8Unorm`
    /// texture of any size (bilinear), 2D, one layer, level 0, usage `STORAGE_BINDING`. The ends of the model's range
    /// become 0 and 1, what lies beyond them is clamped; three channels are colours, of any other number the first is
    /// shown as grey. Opaque, as sRGB values.
    /// # Errors
    /// [`Error::Invalid`] in words for a texture that does not fit, and for a system that reconstructs nothing; nothing is
    /// encoded then.
    pub fn encode_reconstruction(&self, encoder: &mut wgpu::CommandEncoder, output: &wgpu::Texture) -> Result<()> {
        let none = || Error::Invalid("this system reconstructs nothing".into());
        self.textures.encode_picture(encoder, self.reconstruction.as_ref().ok_or_else(none)?, output)
    }
    /// Mean, maximum and minimum of the map at the network's size: three f32, then padding. Like the others, the buffer
    /// allows `STORAGE` and `COPY_SRC`, and holds its result once a submitted job is done.
    pub fn scores(&self) -> &wgpu::Buffer {
        &self.scores
    }
    /// The map at the network's size, row by row: one `vec4<f32>` a pixel, the value first.
    pub fn map(&self) -> &wgpu::Buffer {
        &self.textures.map
    }
    /// What the network was given: one `vec4<f32>` a pixel in the model's range, its channels first.
    pub fn image(&self) -> &wgpu::Buffer {
        &self.textures.image
    }
    /// What the system made of the image, laid out as [`Embedded::image`]; none for a system that reconstructs nothing.
    pub fn reconstruction(&self) -> Option<&wgpu::Buffer> {
        self.reconstruction.as_ref()
    }
}

fn session(detector: &Runner) -> Result<&gpu::Session> {
    detector.session().gpu().ok_or_else(|| Error::NoDevice("this detector does not run on a GPU".into()))
}
