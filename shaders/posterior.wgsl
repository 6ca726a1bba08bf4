// MODE 0: out = clamp(v, -30, 20)
// MODE 1: out = exp(clamp(v, -30, 20) / 2)
// MODE 2: out = mean + exp(clamp(v, -30, 20) / 2) * noise
//
// in0: v, or in MODE 2 the mean, with in1 v and in2 the noise; all and out padded NHWC of one shape, four channels a load.
// LEN = vec4s of the output, CV = vec4s of a pixel, C_TAIL = channels in the last of them.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4.
#const LEN
#const CV
#const C_TAIL
#include lib/tail.wgsl
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<vec4<f32>>;
#if MODE == 2
@group(0) @binding($BIND_IN1) var<storage, read> in1: array<vec4<f32>>;
@group(0) @binding($BIND_IN2) var<storage, read> in2: array<vec4<f32>>;
#end
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
#if MODE == 2
    let v = clamp(in1[i], vec4<f32>(-30.0), vec4<f32>(20.0));
#else
    let v = clamp(in0[i], vec4<f32>(-30.0), vec4<f32>(20.0));
#end
#if MODE == 0
    var y = v;
#end
#if MODE == 1
    var y = exp(0.5 * v);
#end
#if MODE == 2
    var y = in0[i] + exp(0.5 * v) * in2[i];
#end
    // e to the power of the padding is 1, which must not stay.
    if (i % CV == CV - 1u) { y = keep_real(y); }
    out[i] = y;
}
