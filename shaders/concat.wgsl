// out[n, y, x] = [a[n, y, x], b[n, y, x]] along the channels
//
// in0 = a, in1 = b, out: padded NHWC. C_A, C_B = real channels; A_CV, B_CV, CV = vec4s of a pixel of a, b and out.
// ALIGNED: C_A is a multiple of four, so that whole vec4s are copied; else a vec4 is gathered lane by lane.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4 of the output.
#const LEN
#const CV
#const A_CV
#const B_CV
#const C_A
#const C_B
#if ALIGNED
@group(0) @binding($BIND_IN0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding($BIND_IN1) var<storage, read> b: array<vec4<f32>>;
#else
@group(0) @binding($BIND_IN0) var<storage, read> a: array<f32>;
@group(0) @binding($BIND_IN1) var<storage, read> b: array<f32>;

fn channel(pixel: u32, c: u32) -> f32 {
    if (c < C_A) { return a[pixel * A_CV * 4u + c]; }
    if (c < C_A + C_B) { return b[pixel * B_CV * 4u + c - C_A]; }
    return 0.0;
}
#end
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    let pixel = i / CV;
    let cv = i % CV;
#if ALIGNED
    if (cv < A_CV) {
        out[i] = a[pixel * A_CV + cv];
    } else {
        out[i] = b[pixel * B_CV + cv - A_CV];
    }
#else
    let c = cv * 4u;
    out[i] = vec4<f32>(channel(pixel, c), channel(pixel, c + 1u), channel(pixel, c + 2u), channel(pixel, c + 3u));
#end
}
