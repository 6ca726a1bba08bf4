// out[n, j, c] = in0[n, FROM + j, c] + w0[j, c], pixels of a sample counted row by row; zero for a pixel that in0 does not have
//
// in0, out: padded NHWC. IN_PIXELS, PIXELS = pixels of a sample in and out; CV = vec4s of a pixel.
// w0 (TABLE): one row of CV vec4s for each output pixel, the same for all samples.
//
//   FROM = -1:  in0  [0 1 2 3]      FROM = 1:  in0  [0 1 2 3]
//               out  [. 0 1 2 3]               out  [1 2 3]
//
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4 of the output.
#const LEN
#const CV
#const IN_PIXELS
#const PIXELS
@group(0) @binding($BIND_IN0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;
#if TABLE
@group(0) @binding($BIND_W0) var<storage, read> table: array<vec4<f32>>;
#end

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    let sample = i / (PIXELS * CV);
    let inside = i % (PIXELS * CV);
    let source = i32(inside / CV) + ($FROM);
    var v = vec4<f32>(0.0);
    if (source >= 0 && source < i32(IN_PIXELS)) { v = x[(sample * IN_PIXELS + u32(source)) * CV + i % CV]; }
#if TABLE
    v += table[inside];
#end
    out[i] = v;
}
