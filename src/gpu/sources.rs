//! The shader files, embedded in the binary where they are named.

/// A file under `shaders/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name, such as `pointwise.wgsl`.
    pub name: &'static str,
    /// Its text, before the preprocessor.
    pub text: &'static str,
}

/// The [`Source`] of a file under `shaders/`, which is embedded where it is named, so that no list of files is kept. A macro, because
/// `include_str!` takes nothing but a literal.
macro_rules! source {
    ($name:literal) => {
        $crate::gpu::Source { name: $name, text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $name)) }
    };
}
pub(crate) use source;

/// What several shaders share, by `#include`.
pub const LIB: [Source; 7] = [
    source!("lib/activation.wgsl"),
    source!("lib/philox.wgsl"),
    source!("lib/reduce.wgsl"),
    source!("lib/sincos.wgsl"),
    source!("lib/step.wgsl"),
    source!("lib/tail.wgsl"),
    source!("lib/wide.wgsl"),
];

/// Multiply-adds in registers: what a device computes at most.
pub const BENCH_FMA: Source = source!("bench_fma.wgsl");

/// A copy: what a device reads and writes at most.
pub const BENCH_COPY: Source = source!("bench_copy.wgsl");
