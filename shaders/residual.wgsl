// out = mean over the channels of f(d), d = a - b; f(d) = d*d, |d|, max(d, 0) or max(-d, 0) (KIND)
//
// in0 = a (image), in1 = b (reconstruction): padded NHWC, four channels a load; the padding is zero in both, so d = 0
// there and f(0) = 0. out: (N,H,W,1), one vec4 a pixel with the value in its first lane.
// LEN = pixels of all samples, CV = vec4s of an input pixel, C = real channels.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a pixel.
#const LEN
#const CV
#const C
@group(0) @binding($BIND_IN0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding($BIND_IN1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

fn squared(d: vec4<f32>) -> vec4<f32> { return d * d; }
fn absolute(d: vec4<f32>) -> vec4<f32> { return abs(d); }
fn positive(d: vec4<f32>) -> vec4<f32> { return max(d, vec4<f32>(0.0)); }
fn negative(d: vec4<f32>) -> vec4<f32> { return max(-d, vec4<f32>(0.0)); }

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    var sum = vec4<f32>(0.0);
    for (var k = 0u; k < CV; k++) { sum += $KIND(a[i * CV + k] - b[i * CV + k]); }
    out[i] = vec4<f32>(dot(sum, vec4<f32>(1.0)) / f32(C), 0.0, 0.0, 0.0);
}
