// out[n, y, x] = in[n, y/2, x/2]: twice the rows and columns, each value repeated
//
// in0, out: padded NHWC, four channels a load. LEN = vec4s of the output, W = its columns, CV = vec4s of a pixel.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4 of the output.
#const LEN
#const W
#const CV
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    let pixel = i / CV;
    let row = pixel / W;
    // The rows of all samples are numbered through; their count is even in every sample, so halving keeps them apart.
    out[i] = in0[((row / 2u) * (W / 2u) + (pixel % W) / 2u) * CV + i % CV];
}
