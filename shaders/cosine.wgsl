// out = 1 - a.b / (max(|a|, EPSILON) * max(|b|, EPSILON)) over the channels of a pixel
//
// in0 = a, in1 = b: padded NHWC, four channels a load; the padding is zero in both. out: (N,H,W,1), one vec4 a pixel with the value
// in its first lane.
// LEN = pixels of all samples, CV = vec4s of an input pixel.
// Grid: ceil(LEN / 64) groups folded over x and y, one thread a pixel.
#const LEN
#const CV
#const EPSILON
@group(0) @binding($BIND_IN0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding($BIND_IN1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if (i >= LEN) { return; }
    var both = 0.0;
    var first = 0.0;
    var second = 0.0;
    for (var k = 0u; k < CV; k++) {
        let x = a[i * CV + k];
        let y = b[i * CV + k];
        both += dot(x, y);
        first += dot(x, x);
        second += dot(y, y);
    }
    let lengths = max(sqrt(first), EPSILON) * max(sqrt(second), EPSILON);
    out[i] = vec4<f32>(1.0 - both / lengths, 0.0, 0.0, 0.0);
}
