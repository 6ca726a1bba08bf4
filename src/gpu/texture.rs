//! From a host's texture into the network's input, and from map and reconstruction into others.
use super::Gpu;
use super::pipeline::{Binding, Wanted, specialise};
use super::texture_scale as scale;
use crate::data::Scaling;
use crate::gpu::shader_file;
use crate::kernels::{Shader, Value};
use crate::{Error, Result, Shape};
use std::sync::Arc;
use wgpu::{BufferUsages, TextureDimension, TextureFormat, TextureSampleType, TextureUsages};

/// Threads of a group on either axis.
pub(super) const GROUP: u32 = 16;
/// What `texture_in.wgsl` may take a texture to hold, in the order of the pipelines.
pub(super) const TEXELS: [&str; 3] = ["grey", "rgb", "srgb"];
/// Formats that `texture_out.wgsl` writes: colours, the map itself.
const PICTURES: [TextureFormat; 2] = [TextureFormat::Rgba8Unorm, TextureFormat::R32Float];

/// The shaders between a host's textures and a network's input of `shape` (1,H,W,C), whose black and white are `range`:
/// three for what comes in (grey, RGB, sRGB), two for the map that goes out (colours, raw), one for the reconstruction, and
/// those that find the values by which the image is scaled, if there are any.
pub fn texture_shaders(shape: Shape, range: [f32; 2], scaling: Scaling) -> Vec<Shader> {
    let scale = scale::shaders(scaling, shape.c).into_iter().map(|(_, shader, _)| shader);
    in_and_out(shape, range, scaling).into_iter().chain(scale).collect()
}

fn in_and_out(shape: Shape, range: [f32; 2], scaling: Scaling) -> Vec<Shader> {
    let size = [("W", shape.w.into()), ("H", shape.h.into())];
    let grid = [(shape.w as u32).div_ceil(GROUP), (shape.h as u32).div_ceil(GROUP), 1];
    let [low, high] = range;
    let input = |texel: &str| {
        let scaled = Value::B(scaling.over().is_some());
        let more = [("C", shape.c.into()), ("LOW", low.into()), ("SPAN", (high - low).into()), ("SCALED", scaled)];
        let consts = size.iter().cloned().chain(more).chain([("TEXEL", Value::T(texel.into()))]).collect();
        Shader { label: format!("texture_in_{texel}"), file: shader_file!("texture_in.wgsl"), consts, grid }
    };
    let output = |format: TextureFormat| {
        let format = format!("{format:?}").to_lowercase();
        let label = format!("texture_out_{format}");
        let consts = size.iter().cloned().chain([("FORMAT", Value::T(format))]).collect();
        Shader { label, file: shader_file!("texture_out.wgsl"), consts, grid }
    };
    let picture = picture_shader(shape, range, grid);
    TEXELS.map(input).into_iter().chain(PICTURES.map(output)).chain([picture]).collect()
}

/// The shader that shows a host a picture of the network's, in whose `range` black and white lie.
fn picture_shader(shape: Shape, [low, high]: [f32; 2], grid: [u32; 3]) -> Shader {
    let size = [("W", shape.w.into()), ("H", shape.h.into()), ("C", shape.c.into())];
    let consts = size.into_iter().chain([("LOW", low.into()), ("SPAN", (high - low).into())]).collect();
    Shader { label: "texture_picture".into(), file: shader_file!("texture_picture.wgsl"), consts, grid }
}

/// All passes, ready for textures of any size.
pub(crate) struct Textures {
    gpu: Arc<Gpu>,
    grid: [u32; 3],
    channels: usize,
    pipelines: Vec<wgpu::ComputePipeline>,
    /// Of each pass that scales, in order: its first pipeline, and whether it has one for each of [`TEXELS`].
    passes: Vec<(usize, bool)>,
    /// The passes' state and the windows, where there are passes.
    scaling: Option<[wgpu::Buffer; 2]>,
    /// The network's input, (1,H,W,C) in device layout.
    pub image: wgpu::Buffer,
    /// The map, (1,H,W,1) in device layout.
    pub map: wgpu::Buffer,
    heat: wgpu::Buffer,
}

