// MODE 0: out = 1 where a value of in0 above THRESHOLD is at most GROW steps away along rows and columns, otherwise 0
// MODE 1: out = m * a + (1 - m) * b, with one m for all channels of a pixel
//
// MODE 0: in0, out: (N,HEIGHT,WIDTH,1), a vec4 a pixel, of which the first number counts. LEN = pixels.
// MODE 1: in0: m, (N,H,W,1), a vec4 a pixel; in1: a, in2: b, out: padded NHWC, four channels a load. LEN = vec4s of the output,
//         CV = vec4s of a pixel; padding is 0 in a and b and so stays 0.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4. What a pixel of MODE 0 looks at with GROW = 2:
//         .
//       . . .
//     . . x . .
//       . . .
//         .
#const LEN
#if MODE == 0
#const HEIGHT
#const WIDTH
#const GROW
#const THRESHOLD
#else
#const CV
#end
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<vec4<f32>>;
#if MODE == 1
@group(0) @binding($BIND_IN1) var<storage, read> in1: array<vec4<f32>>;
@group(0) @binding($BIND_IN2) var<storage, read> in2: array<vec4<f32>>;
#end
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
#if MODE == 0
    let row = i / WIDTH % HEIGHT;
    let column = i % WIDTH;
    // The first pixel of the sample.
    let first = i - row * WIDTH - column;
    var found = 0.0;
    for (var y = row - min(row, GROW); y <= min(row + GROW, HEIGHT - 1u); y++) {
        let rest = GROW - (max(y, row) - min(y, row));
        for (var x = column - min(column, rest); x <= min(column + rest, WIDTH - 1u); x++) {
            if (in0[first + y * WIDTH + x].x > THRESHOLD) { found = 1.0; }
        }
    }
    out[i] = vec4<f32>(found, 0.0, 0.0, 0.0);
#else
    let m = in0[i / CV].x;
    out[i] = m * in1[i] + (1.0 - m) * in2[i];
#end
}
