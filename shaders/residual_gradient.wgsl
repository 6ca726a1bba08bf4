// out = dy * f'(a - b) / C; f' is that of residual.wgsl: 2d, sign(d), 1 above 0 or -1 below it (KIND), and 0 at 0
//
// in0 = dy: one vec4 a pixel with the value in its first lane. in1 = a (image), in2 = b (reconstruction): padded NHWC, four
// channels a load; the padding is zero in both, so d = 0 there. out: as in1.
// LEN = vec4s of the output, CV = vec4s of a pixel, C = real channels.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4 of the output.
#const LEN
#const CV
#const C
@group(0) @binding($BIND_IN0) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding($BIND_IN1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding($BIND_IN2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

fn squared(d: vec4<f32>) -> vec4<f32> { return d + d; }
fn absolute(d: vec4<f32>) -> vec4<f32> { return sign(d); }
fn positive(d: vec4<f32>) -> vec4<f32> { return max(sign(d), vec4<f32>(0.0)); }
fn negative(d: vec4<f32>) -> vec4<f32> { return min(sign(d), vec4<f32>(0.0)); }

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    out[i] = dy[i / CV].x / f32(C) * $KIND(a[i] - b[i]);
}
