// One step of DDPM or DDIM (Ho 2020 eq. 7 and 11; Song 2021 eq. 12), every coefficient from the step's row:
//   x0 = clamp(x0_x*x + x0_m*m, +-clip)     e = eps_x*x + eps_m*m + eps_0*x0
//   out = next_0*x0 + next_x*x + next_e*e + sigma*z
// LEARNED: the output m has 2C channels; its second half v gives sigma = mask*exp((f*log_max + (1-f)*log_min)/2) with
// f = (v+1)/2 (Nichol and Dhariwal 2021, eq. 15).
//
// in0: x, padded NHWC, four channels a load. in1: m, M_CV vec4s a pixel. in2 (NOISY): z, of x's shape, or of one sample that
// all share (Z_LEN vec4s). out: as in0. LEN = vec4s of the output, CV = vec4s of a pixel, C = channels, C_TAIL = channels in the
// last vec4; the rest stays zero. Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4.
#include lib/step.wgsl
#const LEN
#const CV
#const C
#const C_TAIL
#const M_CV
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding($BIND_IN1) var<storage, read> in1: array<vec4<f32>>;
#if NOISY
#const Z_LEN
@group(0) @binding($BIND_IN2) var<storage, read> in2: array<vec4<f32>>;
#end
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

#if LEARNED
// Four values of m's second half, which starts inside a vec4 when C is no multiple of four. Lanes past C read anything valid.
fn variance_values(pixel: u32, chunk: u32) -> vec4<f32> {
    var v: vec4<f32>;
    for (var lane = 0u; lane < 4u; lane++) {
        let j = min(C + 4u * chunk + lane, 4u * M_CV - 1u);
        v[lane] = in1[pixel * M_CV + j / 4u][j % 4u];
    }
    return v;
}
#end

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    let pixel = i / CV;
    let chunk = i % CV;
    let x = in0[i];
    let m = in1[pixel * M_CV + chunk];
    let x0 = clamp(step.x0_x * x + step.x0_m * m, vec4<f32>(-step.clip), vec4<f32>(step.clip));
    let e = step.eps_x * x + step.eps_m * m + step.eps_0 * x0;
    var v = step.next_0 * x0 + step.next_x * x + step.next_e * e;
#if NOISY
    let z = in2[i % Z_LEN];
#if LEARNED
    let f = 0.5 * variance_values(pixel, chunk) + 0.5;
    v += step.sigma * exp(0.5 * (f * step.log_max + (1.0 - f) * step.log_min)) * z;
#else
    v += step.sigma * z;
#end
#end
    if (chunk == CV - 1u) { v = select(vec4<f32>(0.0), v, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(C_TAIL)); }
    out[i] = v;
}
