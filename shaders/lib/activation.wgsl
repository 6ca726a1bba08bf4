// Activations on four channels. $ACT is one of identity, silu, relu, gelu, tanh, sigmoid.
fn act_identity(x: vec4<f32>) -> vec4<f32> { return x; }
fn act_relu(x: vec4<f32>) -> vec4<f32> { return max(x, vec4<f32>(0.0)); }
fn act_sigmoid(x: vec4<f32>) -> vec4<f32> { return 1.0 / (1.0 + exp(-x)); }
fn act_silu(x: vec4<f32>) -> vec4<f32> { return x / (1.0 + exp(-x)); }
// exp overflows past 88; the clamp keeps inf/inf away and tanh(10) is 1 in f32.
fn act_tanh(x: vec4<f32>) -> vec4<f32> {
    let e = exp(2.0 * clamp(x, vec4<f32>(-10.0), vec4<f32>(10.0)));
    return (e - 1.0) / (e + 1.0);
}
// erf by Abramowitz and Stegun 7.1.26 is only 1.5e-7; that is f32's own rounding for GELU.
fn act_gelu(x: vec4<f32>) -> vec4<f32> {
    let z = abs(x) * 0.7071067811865476;
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    let erf = sign(x) * (1.0 - p * exp(-z * z));
    return 0.5 * x * (1.0 + erf);
}
fn act(x: vec4<f32>) -> vec4<f32> { return act_$ACT(x); }
