// out = N(0,1) by Box and Muller from Philox words w: with u = (w_0 >> 8) + 1 and v = w_1 >> 8, both over 2^24,
//   z_0 = sqrt(-2 ln u) cos(2 pi v), z_1 = sqrt(-2 ln u) sin(2 pi v), and the same for w_2, w_3.
// Counter = (element / 4, draw, STREAM, 0), key = seed; elements are counted in NHWC without padding, so that a field does not
// depend on how it is stored. 24 bits keep u and v exact in f32; |z| ends at 5.77.
//
// out: padded NHWC, four channels a store. LEN = vec4s, CV = vec4s of a pixel, C = channels; lanes past C are zero.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4.
#include lib/step.wgsl
#include lib/philox.wgsl
#const LEN
#const CV
#const C
#const STREAM
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

// ln(n / 2^24) for n in 1..=2^24. WGSL's log may be 2^-21 off near 1, where that is far more than ln itself: so the exponent
// is split off in integers, and ln m = 2 atanh(s), s = (m-1)/(m+1), on m in [sqrt(1/2), sqrt(2)] is a short odd series.
fn log_unit(n: u32) -> f32 {
    var e = i32(firstLeadingBit(n));
    if (f32(n) > 1.41421356 * f32(1u << u32(e))) { e += 1; }
    let d = f32(1u << u32(e));
    let s = (f32(n) - d) / (f32(n) + d);
    let q = s * s;
    let series = 2.0 + q * (0.66666667 + q * (0.4 + q * (0.28571429 + q * (0.22222222 + q * 0.18181818))));
    return f32(e - 24) * 0.69314718 + s * series;
}

// (cos, sin) of 2 pi n / 2^24: the nearest quarter turn is taken off in integers, which leaves an angle within pi/4 for two
// Taylor polynomials.
fn circle(n: u32) -> vec2<f32> {
    let quarter = (n + (1u << 21u)) >> 22u;
    let a = f32(i32(n) - i32(quarter << 22u)) * 3.74507029e-7;
    let q = a * a;
    let s = a * (1.0 + q * (-1.6666667e-1 + q * (8.3333333e-3 + q * (-1.9841270e-4 + q * 2.7557319e-6))));
    let c = 1.0 + q * (-0.5 + q * (4.1666667e-2 + q * (-1.3888889e-3 + q * 2.4801587e-5)));
    switch (quarter & 3u) {
        case 0u: { return vec2<f32>(c, s); }
        case 1u: { return vec2<f32>(-s, c); }
        case 2u: { return vec2<f32>(-c, -s); }
        default: { return vec2<f32>(s, -c); }
    }
}

fn four(block: u32) -> vec4<f32> {
    let w = philox(vec4<u32>(block, step.draw, STREAM, 0u), vec2<u32>(step.seed_lo, step.seed_hi)) >> vec4<u32>(8u);
    let r = sqrt(-2.0 * vec2<f32>(log_unit(w.x + 1u), log_unit(w.z + 1u)));
    return vec4<f32>(r.x * circle(w.y), r.y * circle(w.w));
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    let channel = i % CV * 4u;
    let first = i / CV * C + channel;
    let count = min(C - channel, 4u);
    var block = first / 4u;
    var z = four(block);
    var v = vec4<f32>(0.0);
    for (var lane = 0u; lane < count; lane++) {
        let e = first + lane;
        if (e / 4u != block) {
            block = e / 4u;
            z = four(block);
        }
        v[lane] = z[e % 4u];
    }
    out[i] = v;
}