impl Textures {
    /// Compiles for a network's input of `shape` (1,H,W,C), whose black and white are `range`. The image is scaled by its
    /// own values where `scaling` says so: a texture is a volume of one slice, its mask what lies above the lowest value of
    /// each channel, and its values must be finite; where a channel has no contrast, it comes out black. Uploads the colours
    /// of a map that is black and of one that has reached the scale, and 254 between.
    pub async fn new(
        gpu: Arc<Gpu>,
        shape: Shape,
        range: [f32; 2],
        scaling: Scaling,
        [image, map]: [wgpu::Buffer; 2],
        colours: [[u8; 3]; 256],
    ) -> Result<Textures> {
        let shaders = in_and_out(shape, range, scaling);
        let grid = shaders[0].grid;
        let windows = scaling.over().map(|_| Binding::Read);
        let input = [Binding::Texture, Binding::Write].into_iter().chain(windows).collect();
        let input = std::iter::repeat_n(input, TEXELS.len());
        let output = PICTURES.map(|format| vec![Binding::Read, Binding::Read, Binding::Picture(format)]);
        let picture = [vec![Binding::Read, Binding::Picture(TextureFormat::Rgba8Unorm)]];
        let ways = shaders.len();
        let scaled = scale::shaders(scaling, shape.c);
        let first = |pass: &str| scaled.iter().position(|(name, ..)| *name == pass).unwrap_or_default();
        let pass = |pass: &str| (ways + first(pass), scale::reads_texels(pass));
        let passes: Vec<(usize, bool)> = scale::passes(scaling).into_iter().map(pass).collect();
        let wanted = |(shader, bindings): (Shader, Vec<Binding>)| {
            let text = specialise(&shader, 0, 0)?;
            Ok(Wanted { label: shader.label, file: shader.file, text, bindings })
        };
        let scaled = scaled.into_iter().map(|(_, shader, bindings)| (shader, bindings));
        let all = shaders.into_iter().zip(input.chain(output).chain(picture)).chain(scaled);
        let wanted: Vec<_> = all.map(wanted).collect::<Result<_>>()?;
        let pipelines = gpu.pipelines(&wanted).await?;
        let packed: Vec<u32> = colours.iter().map(|&[r, g, b]| u32::from_le_bytes([r, g, b, 255])).collect();
        let heat = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("heat"),
            size: 4 + 4 * packed.len() as u64,
            usage: BufferUsages::STORAGE | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        gpu.queue.write_buffer(&heat, 4, bytemuck::cast_slice(&packed));
        let scaling = scaling.over().map(|_| scale::buffers(&gpu.device));
        Ok(Textures { gpu, grid, channels: shape.c, pipelines, passes, scaling, image, map, heat })
    }

    /// The value of the map that takes the last colour; holds for what is submitted from now on.
    pub fn set_scale(&self, scale: f32) {
        self.gpu.queue.write_buffer(&self.heat, 0, &scale.to_le_bytes());
    }

    /// Which pipeline reads this texture.
    pub fn check_in(&self, texture: &wgpu::Texture) -> Result<usize> {
        plain(texture, "input", TextureUsages::TEXTURE_BINDING)?;
        let format = texture.format();
        let float = matches!(format.sample_type(None, None), Some(TextureSampleType::Float { .. }));
        let srgb = if format.is_srgb() { 2 } else { 1 };
        let (has, needs) = (usize::from(format.components()), self.channels);
        match has {
            _ if matches!(needs, 2 | 4) && float && has >= needs => Ok(srgb),
            _ if matches!(needs, 2 | 4) => Err(Error::Invalid(format!(
                "the input texture is {format:?}; {needs} channels that shaders read as floats are needed"
            ))),
            1 if float => Ok(0),
            3 | 4 if float => Ok(srgb),
            _ => Err(Error::Invalid(format!(
                "the input texture is {format:?}; one, three or four channels that shaders read as floats are needed"
            ))),
        }
    }

    /// Which pipeline writes this texture.
    pub fn check_out(&self, texture: &wgpu::Texture) -> Result<usize> {
        plain(texture, "output", TextureUsages::STORAGE_BINDING)?;
        let at = PICTURES.iter().position(|f| *f == texture.format()).ok_or_else(|| {
            let format = texture.format();
            Error::Invalid(format!("the output texture is {format:?}, not Rgba8Unorm (colours) or R32Float (raw map)"))
        })?;
        Ok(TEXELS.len() + at)
    }

