// slice number `draw` of out = in0; out holds SLOTS slices one after the other, and the others stay as they are
//
// in0: LEN vec4s. out: SLOTS times LEN. Draws past the end begin again with the first slice.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4.
#include lib/step.wgsl
#const LEN
#const SLOTS
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    out[step.draw % SLOTS * LEN + i] = in0[i];
}
