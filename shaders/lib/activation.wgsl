// Activations on four channels. $ACT is one of identity, silu, relu, leaky_relu, elu, mish, gelu, tanh, sigmoid, round_f16.
fn act_identity(x: vec4<f32>) -> vec4<f32> { return x; }
fn act_relu(x: vec4<f32>) -> vec4<f32> { return max(x, vec4<f32>(0.0)); }
fn act_leaky_relu(x: vec4<f32>) -> vec4<f32> { return select(x, 0.01 * x, x < vec4<f32>(0.0)); }
fn act_elu(x: vec4<f32>) -> vec4<f32> { return select(x, exp(x) - 1.0, x < vec4<f32>(0.0)); }
// tanh(ln(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2); it is 1 in f32 from 20 on, long before e^2x overflows.
fn act_mish(x: vec4<f32>) -> vec4<f32> {
    let e = exp(min(x, vec4<f32>(20.0)));
    let n = e * (e + 2.0);
    return x * (n / (n + 2.0));
}
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
// The nearest float16, ties to even. On the bits, because WGSL leaves the rounding of its own conversion open and compilers may
// simplify sums of floats.
fn nearest_f16(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let m = bits & 0x7fffffffu;
    // From 2^-14 on: 10 bits of the mantissa stay, and a carry goes on into the exponent. From 2^16 on it is infinity.
    var r = (m + 0xfffu + ((m >> 13u) & 1u)) & 0xffffe000u;
    if (r >= 0x47800000u) { r = 0x7f800000u; }
    if (m > 0x7f800000u) { r = m; }
    // Below, whole multiples of 2^-24: below half of it, zero. Sums up to 2^24 and the product are exact.
    if (m < 0x38800000u) {
        let drop = 126u - (m >> 23u);
        var k = 0u;
        if (drop <= 24u) {
            let mantissa = (m & 0x7fffffu) | 0x800000u;
            k = mantissa >> drop;
            let rest = mantissa & ((1u << drop) - 1u);
            let half = 1u << (drop - 1u);
            if (rest > half || (rest == half && (k & 1u) == 1u)) { k++; }
        }
        r = bitcast<u32>(f32(k) * 5.9604644775390625e-8);
    }
    return bitcast<f32>(r | (bits & 0x80000000u));
}
fn act_round_f16(x: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(nearest_f16(x.x), nearest_f16(x.y), nearest_f16(x.z), nearest_f16(x.w));
}
fn act(x: vec4<f32>) -> vec4<f32> { return act_$ACT(x); }