    /// Encodes the way in, by the pipeline that [`Textures::check_in`] named.
    pub fn encode_in(&self, encoder: &mut wgpu::CommandEncoder, texture: &wgpu::Texture, pipeline: usize) {
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let source = wgpu::BindingResource::TextureView(&view);
        let mut resources = vec![source.clone(), self.image.as_entire_binding()];
        if let Some([state, windows]) = &self.scaling {
            encoder.clear_buffer(state, 0, None);
            for (i, &(first, texels)) in self.passes.iter().enumerate() {
                let state = state.as_entire_binding();
                if texels {
                    self.encode(encoder, first + pipeline, &[source.clone(), state], scale::grid(texture));
                } else if i + 1 == self.passes.len() {
                    self.encode(encoder, first, &[state, windows.as_entire_binding()], [1; 3]);
                } else {
                    self.encode(encoder, first, &[state], [1; 3]);
                }
            }
            resources.push(windows.as_entire_binding());
        }
        self.encode(encoder, pipeline, &resources, self.grid);
    }

    /// Encodes the way out, by the pipeline that [`Textures::check_out`] named.
    pub fn encode_out(&self, encoder: &mut wgpu::CommandEncoder, texture: &wgpu::Texture, pipeline: usize) {
        let level = wgpu::TextureViewDescriptor { mip_level_count: Some(1), ..Default::default() };
        let view = texture.create_view(&level);
        let picture = wgpu::BindingResource::TextureView(&view);
        let resources = [self.map.as_entire_binding(), self.heat.as_entire_binding(), picture];
        self.encode(encoder, pipeline, &resources, grid_of(texture));
    }

    /// Encodes a picture in the model's range, (1,H,W,C) in device layout, into an `Rgba8Unorm` texture.
    /// # Errors
    /// [`Error::Invalid`] in words for a texture that does not fit.
    pub fn encode_picture(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        source: &wgpu::Buffer,
        texture: &wgpu::Texture,
    ) -> Result<()> {
        plain(texture, "picture", TextureUsages::STORAGE_BINDING)?;
        if texture.format() != TextureFormat::Rgba8Unorm {
            return Err(Error::Invalid(format!("the picture texture is {:?}, not Rgba8Unorm", texture.format())));
        }
        let level = wgpu::TextureViewDescriptor { mip_level_count: Some(1), ..Default::default() };
        let view = texture.create_view(&level);
        let resources = [source.as_entire_binding(), wgpu::BindingResource::TextureView(&view)];
        self.encode(encoder, TEXELS.len() + PICTURES.len(), &resources, grid_of(texture));
        Ok(())
    }

    fn encode(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        pipeline: usize,
        resources: &[wgpu::BindingResource],
        grid: [u32; 3],
    ) {
        let pipeline = &self.pipelines[pipeline];
        let entry = |(i, resource)| wgpu::BindGroupEntry { binding: i as u32, resource };
        let entries: Vec<_> = resources.iter().cloned().enumerate().map(entry).collect();
        let layout = pipeline.get_bind_group_layout(0);
        let group = self.gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("texture"),
            layout: &layout,
            entries: &entries,
        });
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(grid[0], grid[1], grid[2]);
    }
}

/// Groups of a pass that writes each texel of a texture.
fn grid_of(texture: &wgpu::Texture) -> [u32; 3] {
    [texture.width().div_ceil(GROUP), texture.height().div_ceil(GROUP), 1]
}

/// A texture of one 2D layer without multisampling that allows `usage`.
fn plain(texture: &wgpu::Texture, what: &str, usage: TextureUsages) -> Result<()> {
    let (layers, samples) = (texture.depth_or_array_layers(), texture.sample_count());
    if texture.dimension() != TextureDimension::D2 || layers != 1 || samples != 1 {
        let dimension = texture.dimension();
        return Err(Error::Invalid(format!(
            "the {what} texture is {dimension:?} with {layers} layers and {samples} samples; a plain 2D one is needed"
        )));
    }
    if !texture.usage().contains(usage) {
        return Err(Error::Invalid(format!("the {what} texture was made without the usage {usage:?}")));
    }
    Ok(())
}
