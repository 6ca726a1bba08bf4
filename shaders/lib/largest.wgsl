// Which of four values u take the place of v as the largest so far: those that are larger, and NaNs, which then stay, as in
// PyTorch. A NaN is known by its bits: a compiler may take comparisons of floats to have none.
fn is_nan(v: vec4<f32>) -> vec4<bool> { return (bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u); }
fn wins(u: vec4<f32>, v: vec4<f32>) -> vec4<bool> { return ((u > v) & !is_nan(v)) | is_nan(u); }
