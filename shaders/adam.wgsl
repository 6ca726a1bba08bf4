// One step of Adam (Kingma and Ba, ICLR 2015) on a parameter state, in place: rows of values w, then of first moments m, then of
// second moments v, LEN vec4s each. With g = gradient + DECAY w (L2, not decoupled):
//
//   m = 0.9 m + 0.1 g,  v = 0.999 v + 0.001 g^2,  w = w - rate m / (root sqrt(v) + 1e-8)
//
// rate and root, from the step's row, hold the corrections of the moments' bias.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4.
#include lib/step.wgsl
#const LEN
#const DECAY
@group(0) @binding($BIND_IN0) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> state: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    let w = state[i];
    let g = gradient[i] + DECAY * w;
    let m = 0.9 * state[i + LEN] + 0.1 * g;
    let v = 0.999 * state[i + 2u * LEN] + 0.001 * g * g;
    state[i] = w - step.rate * m / (step.root * sqrt(v) + 1e-8);
    state[i + LEN] = m;
    state[i + 2u * LEN] = v;
}
