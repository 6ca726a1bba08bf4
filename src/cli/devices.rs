//! `residua devices`: the adapters of this machine, and the processor.
use crate::Result;
use crate::gpu::{self, is_software};
use serde::Serialize;
use std::process::ExitCode;
use wgpu::Features;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Features that matter, and what for.
const FEATURES: [(&str, Features); 5] = [
    ("timestamps", Features::TIMESTAMP_QUERY),
    ("timestamps between kernels", Features::TIMESTAMP_QUERY_INSIDE_ENCODERS),
    ("pipeline cache", Features::PIPELINE_CACHE),
    ("f16", Features::SHADER_F16),
    ("subgroups", Features::SUBGROUP),
];

/// One adapter.
#[derive(Serialize)]
struct Adapter {
    name: String,
    backend: String,
    kind: String,
    driver: String,
    software: bool,
    features: Vec<&'static str>,
    missing: Vec<&'static str>,
    limits: Limits,
}

/// The limits that decide what fits.
#[derive(Serialize)]
struct Limits {
    buffer_bytes: u64,
    binding_bytes: u64,
    workgroup_threads: u32,
    workgroup_bytes: u32,
    storage_buffers: u32,
}

/// The JSON object.
#[derive(Serialize)]
struct Report {
    /// What `--device auto` takes.
    auto: String,
    /// Threads of the processor.
    cpu_threads: usize,
    adapters: Vec<Adapter>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let adapters: Vec<Adapter> = pollster::block_on(gpu::adapters()).iter().map(describe).collect();
    let cpu_threads = rayon::current_num_threads();
    let auto = match pollster::block_on(crate::Device::select("auto")) {
        Ok(device) => device.name(),
        Err(e) => format!("none: {e}"),
    };
    if args.json {
        let report = Report { auto, cpu_threads, adapters };
        crate::cli::print_json(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    println!("cpu\n  threads      {cpu_threads}");
    for a in &adapters {
        let mib = |bytes: u64| bytes >> 20;
        let software = if a.software { ", software: used only when named or for `gpu`" } else { "" };
        println!("{}", a.name);
        println!("  backend      {}, {}{software}", a.backend, a.kind);
        println!("  driver       {}", a.driver);
        println!("  has          {}", a.features.join(", "));
        println!("  lacks        {}", if a.missing.is_empty() { "nothing".into() } else { a.missing.join(", ") });
        let l = &a.limits;
        println!("  buffers      up to {} MiB, bound up to {} MiB", mib(l.buffer_bytes), mib(l.binding_bytes));
        println!(
            "  workgroups   up to {} threads with {} KiB and {} buffers",
            l.workgroup_threads,
            l.workgroup_bytes >> 10,
            l.storage_buffers
        );
    }
    if adapters.is_empty() {
        println!("no GPU adapter: no Vulkan, Metal or DX12 driver was found");
    }
    println!("--device auto takes {auto}");
    Ok(ExitCode::SUCCESS)
}

fn describe(adapter: &wgpu::Adapter) -> Adapter {
    let (info, has, limits) = (adapter.get_info(), adapter.features(), adapter.limits());
    let (features, missing): (Vec<_>, Vec<_>) = FEATURES.iter().partition(|(_, f)| has.contains(*f));
    let names = |list: Vec<&(&'static str, Features)>| list.into_iter().map(|f| f.0).collect();
    Adapter {
        software: is_software(&info),
        backend: format!("{:?}", info.backend),
        kind: format!("{:?}", info.device_type),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        name: info.name,
        features: names(features),
        missing: names(missing),
        limits: Limits {
            buffer_bytes: limits.max_buffer_size,
            binding_bytes: limits.max_storage_buffer_binding_size,
            workgroup_threads: limits.max_compute_invocations_per_workgroup,
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
        },
    }
}
