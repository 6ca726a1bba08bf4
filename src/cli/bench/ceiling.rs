//! What a device can do at most, measured: multiply-adds in registers, and copying memory.
use crate::gpu::sources::{BENCH_COPY, BENCH_FMA};
use crate::gpu::{Consts, Gpu, ShaderFile, preprocess};
use crate::kernels::matmul::{Mat, matmul};
use crate::{Device, Error, Result};
use rayon::prelude::*;
use serde::Serialize;
use std::time::Instant;

/// Both ceilings.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Ceiling {
    /// 10¹² floating-point operations a second, a multiply-add counted as two.
    pub tflops: f64,
    /// 10⁹ bytes a second, read and written.
    pub gbps: f64,
}

/// A measurement grows until it takes this long.
const LONG_ENOUGH: f64 = 0.05;
/// Bytes of each side of the copy: more than caches hold, and WebGPU's default binding size.
const COPY_BYTES: usize = 128 << 20;
/// Rounds of `bench_fma.wgsl`.
const ROUNDS: u32 = 64;

pub(super) fn measure(device: &Device) -> Result<Ceiling> {
    match device {
        Device::Cpu => Ok(cpu()),
        Device::Gpu(gpu) => gpu_ceiling(gpu),
    }
}

/// The `gemm` crate's product, one a thread and in cache; a copy split over the threads.
fn cpu() -> Ceiling {
    const SIDE: usize = 384;
    let threads = rayon::current_num_threads();
    let (a, b) = (vec![0.5f32; SIDE * SIDE], vec![0.25f32; SIDE * SIDE]);
    let product = |repeats: usize| {
        (0..threads).into_par_iter().for_each(|_| {
            let mut c = vec![0.0f32; SIDE * SIDE];
            for _ in 0..repeats {
                let (a, b) = (Mat { data: &a, stride: SIDE }, Mat { data: &b, stride: SIDE });
                matmul([SIDE; 3], a, b, &mut c, SIDE, false);
                std::hint::black_box(&c);
            }
        });
    };
    let flops = (2 * SIDE * SIDE * SIDE * threads) as f64;
    let from = vec![1.0f32; COPY_BYTES / 4];
    let mut to = vec![0.0f32; COPY_BYTES / 4];
    let chunk = from.len().div_ceil(threads).max(1);
    let copy = |repeats: usize| {
        for _ in 0..repeats {
            to.par_chunks_mut(chunk).zip(from.par_chunks(chunk)).for_each(|(t, f)| t.copy_from_slice(f));
            std::hint::black_box(&to);
        }
    };
    Ceiling { tflops: flops * rate(product) * 1e-12, gbps: 2.0 * COPY_BYTES as f64 * rate(copy) * 1e-9 }
}

/// Repetitions a second, over a time that is long enough; the best of three.
fn rate(mut work: impl FnMut(usize)) -> f64 {
    let mut timed = |repeats: usize| {
        let start = Instant::now();
        work(repeats);
        start.elapsed().as_secs_f64().max(1e-9)
    };
    let mut repeats = 1;
    while timed(repeats) < LONG_ENOUGH && repeats < 1 << 24 {
        repeats *= 2;
    }
    (0..3).map(|_| repeats as f64 / timed(repeats)).fold(0.0, f64::max)
}

fn gpu_ceiling(gpu: &Gpu) -> Result<Ceiling> {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
    let buffer = |size: u64| {
        gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("bench"),
            size,
            usage,
            mapped_at_creation: false,
        })
    };
    // One workgroup of 256 threads, 4 unrolled steps of 8 chains of 4 numbers, 2 operations each.
    let group_flops = f64::from(256 * 2 * 4 * 8 * 4 * ROUNDS);
    let constants = buffer(48);
    gpu.queue.write_buffer(&constants, 0, bytemuck::cast_slice(&[[0.5f32; 4], [0.25; 4], [0.0; 4]]));
    let fma = Kernel::new(gpu, BENCH_FMA, ("ROUNDS", ROUNDS), &[&constants])?;
    let mut groups = 16u32;
    while fma.seconds(gpu, [groups, 1, 1], 1)? < LONG_ENOUGH && groups < 65535 {
        groups = (groups * 4).min(65535);
    }
    let tflops = group_flops * f64::from(groups) * fma.rate(gpu, [groups, 1, 1])? * 1e-12;

    let len = (COPY_BYTES / 16) as u32;
    let (from, to) = (buffer(COPY_BYTES as u64), buffer(COPY_BYTES as u64));
    let copy = Kernel::new(gpu, BENCH_COPY, ("LEN", len), &[&from, &to])?;
    let grid = crate::kernels::grid_1d(len as usize / 256);
    let gbps = 2.0 * COPY_BYTES as f64 * copy.rate(gpu, grid)? * 1e-9;
    Ok(Ceiling { tflops, gbps })
}

/// A pipeline with its buffers.
struct Kernel {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
}

impl Kernel {
    fn new(gpu: &Gpu, source: ShaderFile, constant: (&str, u32), buffers: &[&wgpu::Buffer]) -> Result<Self> {
        let consts: Consts = [(constant.0.to_owned(), constant.1.into())].into();
        let (text, file) = (preprocess(source, &consts)?, source.name);
        let scope = gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let source = wgpu::ShaderSource::Wgsl(text.as_str().into());
        let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: Some(file), source });
        let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(file),
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let entries: Vec<_> = (0..).zip(buffers).map(|(i, b)| entry(i, b)).collect();
        let layout = pipeline.get_bind_group_layout(0);
        let desc = wgpu::BindGroupDescriptor { label: Some(file), layout: &layout, entries: &entries };
        let group = gpu.device.create_bind_group(&desc);
        match crate::gpu::drive(gpu, scope.pop()) {
            Some(e) => Err(Error::Shader { file: file.to_owned(), fault: e.to_string() }),
            None => Ok(Kernel { pipeline, group }),
        }
    }
    /// How long so many dispatches take, submission and waiting included.
    fn seconds(&self, gpu: &Gpu, grid: [u32; 3], dispatches: usize) -> Result<f64> {
        let start = Instant::now();
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        (0..dispatches).for_each(|_| pass.dispatch_workgroups(grid[0], grid[1], grid[2]));
        drop(pass);
        gpu.queue.submit([encoder.finish()]);
        let waited = gpu.device.poll(wgpu::PollType::wait_indefinitely());
        waited.map_err(|e| Error::Device { device: gpu.info.name.clone(), fault: e.to_string() })?;
        gpu.check()?;
        Ok(start.elapsed().as_secs_f64().max(1e-9))
    }
    /// Dispatches a second, over a time that is long enough; the best of three.
    fn rate(&self, gpu: &Gpu, grid: [u32; 3]) -> Result<f64> {
        let mut dispatches = 1;
        while self.seconds(gpu, grid, dispatches)? < LONG_ENOUGH && dispatches < 1 << 16 {
            dispatches *= 2;
        }
        let mut best = 0.0f64;
        for _ in 0..3 {
            best = best.max(dispatches as f64 / self.seconds(gpu, grid, dispatches)?);
        }
        Ok(best)
    }
}

fn entry(binding: u32, buffer: &wgpu::Buffer) -> wgpu::BindGroupEntry<'_> {
    wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() }
}
