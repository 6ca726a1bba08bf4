// out = a + FACTOR * (max a / max b) * b, with the maxima of the sample, or with BATCH those of all samples; b counts nothing where its
// maximum is not above zero
//
// in0 = a, in1 = b, out: (N,H,W,1), one vec4 a pixel with the value in its first lane. in2, in3: mean, maximum and minimum of each
// sample of a and of b, one vec4 a sample.
// LEN = pixels of all samples, PIXELS = those of one, SAMPLES = N.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a pixel.
#const LEN
#const PIXELS
#const SAMPLES
#const FACTOR
@group(0) @binding($BIND_IN0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding($BIND_IN1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding($BIND_IN2) var<storage, read> of_a: array<vec4<f32>>;
@group(0) @binding($BIND_IN3) var<storage, read> of_b: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
#if BATCH
    var first = of_a[0].y;
    var second = of_b[0].y;
    for (var k = 1u; k < SAMPLES; k++) {
        first = max(first, of_a[k].y);
        second = max(second, of_b[k].y);
    }
#else
    let first = of_a[i / PIXELS].y;
    let second = of_b[i / PIXELS].y;
#end
    let scale = select(0.0, FACTOR * first / second, second > 0.0);
    out[i] = vec4<f32>(a[i].x + scale * b[i].x, 0.0, 0.0, 0.0);
}
