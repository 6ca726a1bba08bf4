// dL/dx = dL/dy act'(x), act being ReLU (its slope at 0 taken as 0) or, with SILU, x sigmoid(x).
//
// in0 dL/dy, in1 x, out: LEN vec4s. Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4.
#const LEN
@group(0) @binding($BIND_IN0) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding($BIND_IN1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> dx: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
#if SILU
    let s = 1.0 / (1.0 + exp(-x[i]));
    dx[i] = dy[i] * s * (1.0 + x[i] * (1.0 - s));
#else
    dx[i] = select(vec4<f32>(0.0), dy[i], x[i] > vec4<f32>(0.0));
#end
}
