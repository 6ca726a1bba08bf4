// y = act(a*x + b), (a, b) belonging to the sample and the channel
//
// in0, out: padded NHWC, four channels a load. in1: (N,1,2,C), the row of a, then the row of b.
// LEN = vec4s of the output, PER_SAMPLE = vec4s of a sample, CV = vec4s of a pixel, C_TAIL = real channels of the last.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4.
#const LEN
#const PER_SAMPLE
#const CV
#const C_TAIL
#include lib/activation.wgsl
#include lib/tail.wgsl
@group(0) @binding($BIND_IN0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding($BIND_IN1) var<storage, read> ab: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    let row = (i / PER_SAMPLE) * 2u * CV + i % CV;
    var v = act(ab[row] * x[i] + ab[row + CV]);
    if (i % CV == CV - 1u) { v = keep_real(v); }
    out[i] = v;
}
