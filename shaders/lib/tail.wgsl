// Zeros in the padding: C_TAIL channels (1 to 4) of a pixel's last vec4 are real.
fn keep_real(v: vec4<f32>) -> vec4<f32> {
    return select(vec4<f32>(0.0), v, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(C_TAIL));
}
