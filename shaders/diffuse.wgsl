// x_t = signal[t] x + noise[t] e, t being each row's own.
//
// in0 x, in1 e: (B,1,1,C), CV vec4s a row. in2 t: (B,1,1,1). w0: a vec4 (signal, noise, 0, 0) for each of STEPS times. out: x_t.
// Grid: ceil(B * CV / 256) groups folded over x and y, one thread a vec4.
#const LEN
#const CV
#const STEPS
@group(0) @binding($BIND_IN0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding($BIND_IN1) var<storage, read> noise: array<vec4<f32>>;
@group(0) @binding($BIND_IN2) var<storage, read> time: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding($BIND_W0) var<storage, read> schedule: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    let s = schedule[min(u32(time[i / CV].x), STEPS - 1u)];
    out[i] = s.x * x[i] + s.y * noise[i];
}
