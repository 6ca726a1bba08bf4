// t of every row, uniform over 0..STEPS: the high word of STEPS * w, w being Philox's first word at the counter (row, draw,
// STREAM, 0).
//
// out: (B,1,1,1), a vec4 a row. Grid: ceil(B / 256) groups folded over x and y, one thread a row.
#include lib/step.wgsl
#include lib/philox.wgsl
#const B
#const STEPS
#const STREAM
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= B) { return; }
    let w = philox(vec4<u32>(i, step.draw, STREAM, 0u), vec2<u32>(step.seed_lo, step.seed_hi));
    out[i] = vec4<f32>(f32(mul_wide(STEPS, w.x).x), 0.0, 0.0, 0.0);
}
