// Row i of the output = row order[(draw * B + i) mod ROWS] of a table: minibatch number `draw` of an epoch, the last one filled
// up from the epoch's beginning.
//
// in0 table: (ROWS,1,1,C), CV vec4s a row. in1 order: (1,1,1,ROWS), row numbers as floats. out: (B,1,1,C).
// Grid: ceil(B * CV / 256) groups folded over x and y, one thread a vec4.
#include lib/step.wgsl
#const B
#const CV
#const ROWS
@group(0) @binding($BIND_IN0) var<storage, read> rows: array<vec4<f32>>;
@group(0) @binding($BIND_IN1) var<storage, read> order: array<f32>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= B * CV) { return; }
    let row = min(u32(order[(step.draw * B + i / CV) % ROWS]), ROWS - 1u);
    out[i] = rows[row * CV + i % CV];
}
