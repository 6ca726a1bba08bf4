// out = (x - min) / (max - min), minimum and maximum over the pixels of one channel of one sample; 0 where they are the same
//
// in0, out: padded NHWC, four channels a load; padding is one value and so stays 0.
// GROUPS = samples times CV, CV = vec4s of a pixel, PIXELS = pixels of a sample.
// Grid: GROUPS workgroups of 256 threads folded over x and y, one for four channels of one sample:
//   sample n   [ c0..3 | c4..7 | .. ]  <- group n*CV + k has the k-th four of all its pixels
#const GROUPS
#const PIXELS
#const CV
const WG: u32 = 256u;
#include lib/reduce.wgsl
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

fn top_of(v: vec4<f32>, thread: u32) -> vec4<f32> {
    return vec4<f32>(group_max(v.x, thread), group_max(v.y, thread), group_max(v.z, thread), group_max(v.w, thread));
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let group = wg.y * groups.x + wg.x;
    if (group >= GROUPS) { return; }
    let first = group / CV * PIXELS * CV + group % CV;
    // The first pixel stands in for those that a thread does not have.
    var high = in0[first];
    var low = high;
    for (var i = thread; i < PIXELS; i += WG) {
        let v = in0[first + i * CV];
        high = max(high, v);
        low = min(low, v);
    }
    let top = top_of(high, thread);
    let bottom = -top_of(-low, thread);
    let span = top - bottom;
    let scale = select(vec4<f32>(0.0), vec4<f32>(1.0) / span, span > vec4<f32>(0.0));
    for (var i = thread; i < PIXELS; i += WG) {
        out[first + i * CV] = (in0[first + i * CV] - bottom) * scale;
    }
}
