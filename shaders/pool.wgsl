// out[n, y, x] = mean or max of in[n, y*STRIDE + i, x*STRIDE + j], i and j = 0..SIZE
//
// in0, out: padded NHWC, four channels a load. LEN = vec4s of the output, H, W = its rows and columns, CV = vec4s of a
// pixel; IN_H, IN_W = the input's rows and columns. No padding: every window lies inside.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4 of the output.
#const LEN
#const H
#const W
#const IN_H
#const IN_W
#const CV
#const SIZE
#const STRIDE
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    let pixel = i / CV;
    let row = pixel / W;
    let first = (((row / H) * IN_H + (row % H) * STRIDE) * IN_W + (pixel % W) * STRIDE) * CV + i % CV;
    var v = in0[first];
    for (var k = 1u; k < SIZE * SIZE; k++) {
        let u = in0[first + ((k / SIZE) * IN_W + k % SIZE) * CV];
#if MAX
        // Written so that a NaN survives, as in PyTorch; WGSL's max may drop it.
        v = select(v, u, (u > v) | (u != u));
#else
        v += u;
#end
    }
#if MAX
    out[i] = v;
#else
    out[i] = v / f32(SIZE * SIZE);
#end
}
