// out[p] = sum over j < count[p] of weight[p][j] * in[first[p] + j], along one axis of the image
//
// in0, out: padded NHWC, four channels a load. w0: a line of LINE numbers for each of the OUTPUTS pixels along the axis of the
// output: first, count, weights.
// LEN = vec4s of the output, INPUTS and OUTPUTS = pixels along the axis before and after, STEP = vec4s from one of them to the next.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4 of the output.
//
//   in   . . a b c d . .        p takes count[p] pixels from first[p] on, here 4
//            \ | | /
//   out  . .   p   . .
#const LEN
#const INPUTS
#const OUTPUTS
#const STEP
#const LINE
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding($BIND_W0) var<storage, read> table: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    let line = (i / STEP) % OUTPUTS * LINE;
    let start = (i / (STEP * OUTPUTS) * INPUTS + u32(table[line])) * STEP + i % STEP;
    let count = u32(table[line + 1u]);
    var sum = vec4<f32>(0.0);
    for (var j = 0u; j < count; j++) { sum += table[line + 2u + j] * in0[start + j * STEP]; }
    out[i] = sum;
}
