// out[i] = sum over the samples n of in0[n*LEN + i]
//
// in0: SAMPLES times LEN vec4s, out: LEN vec4s. Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4.
#const LEN
#const SAMPLES
@group(0) @binding($BIND_IN0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    var sum = vec4<f32>(0.0);
    for (var n = 0u; n < SAMPLES; n++) { sum += x[n * LEN + i]; }
    out[i] = sum;
}
