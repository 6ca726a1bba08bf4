// The memory ceiling: out[i] = x[i], a vec4 a thread.
//
// binding 0: x; binding 1: out, both $LEN vec4s. grid: ceil($LEN/256) workgroups, folded over x and y.
#const LEN
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let i = (wg.y * groups.x + wg.x) * 256u + thread;
    if i < LEN {
        out[i] = x[i];
    }
}
