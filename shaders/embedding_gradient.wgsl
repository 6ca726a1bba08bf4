// out[k] = sum of dy[n] over the samples n with round(y[n]) = k, the index clamped to the table
//
// in0: y, (N,1,1,1), so one vec4 a sample. in1: dy, (N,1,1,DIM) as vec4s. out: (1,1,CLASSES,DIM).
// LEN = vec4s of the output, CV = vec4s of a row. Grid: ceil(LEN / 64) groups folded over x and y, one thread a vec4.
#const LEN
#const CV
#const SAMPLES
#const CLASSES
@group(0) @binding($BIND_IN0) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding($BIND_IN1) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if (i >= LEN) { return; }
    var sum = vec4<f32>(0.0);
    for (var n = 0u; n < SAMPLES; n++) {
        // The second clamp is for NaN, whose conversion is any integer at all.
        let row = min(u32(clamp(round(y[n].x), 0.0, f32(CLASSES - 1u))), CLASSES - 1u);
        if (row == i / CV) { sum += dy[n * CV + i % CV]; }
    }
    out[i] = sum;
}
