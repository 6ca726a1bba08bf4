// y = x / (1 - p) where a random 16-bit number is below KEEP = 65536 (1 - p), else 0; the mask is the same for the same seed,
// draw and STREAM, so that the gradient passes through the same op. A vec4 takes two of the four words of Philox at the counter
// (i / 2, draw, STREAM, 0), i being its place: low half first.
//
// in0 x, out y: LEN vec4s. Grid: ceil(LEN / 512) groups folded over x and y, one thread two vec4s.
#include lib/step.wgsl
#include lib/philox.wgsl
#const LEN
#const KEEP
#const SCALE
#const STREAM
@group(0) @binding($BIND_IN0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (2u * i >= LEN) { return; }
    let w = philox(vec4<u32>(i, step.draw, STREAM, 0u), vec2<u32>(step.seed_lo, step.seed_hi));
    let low = w & vec4<u32>(65535u);
    let high = w >> vec4<u32>(16u);
    let zero = vec4<f32>(0.0);
    y[2u * i] = select(zero, SCALE * x[2u * i], vec4<u32>(low.x, high.x, low.y, high.y) < vec4<u32>(KEEP));
    if (2u * i + 1u >= LEN) { return; }
    y[2u * i + 1u] = select(zero, SCALE * x[2u * i + 1u], vec4<u32>(low.z, high.z, low.w, high.w) < vec4<u32>(KEEP));
}
