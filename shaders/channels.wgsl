// out[n, y, x, j] = in0[n, y, x, FROM + j], zero where there is no such channel
//
// in0, out: padded NHWC. C_IN, C_OUT = real channels; IN_CV, CV = vec4s of a pixel.
// ALIGNED: FROM is a multiple of four and no vec4 ends before the input's channels do, so that whole vec4s are copied; else a
// vec4 is gathered lane by lane.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4 of the output.
#const LEN
#const CV
#const IN_CV
#const C_IN
#const C_OUT
#if ALIGNED
@group(0) @binding($BIND_IN0) var<storage, read> x: array<vec4<f32>>;
#else
@group(0) @binding($BIND_IN0) var<storage, read> x: array<f32>;

fn channel(pixel: u32, j: u32) -> f32 {
    let c = i32(j) + ($FROM);
    if (j < C_OUT && c >= 0 && c < i32(C_IN)) { return x[pixel * IN_CV * 4u + u32(c)]; }
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
    let source = i32(cv) + ($FROM_V);
    var v = vec4<f32>(0.0);
    if (source >= 0 && source < i32(IN_CV)) { v = x[pixel * IN_CV + u32(source)]; }
    out[i] = v;
#else
    let c = cv * 4u;
    out[i] = vec4<f32>(channel(pixel, c), channel(pixel, c + 1u), channel(pixel, c + 2u), channel(pixel, c + 3u));
#end
}
