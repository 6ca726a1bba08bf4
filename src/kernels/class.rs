//! Which GPU it is: what the choice of tiles rests on.

/// A family of GPUs that want the same tiles. Each is a row of the tables in [`super::conv::Tile`] and [`super::attention::Tile`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Class {
    /// RDNA and GCN.
    Amd,
    /// From Turing on.
    Nvidia,
    /// Xe.
    Intel,
    /// Apple's own.
    Apple,
    /// An adapter that computes on the processor (lavapipe, WARP, SwiftShader).
    Software,
    /// Any other, and a browser that does not say: no more than what WebGPU promises.
    #[default]
    WebGpu,
}

/// The classes that are chosen by name.
pub const NAMED: [(&str, Class); 5] = [
    ("amd", Class::Amd),
    ("nvidia", Class::Nvidia),
    ("intel", Class::Intel),
    ("apple", Class::Apple),
    ("webgpu", Class::WebGpu),
];

/// What a graph is lowered for: a class and what one workgroup may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The family.
    pub class: Class,
    /// Shared memory of a workgroup, bytes.
    pub shared: usize,
}

/// WebGPU's promise: 16 KiB of shared memory, 256 threads a workgroup, no subgroups.
impl Default for Target {
    fn default() -> Self {
        Target { class: Class::WebGpu, shared: 16 << 10 }
    }
}

/// More shared memory than this no kernel asks for.
pub const SHARED: usize = 64 << 10;

impl Target {
    /// A class with as much shared memory as its drivers give a workgroup under Vulkan or Metal.
    pub fn of(class: Class) -> Target {
        let shared = match class {
            Class::Amd | Class::Intel => 64 << 10,
            Class::Nvidia => 48 << 10,
            Class::Apple => 32 << 10,
            Class::WebGpu | Class::Software => return Target { class, ..Target::default() },
        };
        Target { class, shared }
    }
    /// The target that an adapter is, when its device was opened with `limits`.
    pub fn adapter(info: &wgpu::AdapterInfo, limits: &wgpu::Limits) -> Target {
        let shared = (limits.max_compute_workgroup_storage_size as usize).min(SHARED);
        Target { class: class(info), shared }
    }
}

fn class(info: &wgpu::AdapterInfo) -> Class {
    // The ids of the PCI special interest group. Metal does not tell any, and also runs AMD's and Intel's GPUs.
    match info.vendor {
        _ if info.device_type == wgpu::DeviceType::Cpu => Class::Software,
        0x1002 => Class::Amd,
        0x10de => Class::Nvidia,
        0x8086 => Class::Intel,
        0x106b => Class::Apple,
        _ if info.backend == wgpu::Backend::Metal => match info.name.split(' ').next() {
            Some("Apple") => Class::Apple,
            Some("AMD") => Class::Amd,
            Some("Intel" | "Intel(R)") => Class::Intel,
            _ => Class::WebGpu,
        },
        _ => Class::WebGpu,
    }
}
