// out[n, part] = (sum of dz xhat, sum of dz) over a part's pixels, for each channel
// dz = dy act'(a x + b), xhat = r x + m; (a, b) and (r, m) = (rstd, -mean rstd) belong to the sample and the channel.
//
// in0 dy, in1 x: padded NHWC. in2: (N,1,2,C) of a and b. in3: (N,1,2,C) of r and m. out: (N,PARTS,2,C).
// CV = vec4s of a pixel, PIXELS = pixels of a sample, PER_PART = of a part.
// Grid: (ceil(CV / 4), PARTS, N). A workgroup of 256 threads sums four vec4s of channels over a part:
//
//   thread = 4 lane + v        vec4 4 wg.x + v, pixels lane, lane + 64, ...; then the 64 lanes are added as a tree
#const CV
#const PIXELS
#const PER_PART
#const PARTS
#include lib/slope.wgsl
@group(0) @binding($BIND_IN0) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding($BIND_IN1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding($BIND_IN2) var<storage, read> ab: array<vec4<f32>>;
@group(0) @binding($BIND_IN3) var<storage, read> plain: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

var<workgroup> along: array<vec4<f32>, 256>;
var<workgroup> alone: array<vec4<f32>, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let c = wg.x * 4u + thread % 4u;
    var sum_along = vec4<f32>(0.0);
    var sum_alone = vec4<f32>(0.0);
    if (c < CV) {
        let row = wg.z * 2u * CV + c;
        let a = ab[row];
        let b = ab[row + CV];
        let r = plain[row];
        let m = plain[row + CV];
        let end = min((wg.y + 1u) * PER_PART, PIXELS);
        for (var p = wg.y * PER_PART + thread / 4u; p < end; p += 64u) {
            let at = (wg.z * PIXELS + p) * CV + c;
            let v = x[at];
            let dz = dy[at] * slope(a * v + b);
            sum_along += dz * (r * v + m);
            sum_alone += dz;
        }
    }
    along[thread] = sum_along;
    alone[thread] = sum_alone;
    workgroupBarrier();
    for (var s = 128u; s >= 4u; s >>= 1u) {
        if (thread < s) {
            along[thread] += along[thread + s];
            alone[thread] += alone[thread + s];
        }
        workgroupBarrier();
    }
    if (thread < 4u && c < CV) {
        let to = (wg.z * PARTS + wg.y) * 2u * CV + c;
        out[to] = along[thread];
        out[to + CV] = alone[thread];
    }
}
