// dw[split][tap, ci][co] = sum over a split's output pixels p of x[p under the tap][ci] * dy[p][co]
//
// in0 x: (N,IN_H,IN_W,Cin), in1 dy: (N,OUT_H,OUT_W,Cout), padded NHWC. out: a split's 4*K4 rows of OUT_C4 vec4s, row
// k = tap*Cin + ci with Cin padded.
// Grid: (tiles, splits). A workgroup of 64 threads makes a tile of 4*ROWS4 rows and COLUMNS4 vec4s, a thread four rows of one:
//
//             COLUMNS4 vec4s of co            pixels of the split, DEPTH at a time: xs holds ROWS4 vec4s of rows for each,
//   4*ROWS4  | t00 t01 ... t07 |              ys COLUMNS4 vec4s of co
//   rows k   | t10 ...         |
#const K4
#const IN_H
#const IN_W
#const IN_C4
#const OUT_H
#const OUT_W
#const OUT_C4
#const KW
#const STRIDE
#const PAD_TOP
#const PAD_LEFT
#const PIXELS
#const PER_SPLIT
#const ROWS4
#const COLUMNS4
#const DEPTH
#const TILES_N
@group(0) @binding($BIND_IN0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding($BIND_IN1) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

var<workgroup> xs: array<vec4<f32>, DEPTH * ROWS4>;
var<workgroup> ys: array<vec4<f32>, DEPTH * COLUMNS4>;

// The vec4 of rows k4 at output pixel p; zero past the rows, the split's pixels and the input's edge.
fn load_x(k4: u32, p: u32, end: u32) -> vec4<f32> {
    if (k4 >= K4 || p >= end) { return vec4<f32>(0.0); }
    let tap = k4 / IN_C4;
    let row = p / OUT_W;
    // Unsigned differences below zero wrap to huge numbers and fail the comparison with the size.
    let iy = (row % OUT_H) * STRIDE + tap / KW - PAD_TOP;
    let ix = (p % OUT_W) * STRIDE + tap % KW - PAD_LEFT;
    if (iy >= IN_H || ix >= IN_W) { return vec4<f32>(0.0); }
    return x[(((row / OUT_H) * IN_H + iy) * IN_W + ix) * IN_C4 + k4 % IN_C4];
}
fn load_y(c4: u32, p: u32, end: u32) -> vec4<f32> {
    if (c4 >= OUT_C4 || p >= end) { return vec4<f32>(0.0); }
    return dy[p * OUT_C4 + c4];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let k4 = (wg.x / TILES_N) * ROWS4;
    let c4 = (wg.x % TILES_N) * COLUMNS4;
    let end = min((wg.y + 1u) * PER_SPLIT, PIXELS);
    let ty = thread / COLUMNS4;
    let tx = thread % COLUMNS4;
    var s0 = vec4<f32>(0.0);
    var s1 = vec4<f32>(0.0);
    var s2 = vec4<f32>(0.0);
    var s3 = vec4<f32>(0.0);
    for (var p = wg.y * PER_SPLIT; p < end; p += DEPTH) {
        for (var i = thread; i < DEPTH * ROWS4; i += 64u) { xs[i] = load_x(k4 + i % ROWS4, p + i / ROWS4, end); }
        for (var i = thread; i < DEPTH * COLUMNS4; i += 64u) { ys[i] = load_y(c4 + i % COLUMNS4, p + i / COLUMNS4, end); }
        workgroupBarrier();
        for (var j = 0u; j < DEPTH; j++) {
            let a = xs[j * ROWS4 + ty];
            let b = ys[j * COLUMNS4 + tx];
            s0 += a.x * b;
            s1 += a.y * b;
            s2 += a.z * b;
            s3 += a.w * b;
        }
        workgroupBarrier();
    }
    if (k4 + ty < K4 && c4 + tx < OUT_C4) {
        let at = (wg.y * K4 * 4u + (k4 + ty) * 4u) * OUT_C4 + c4 + tx;
        out[at] = s0;
        out[at + OUT_C4] = s1;
        out[at + 2u * OUT_C4] = s2;
        out[at + 3u * OUT_C4] = s3;
    }
}
