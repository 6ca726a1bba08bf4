// Integers wider than WGSL has, as vectors of u32.

// 32 x 32 -> 64 bits by 16-bit halves: (high, low). No sum below can overflow: (2^16-1)^2 + 2^16-1 < 2^32.
fn mul_wide(a: u32, b: u32) -> vec2<u32> {
    let al = a & 0xffffu;
    let ah = a >> 16u;
    let bl = b & 0xffffu;
    let bh = b >> 16u;
    let ll = al * bl;
    let m1 = ah * bl + (ll >> 16u);
    let m2 = al * bh + (m1 & 0xffffu);
    return vec2<u32>(ah * bh + (m1 >> 16u) + (m2 >> 16u), a * b);
}

// Fixed point with 64 fractional bits, two's complement: x holds the integer part, y and z the fraction. A value below 2^20
// whose f64 has no bit under 2^-64 is held exactly, and fx_round gives the f64 that IEEE arithmetic would give.
fn fx_add(a: vec3<u32>, b: vec3<u32>) -> vec3<u32> {
    let lo = a.z + b.z;
    let m = a.y + b.y;
    let mid = m + u32(lo < a.z);
    return vec3<u32>(a.x + b.x + u32(m < a.y) + u32(mid < m), mid, lo);
}
fn fx_neg(a: vec3<u32>) -> vec3<u32> { return fx_add(~a, vec3<u32>(0u, 0u, 1u)); }
// a < b for values that are not negative.
fn fx_less(a: vec3<u32>, b: vec3<u32>) -> bool {
    if (a.x != b.x) { return a.x < b.x; }
    if (a.y != b.y) { return a.y < b.y; }
    return a.z < b.z;
}
// To 53 significant bits, ties to even. The magnitude stays under 2^20, so that no more than 31 bits go.
fn fx_round(v: vec3<u32>) -> vec3<u32> {
    let negative = (v.x >> 31u) == 1u;
    var m = v;
    if (negative) { m = fx_neg(v); }
    var top = 0u;
    if (m.x != 0u) { top = 64u + firstLeadingBit(m.x); } else if (m.y != 0u) { top = 32u + firstLeadingBit(m.y); }
    if (top <= 52u) { return v; }
    let drop = min(top - 52u, 31u);
    let unit = 1u << drop;
    let rest = m.z & (unit - 1u);
    let half = unit >> 1u;
    m.z -= rest;
    if (rest > half || (rest == half && (m.z & unit) != 0u)) { m = fx_add(m, vec3<u32>(0u, 0u, unit)); }
    if (negative) { return fx_neg(m); }
    return m;
}
