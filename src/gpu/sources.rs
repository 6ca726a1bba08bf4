//! The shader files, embedded in the binary where they are named.

/// A file under `shaders/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShaderFile {
    /// Its name, such as `pointwise.wgsl`.
    pub name: &'static str,
    /// Its text, before the preprocessor.
    pub text: &'static str,
}

/// The [`ShaderFile`] of a file under `shaders/`, which is embedded where it is named, so that no list of files is kept. A macro,
/// because `include_str!` takes nothing but a literal.
macro_rules! shader_file {
    ($name:literal) => {
        $crate::gpu::ShaderFile {
            name: $name,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $name)),
        }
    };
}
pub(crate) use shader_file;

/// What several shaders share, by `#include`.
pub const LIB: [ShaderFile; 11] = [
    shader_file!("lib/activation.wgsl"),
    shader_file!("lib/attention_tile.wgsl"),
    shader_file!("lib/bilinear.wgsl"),
    shader_file!("lib/philox.wgsl"),
    shader_file!("lib/reduce.wgsl"),
    shader_file!("lib/sincos.wgsl"),
    shader_file!("lib/slope.wgsl"),
    shader_file!("lib/step.wgsl"),
    shader_file!("lib/tail.wgsl"),
    shader_file!("lib/texel.wgsl"),
    shader_file!("lib/wide.wgsl"),
];

/// Multiply-adds in registers: what a device computes at most.
pub const BENCH_FMA: ShaderFile = shader_file!("bench_fma.wgsl");

/// A copy: what a device reads and writes at most.
pub const BENCH_COPY: ShaderFile = shader_file!("bench_copy.wgsl");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shared_file_is_listed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/lib");
        let files = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
        let mut files: Vec<String> = files.map(|name| format!("lib/{name}")).collect();
        files.sort();
        assert_eq!(LIB.map(|f| f.name.to_owned()).to_vec(), files);
    }
}
