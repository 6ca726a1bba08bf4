//! The scaling of a host's texture by its own values: which passes there are, and what they are given.
use super::pipeline::Binding;
use super::texture::{GROUP, TEXELS};
use crate::data::{Over, Scaling};
use crate::gpu::shader_file;
use crate::kernels::{Shader, Value};
use wgpu::BufferUsages;

/// Bytes of the `State` of `texture_scale.wgsl`.
const STATE: u64 = 4 * (3 * 8 + 4 * 8 + 1 + 2048);
/// Bytes of the windows of four channels.
const WINDOWS: u64 = 4 * 16;

/// The passes in their order; none for [`Scaling::Fixed`].
pub(super) fn passes(scaling: Scaling) -> Vec<&'static str> {
    let Some(over) = scaling.over() else { return Vec::new() };
    let mut passes = Vec::new();
    if over == Over::Mask {
        passes.push("lowest");
    }
    match scaling {
        Scaling::Percentiles { .. } => {
            passes.extend(["count", "pick"].repeat(4));
            passes.push("next");
        }
        _ => passes.push("ends"),
    }
    passes.push("windows");
    passes
}

/// Whether a pass goes through the texels, once for each kind of texture.
pub(super) fn reads_texels(pass: &str) -> bool {
    !matches!(pass, "pick" | "windows")
}

/// The shaders of the passes, each once, for a network of so many channels, and what they bind.
pub(super) fn shaders(scaling: Scaling, channels: usize) -> Vec<(&'static str, Shader, Vec<Binding>)> {
    let mut shaders = Vec::new();
    let mut known = Vec::new();
    for pass in passes(scaling) {
        if known.contains(&pass) {
            continue;
        }
        known.push(pass);
        let consts = constants(scaling, channels, pass);
        let file = shader_file!("texture_scale.wgsl");
        if reads_texels(pass) {
            for texel in TEXELS {
                let label = format!("texture_scale_{pass}_{texel}");
                let consts = [&consts[..], &[("TEXEL", Value::T(texel.into()))]].concat();
                let shader = Shader { label, file, consts, grid: [1; 3] };
                shaders.push((pass, shader, vec![Binding::Texture, Binding::Write]));
            }
        } else {
            let shader = Shader { label: format!("texture_scale_{pass}"), file, consts, grid: [1; 3] };
            let buffers = if pass == "windows" { 2 } else { 1 };
            shaders.push((pass, shader, vec![Binding::Write; buffers]));
        }
    }
    shaders
}

fn constants(scaling: Scaling, channels: usize, pass: &str) -> Vec<(&'static str, Value)> {
    let [low, high] = match scaling {
        Scaling::Percentiles { low, high, .. } => [low, high].map(binary_fraction),
        _ => [0; 2],
    };
    let half = |v: u64| Value::U(v as u32);
    vec![
        ("PASS", Value::T(pass.into())),
        ("C", channels.into()),
        ("MASK", Value::B(scaling.over() == Some(Over::Mask))),
        ("ENDS", Value::B(matches!(scaling, Scaling::MinMax { .. }))),
        ("CELLS", Value::U(if pass == "count" { 2048 } else { 8 })),
        ("LOW0", half(low)),
        ("HIGH0", half(low >> 32)),
        ("LOW1", half(high)),
        ("HIGH1", half(high >> 32)),
    ]
}

/// A percentage in units of 2^-64; all ones for 100.
fn binary_fraction(percent: f64) -> u64 {
    // Converting saturates.
    (percent / 100.0 * 2f64.powi(64)) as u64
}

/// The state of the passes and the windows that they find.
pub(super) fn buffers(device: &wgpu::Device) -> [wgpu::Buffer; 2] {
    [("texture state", STATE, BufferUsages::COPY_DST), ("windows", WINDOWS, BufferUsages::COPY_SRC)].map(
        |(label, size, usage)| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage: BufferUsages::STORAGE | usage,
                mapped_at_creation: false,
            })
        },
    )
}

/// Groups of a pass through the texels of a texture.
pub(super) fn grid(texture: &wgpu::Texture) -> [u32; 3] {
    [texture.width().div_ceil(GROUP), texture.height().div_ceil(GROUP), 1]
}
