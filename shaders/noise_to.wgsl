// out = signal*x0 + noise*e: an image brought to level t (DDPM eq. 4).
//
// in0: x0, padded NHWC, four channels a load. in1: e, of the same shape, or of one sample that all share (E_LEN vec4s).
// out: as in0. LEN = vec4s of the output, CV = vec4s of a pixel, C_TAIL = channels in the last vec4; the rest stays zero.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4.
#include lib/step.wgsl
#const LEN
#const E_LEN
#const CV
#const C_TAIL
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding($BIND_IN1) var<storage, read> in1: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    var v = step.signal * in0[i] + step.noise * in1[i % E_LEN];
    if (i % CV == CV - 1u) { v = select(vec4<f32>(0.0), v, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(C_TAIL)); }
    out[i] = v;
}
