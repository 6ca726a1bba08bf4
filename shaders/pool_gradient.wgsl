// dx[n, y, x] = the share of in[n, y, x] in every window that holds it: of a mean, dy / (ROWS*COLUMNS); of a maximum, dy where it
// is the first of the largest values, or the last NaN
//
// in0 dy: (N,H,W,C), in1 x (for MAX) and out: (N,IN_H,IN_W,C), padded NHWC, four channels a load. LEN = vec4s of the output, CV =
// vec4s of a pixel. Window (oy, ox) begins at row oy*STRIDE - PAD and column ox*STRIDE - PAD.
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
@group(0) @binding($BIND_IN0) var<storage, read> dy: array<vec4<f32>>;
#if MAX
@group(0) @binding($BIND_IN1) var<storage, read> in1: array<vec4<f32>>;
#end
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

#if MAX
// The place in window (top, left) of the value that it gave, for four channels. Coordinates are shifted by PAD, so that they stay
// unsigned.
fn place(sample: u32, top: u32, left: u32, c: u32) -> vec4<u32> {
    let first_y = max(top, PAD);
    let first_x = max(left, PAD);
    var v = in1[((sample * IN_H + first_y - PAD) * IN_W + first_x - PAD) * CV + c];
    var at = vec4<u32>((first_y - top) * COLUMNS + first_x - left);
    for (var y = first_y; y < min(top + ROWS, IN_H + PAD); y++) {
        for (var x = first_x; x < min(left + COLUMNS, IN_W + PAD); x++) {
            let u = in1[((sample * IN_H + y - PAD) * IN_W + x - PAD) * CV + c];
            let wins = (u > v) | (u != u);
            v = select(v, u, wins);
            at = select(at, vec4<u32>((y - top) * COLUMNS + x - left), wins);
        }
    }
    return at;
}
#end

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    let pixel = i / CV;
    let sample = pixel / (IN_H * IN_W);
    let y = pixel / IN_W % IN_H + PAD;
    let x = pixel % IN_W + PAD;
    var sum = vec4<f32>(0.0);
    for (var oy = (max(y + 1u, ROWS) - ROWS + STRIDE - 1u) / STRIDE; oy < min(y / STRIDE + 1u, H); oy++) {
        for (var ox = (max(x + 1u, COLUMNS) - COLUMNS + STRIDE - 1u) / STRIDE; ox < min(x / STRIDE + 1u, W); ox++) {
            let d = dy[((sample * H + oy) * W + ox) * CV + i % CV];
#if MAX
            let own = (y - oy * STRIDE) * COLUMNS + x - ox * STRIDE;
            let wins = place(sample, oy * STRIDE, ox * STRIDE, i % CV) == vec4<u32>(own);
            sum += select(vec4<f32>(0.0), d, wins);
#else
            sum += d;
#end
        }
    }
#if MAX
    out[i] = sum;
#else
    out[i] = sum / f32(ROWS * COLUMNS);
#end
}
