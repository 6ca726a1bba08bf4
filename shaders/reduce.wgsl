// out[n] = (mean, max, min) over the pixels and real channels of sample n
//
// in0: padded NHWC, four channels a load. out: (N,1,1,3), one vec4 a sample, its last lane zero.
// PER_SAMPLE = vec4s of a sample, CV = vec4s of a pixel, C_TAIL = real channels of the last, COUNT = values of a sample.
// Grid: (N, 1, 1) folded over x and y, one workgroup of 256 threads a sample.
#const SAMPLES
#const PER_SAMPLE
#const CV
#const C_TAIL
#const COUNT
const WG: u32 = 256u;
#include lib/reduce.wgsl
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let n = wg.y * groups.x + wg.x;
    if (n >= SAMPLES) { return; }
    var sum = vec4<f32>(0.0);
    // The first real value, which every sample has, stands in for the padding.
    let first = vec4<f32>(in0[n * PER_SAMPLE].x);
    var top = first;
    var low = first;
    for (var i = thread; i < PER_SAMPLE; i += WG) {
        let v = in0[n * PER_SAMPLE + i];
        let real = (vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(C_TAIL)) | vec4<bool>(i % CV != CV - 1u);
        let u = select(first, v, real);
        sum += v;
        top = max(top, u);
        low = min(low, u);
    }
    let mean = group_sum((sum.x + sum.y) + (sum.z + sum.w), thread) / f32(COUNT);
    let high = group_max(max(max(top.x, top.y), max(top.z, top.w)), thread);
    let bottom = -group_max(-min(min(low.x, low.y), min(low.z, low.w)), thread);
    if (thread == 0u) { out[n] = vec4<f32>(mean, high, bottom, 0.0); }
}
