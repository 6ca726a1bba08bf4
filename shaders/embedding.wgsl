// MODE 0: out[n] = [sin(t f_i), cos(t f_i)] or [cos, sin], f_i = exp(-ln(10000) i / (HALF - shift)), i = 0..HALF
// MODE 1: out[n] = table[round(y)], the index clamped to the table
// MODE 2: out[n] = the step's t
//
// in0: t or y, (N,1,1,1), so one vec4 a sample (not in MODE 2). out: (N,1,1,DIM) as vec4s. w0: the table (MODE 1).
// The frequencies are constants, computed on the host and rounded to f32 where PyTorch rounds.
// LEN = vec4s of the output, CV = vec4s of a row. Grid: ceil(LEN / 64) groups, one thread a vec4.
#const LEN
#const CV
#if MODE == 0
#const DIM
#const HALF
#include lib/sincos.wgsl
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<vec4<f32>>;
const FREQUENCIES = array<f32, $COUNT>($FREQUENCIES);

fn sinusoid(t: f32, c: u32, zero: u32) -> f32 {
    if (c >= 2u * HALF) { return 0.0; }
    let second = c >= HALF;
    var f = FREQUENCIES;
    // The angle is the rounded product, as in PyTorch: passing through integers keeps a compiler from fusing it
    // with the reduction's first multiplication. `zero` is 0, which only the run time knows.
    let angle = bitcast<f32>(bitcast<u32>(t * f[select(c, c - HALF, second)]) ^ zero);
    let v = sincos(angle);
#if COS_FIRST
    return select(v.y, v.x, second);
#else
    return select(v.x, v.y, second);
#end
}
#end
#if MODE == 1
#const CLASSES
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding($BIND_W0) var<storage, read> table: array<vec4<f32>>;
#end
#if MODE == 2
#include lib/step.wgsl
#end
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if (i >= LEN) { return; }
#if MODE == 0
    let t = in0[i / CV].x;
    let c = (i % CV) * 4u;
    let zero = id.z;
    out[i] = vec4<f32>(sinusoid(t, c, zero), sinusoid(t, c + 1u, zero), sinusoid(t, c + 2u, zero), sinusoid(t, c + 3u, zero));
#end
#if MODE == 1
    // The second clamp is for NaN, whose conversion is any integer at all.
    let row = min(u32(clamp(round(in0[i / CV].x), 0.0, f32(CLASSES - 1u))), CLASSES - 1u);
    out[i] = table[row * CV + i % CV];
#end
#if MODE == 2
    out[i] = vec4<f32>(step.t, 0.0, 0.0, 0.0);
#end
}
