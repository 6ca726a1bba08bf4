// The derivative of the activation $ACT on four channels; that of ReLU at 0 is taken as 0.
#include lib/activation.wgsl
fn slope_identity(x: vec4<f32>) -> vec4<f32> { return vec4<f32>(1.0); }
fn slope_relu(x: vec4<f32>) -> vec4<f32> { return select(vec4<f32>(0.0), vec4<f32>(1.0), x > vec4<f32>(0.0)); }
fn slope_leaky_relu(x: vec4<f32>) -> vec4<f32> { return select(vec4<f32>(0.01), vec4<f32>(1.0), x > vec4<f32>(0.0)); }
fn slope_elu(x: vec4<f32>) -> vec4<f32> { return select(exp(x), vec4<f32>(1.0), x > vec4<f32>(0.0)); }
// tanh(s) + x * (1 - tanh(s)^2) * s', of s = ln(1 + e^x), whose slope is the sigmoid.
fn slope_mish(x: vec4<f32>) -> vec4<f32> {
    let e = exp(min(x, vec4<f32>(20.0)));
    let n = e * (e + 2.0);
    let t = n / (n + 2.0);
    return t + x * (1.0 - t * t) * act_sigmoid(x);
}
fn slope_sigmoid(x: vec4<f32>) -> vec4<f32> {
    let s = act_sigmoid(x);
    return s * (1.0 - s);
}
fn slope_silu(x: vec4<f32>) -> vec4<f32> {
    let s = act_sigmoid(x);
    return s * (1.0 + x * (1.0 - s));
}
fn slope_tanh(x: vec4<f32>) -> vec4<f32> {
    let t = act_tanh(x);
    return 1.0 - t * t;
}
// The normal distribution function plus x times its density. act_gelu is x times the former, so that it is had from there but
// near 0, where it is 1/2 + x times the density.
fn slope_gelu(x: vec4<f32>) -> vec4<f32> {
    let density = 0.3989422804014327 * exp(-0.5 * x * x);
    let near = abs(x) < vec4<f32>(1e-3);
    let below = select(act_gelu(x) / select(x, vec4<f32>(1.0), near), 0.5 + x * density, near);
    return below + x * density;
}
fn slope(x: vec4<f32>) -> vec4<f32> { return slope_$ACT(x); }
