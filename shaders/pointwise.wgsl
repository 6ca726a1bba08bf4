// y = alpha*act(a) + beta  (MODE 0: one input)
// y = a + b                (MODE 1: b of the same shape; MODE 2: b is (N,1,1,C), added to every pixel)
//
// in0, in1, out: padded NHWC, four channels a load. LEN = vec4s of the output, PER_SAMPLE = vec4s of one
// sample, CV = vec4s of a pixel. C_TAIL = channels in the last vec4; the rest of it stays zero.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4.
#if ACT
#include lib/activation.wgsl
#end
#const LEN
#const PER_SAMPLE
#const CV
#const C_TAIL
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<vec4<f32>>;
#if MODE
@group(0) @binding($BIND_IN1) var<storage, read> in1: array<vec4<f32>>;
#end
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    var v = in0[i];
#if MODE == 0
    v = $ALPHA * act(v) + $BETA;
#end
#if MODE == 1
    v += in1[i];
#end
#if MODE == 2
    v += in1[(i / PER_SAMPLE) * CV + i % CV];
#end
    if (i % CV == CV - 1u) { v = select(vec4<f32>(0.0), v, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(C_TAIL)); }
    out[i] = v;
}
