// dL/dx = dL/dy act'(x)
//
// in0 dL/dy, in1 x, out: LEN vec4s. Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4.
#const LEN
#include lib/slope.wgsl
@group(0) @binding($BIND_IN0) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding($BIND_IN1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    dx[i] = dy[i] * slope(x[i]);
}
