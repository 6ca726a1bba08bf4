// dx = a dz + q xhat + p,  dz = dy act'(a x + b), xhat = r x + m
//
// in0 dy, in1 x, out dx: padded NHWC, four channels a load. in2 of (a, b), in3 of (r, m) = (rstd, -mean rstd), in4 of (q, p), each
// (N,1,2,C) with zeros in the padding: the row of the first, then the row of the second.
// LEN = vec4s of the output, PER_SAMPLE = vec4s of a sample, CV = vec4s of a pixel.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4.
#const LEN
#const PER_SAMPLE
#const CV
#include lib/slope.wgsl
@group(0) @binding($BIND_IN0) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding($BIND_IN1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding($BIND_IN2) var<storage, read> ab: array<vec4<f32>>;
@group(0) @binding($BIND_IN3) var<storage, read> plain: array<vec4<f32>>;
@group(0) @binding($BIND_IN4) var<storage, read> qp: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    let row = (i / PER_SAMPLE) * 2u * CV + i % CV;
    let a = ab[row];
    dx[i] = a * dy[i] * slope(a * x[i] + ab[row + CV]) + (qp[row] * (plain[row] * x[i] + plain[row + CV]) + qp[row + CV]);
}
