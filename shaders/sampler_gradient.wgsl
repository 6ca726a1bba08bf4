// The gradient of sampler_step.wgsl, by the same row of the step table. With u = x0_x*x + x0_m*m, and by_x0 = next_0 + next_e*eps_0:
//   at the state x:   out = dy * (by_x0*x0_x*[|u| <= clip] + next_x + next_e*eps_x)
//   AT_OUTPUT, at m:  out = dy * (by_x0*x0_m*[|u| <= clip] + next_e*eps_m) in the first C channels; in the other C, if there are such,
//                     dy * z * sigma * (log_max - log_min)/4 if LEARNED, sigma as there, otherwise zero
//
// in0: dy, in1: x, both padded NHWC with X_CV vec4s a pixel. in2: m, M_CV vec4s a pixel. in3 (NOISY): z, of x's shape, or of one sample
// that all share (Z_LEN numbers). out: CV vec4s a pixel. LEN = vec4s of the output, C = channels of x; the padding becomes zero.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4 of the output.
#include lib/step.wgsl
#const LEN
#const CV
#const C
#const X_CV
#const M_CV
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<f32>;
@group(0) @binding($BIND_IN1) var<storage, read> in1: array<f32>;
@group(0) @binding($BIND_IN2) var<storage, read> in2: array<f32>;
#if NOISY
#const Z_LEN
@group(0) @binding($BIND_IN3) var<storage, read> in3: array<f32>;
#end
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

fn channel(pixel: u32, k: u32) -> f32 {
    if (k < C) {
        let at = pixel * 4u * X_CV + k;
        let x0 = step.x0_x * in1[at] + step.x0_m * in2[pixel * 4u * M_CV + k];
        let by_x0 = select(0.0, step.next_0 + step.next_e * step.eps_0, abs(x0) <= step.clip);
#if AT_OUTPUT
        return in0[at] * (by_x0 * step.x0_m + step.next_e * step.eps_m);
#else
        return in0[at] * (by_x0 * step.x0_x + step.next_x + step.next_e * step.eps_x);
#end
    }
#if LEARNED
    if (k < 2u * C) {
        let at = pixel * 4u * X_CV + k - C;
        let f = 0.5 * in2[pixel * 4u * M_CV + k] + 0.5;
        let sigma = step.sigma * exp(0.5 * (f * step.log_max + (1.0 - f) * step.log_min));
        return in0[at] * in3[at % Z_LEN] * sigma * 0.25 * (step.log_max - step.log_min);
    }
#end
    return 0.0;
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    let pixel = i / CV;
    let k = i % CV * 4u;
    out[i] = vec4<f32>(channel(pixel, k), channel(pixel, k + 1u), channel(pixel, k + 2u), channel(pixel, k + 3u));
}
