// out[n, y, x] = mean or max of in[n, y*STRIDE + i - PAD, x*STRIDE + j - PAD], i = 0..ROWS, j = 0..COLUMNS
//
// in0, out: padded NHWC, four channels a load. LEN = vec4s of the output, H, W = its rows and columns, CV = vec4s of a
// pixel; IN_H, IN_W = the input's rows and columns. PADDED: windows may reach outside, where nothing wins a maximum and a
// mean counts zeros.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4 of the output.
#const LEN
#const H
#const W
#const IN_H
#const IN_W
#const CV
#const ROWS
#const COLUMNS
#const STRIDE
#const PAD
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    let pixel = i / CV;
    let row = pixel / W;
    let sample = (row / H) * IN_H;
    // Window coordinates are shifted by PAD, so that they stay unsigned.
    let top = (row % H) * STRIDE;
    let left = (pixel % W) * STRIDE;
#if MAX
    // Any value of the window will do to begin with: here the first one that is no padding.
    var v = in0[((sample + max(top, PAD) - PAD) * IN_W + max(left, PAD) - PAD) * CV + i % CV];
#else
    var v = vec4<f32>(0.0);
#end
    for (var k = 0u; k < ROWS * COLUMNS; k++) {
        let y = top + k / COLUMNS;
        let x = left + k % COLUMNS;
#if PADDED
        if (y < PAD || x < PAD || y >= IN_H + PAD || x >= IN_W + PAD) { continue; }
#end
        let u = in0[((sample + y - PAD) * IN_W + x - PAD) * CV + i % CV];
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
    out[i] = v / f32(ROWS * COLUMNS);
#end
}
