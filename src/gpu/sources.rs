//! The shader files, embedded in the binary.

/// Every file under `shaders/`, by name.
pub const FILES: &[(&str, &str)] = &[
    ("accumulate.wgsl", include_str!("../../shaders/accumulate.wgsl")),
    ("act_gradient.wgsl", include_str!("../../shaders/act_gradient.wgsl")),
    ("adam.wgsl", include_str!("../../shaders/adam.wgsl")),
    ("affine.wgsl", include_str!("../../shaders/affine.wgsl")),
    ("attention.wgsl", include_str!("../../shaders/attention.wgsl")),
    ("batch_norm.wgsl", include_str!("../../shaders/batch_norm.wgsl")),
    ("bench_copy.wgsl", include_str!("../../shaders/bench_copy.wgsl")),
    ("bench_fma.wgsl", include_str!("../../shaders/bench_fma.wgsl")),
    ("blur.wgsl", include_str!("../../shaders/blur.wgsl")),
    ("concat.wgsl", include_str!("../../shaders/concat.wgsl")),
    ("conv.wgsl", include_str!("../../shaders/conv.wgsl")),
    ("conv_transpose.wgsl", include_str!("../../shaders/conv_transpose.wgsl")),
    ("dense.wgsl", include_str!("../../shaders/dense.wgsl")),
    ("diffuse.wgsl", include_str!("../../shaders/diffuse.wgsl")),
    ("dropout.wgsl", include_str!("../../shaders/dropout.wgsl")),
    ("embedding.wgsl", include_str!("../../shaders/embedding.wgsl")),
    ("gather.wgsl", include_str!("../../shaders/gather.wgsl")),
    ("gaussian.wgsl", include_str!("../../shaders/gaussian.wgsl")),
    ("given.wgsl", include_str!("../../shaders/given.wgsl")),
    ("groupnorm_stats.wgsl", include_str!("../../shaders/groupnorm_stats.wgsl")),
    ("lib/activation.wgsl", include_str!("../../shaders/lib/activation.wgsl")),
    ("lib/philox.wgsl", include_str!("../../shaders/lib/philox.wgsl")),
    ("lib/reduce.wgsl", include_str!("../../shaders/lib/reduce.wgsl")),
    ("lib/sincos.wgsl", include_str!("../../shaders/lib/sincos.wgsl")),
    ("lib/step.wgsl", include_str!("../../shaders/lib/step.wgsl")),
    ("lib/tail.wgsl", include_str!("../../shaders/lib/tail.wgsl")),
    ("lib/wide.wgsl", include_str!("../../shaders/lib/wide.wgsl")),
    ("linear.wgsl", include_str!("../../shaders/linear.wgsl")),
    ("loss.wgsl", include_str!("../../shaders/loss.wgsl")),
    ("neighbours.wgsl", include_str!("../../shaders/neighbours.wgsl")),
    ("noise_to.wgsl", include_str!("../../shaders/noise_to.wgsl")),
    ("patches.wgsl", include_str!("../../shaders/patches.wgsl")),
    ("pointwise.wgsl", include_str!("../../shaders/pointwise.wgsl")),
    ("pool.wgsl", include_str!("../../shaders/pool.wgsl")),
    ("reduce.wgsl", include_str!("../../shaders/reduce.wgsl")),
    ("resample.wgsl", include_str!("../../shaders/resample.wgsl")),
    ("residual.wgsl", include_str!("../../shaders/residual.wgsl")),
    ("sampler_step.wgsl", include_str!("../../shaders/sampler_step.wgsl")),
    ("simplex.wgsl", include_str!("../../shaders/simplex.wgsl")),
    ("texture_in.wgsl", include_str!("../../shaders/texture_in.wgsl")),
    ("texture_out.wgsl", include_str!("../../shaders/texture_out.wgsl")),
    ("times.wgsl", include_str!("../../shaders/times.wgsl")),
    ("winograd_input.wgsl", include_str!("../../shaders/winograd_input.wgsl")),
    ("winograd_output.wgsl", include_str!("../../shaders/winograd_output.wgsl")),
];

/// The text of a file under `shaders/`.
pub fn find(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}
