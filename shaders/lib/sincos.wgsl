// (sin x, cos x) to f32's own rounding for |x| up to 8192 or so. WGSL promises its own sin and cos only to 2^-11, and
// only between -pi and pi. Cody and Waite (1980): x - k*pi/2 in three parts, the first short enough that k times it is
// exact; then Cephes' polynomials on [-pi/4, pi/4].
fn sincos(x: f32) -> vec2<f32> {
    let k = round(x * 0.6366197723675814);
    var r = fma(k, -1.5703125, x);
    r = fma(k, -0.0004837512969970703, r);
    r = fma(k, -7.549789948768648e-8, r);
    let z = r * r;
    let s = r + r * z * (-1.6666654611e-1 + z * (8.3321608736e-3 - z * 1.9515295891e-4));
    let c = 1.0 - 0.5 * z + z * z * (4.166664568298827e-2 + z * (-1.388731625493765e-3 + z * 2.443315711809948e-5));
    let quadrant = i32(k) & 3;
    let v = select(vec2<f32>(s, c), vec2<f32>(c, s), (quadrant & 1) == 1);
    return select(v, -v, vec2<bool>(quadrant >= 2, quadrant == 1 || quadrant == 2));
}
