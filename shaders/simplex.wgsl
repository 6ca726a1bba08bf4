// Multi-octave simplex noise on OpenSimplex's lattice of 2014 (Spencer), as AnoDDPM draws it:
//   out(r, c) = sum_o PERSISTENCE^o n3(c 2^o / F, r 2^o / F, noise_t 2^o / F)
//   n3 = 1/103 sum over a cell's lattice points of max(0, 2 - |d|^2)^4 (g . d), d = the way from the point to (x, y, z)
//
// The lattice is the cubic one squeezed along (1,1,1): x_s = x - (x+y+z)/6 has it at the integers, and p + (p_x+p_y+p_z)/3 leads
// back. A unit cube of it is two tetrahedra and an octahedron between; each of the three takes its corners and two of the
// points around ("extras"). Those two are not all that reach in, so the field has steps of up to 1e-4 where the choice changes,
// and to agree with the published one a tie must fall as it fell there. Therefore:
// - the distances d are exact integers over 18 F, divided once;
// - the choice is made in fixed point that repeats f64's roundings (EXACT = 0; F = 2^LOG_F up to 512), or, for other F, in
//   exact integers over 6 F, where a tie is a tie (EXACT = 1).
//
// in0: permutations, (SHEETS,1,1,256) floats 0..=255; channel k takes sheet draw*C + k. out: padded NHWC, lanes past C zero.
// LEN = vec4s, CV = vec4s of a pixel, W = columns. Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4.
#include lib/step.wgsl
#include lib/wide.wgsl
#const LEN
#const CV
#const C
#const W
#const SHEETS
#const OCTAVES
#const PERSISTENCE
#const ONE
#const LOG_F
const F = $F_I;
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<f32>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

fn perm(sheet: u32, i: i32) -> i32 { return i32(in0[sheet * 256u + u32(i & 255)]); }

// One lattice point's share: `base` + o is the point, `near` the way from `base` in units of 1/(18 F).
fn share(sheet: u32, base: vec3<i32>, near: vec3<i32>, o: vec3<i32>) -> f32 {
    let d = vec3<f32>(near - 6 * F * (3 * o + o.x + o.y + o.z)) / (18.0 * f32(F));
    let reach = 2.0 - dot(d, d);
    if (reach <= 0.0) { return 0.0; }
    let p = base + o;
    let h = u32(perm(sheet, perm(sheet, perm(sheet, p.x) + p.y) + p.z)) % 24u;
    // The 24 gradients: one component of 11, two of 4, every choice of signs.
    let s = h / 3u;
    let long = vec3<u32>(0u, 1u, 2u) == vec3<u32>(h % 3u);
    let signs = vec3<bool>((s & 1u) != 0u, (s & 2u) == 0u, (s & 4u) == 0u);
    let g = select(vec3<f32>(4.0), vec3<f32>(11.0), long) * select(vec3<f32>(-1.0), vec3<f32>(1.0), signs);
    let r2 = reach * reach;
    return r2 * r2 * dot(g, d);
}

fn bits(c: u32) -> vec3<i32> { return vec3<i32>((vec3<u32>(c) >> vec3<u32>(0u, 1u, 2u)) & vec3<u32>(1u)); }

// region: 0 = tetrahedron at (0,0,0), 2 = at (1,1,1), 1 = octahedron; a, b: the two extras.
struct Choice { region: u32, a: vec3<i32>, b: vec3<i32> }

fn number(i: u32) -> vec3<u32> { return vec3<u32>(i * ONE, 0u, 0u); }
fn sum(a: vec3<u32>, b: vec3<u32>) -> vec3<u32> { return fx_round(fx_add(a, b)); }
fn minus(a: vec3<u32>, b: vec3<u32>) -> vec3<u32> { return fx_round(fx_add(a, fx_neg(b))); }

fn at_origin(x: vec3<u32>, y: vec3<u32>, z: vec3<u32>, total: vec3<u32>) -> Choice {
    var a = 1u;
    var b = 2u;
    var sa = x;
    var sb = y;
    if (!fx_less(sa, sb) && fx_less(sb, z)) { sb = z; b = 4u; } else if (fx_less(sa, sb) && fx_less(sa, z)) { sa = z; a = 4u; }
    let rest = minus(number(1u), total);
    if (fx_less(sa, rest) || fx_less(sb, rest)) {
        let u = bits(select(a, b, fx_less(sa, sb)));
        return Choice(0u, u - u.zxy, u - u.yzx);
    }
    let u = bits(a | b);
    return Choice(0u, u, 2 * u - 1);
}

fn at_far_corner(x: vec3<u32>, y: vec3<u32>, z: vec3<u32>, total: vec3<u32>) -> Choice {
    var a = 6u;
    var b = 5u;
    var sa = x;
    var sb = y;
    if (!fx_less(sb, sa) && fx_less(z, sb)) { sb = z; b = 3u; } else if (fx_less(sb, sa) && fx_less(z, sa)) { sa = z; a = 3u; }
    let rest = minus(number(3u), total);
    if (fx_less(rest, sa) || fx_less(rest, sb)) {
        let u = bits(select(a, b, fx_less(sb, sa)));
        let w = 1 - u;
        return Choice(2u, u + w.zxy, u + w.yzx);
    }
    let u = bits(a & b);
    return Choice(2u, u, 2 * u);
}

struct Side { point: u32, far: bool, score: vec3<u32> }
fn side(pair: vec3<u32>, far: u32) -> Side {
    let one = number(1u);
    if (fx_less(one, pair)) { return Side(far, true, minus(pair, one)); }
    return Side(7u - far, false, minus(one, pair));
}

fn between(x: vec3<u32>, y: vec3<u32>, z: vec3<u32>) -> Choice {
    var a = side(sum(x, y), 3u);
    var b = side(sum(x, z), 5u);
    let c = side(sum(y, z), 6u);
    if (!fx_less(b.score, a.score)) {
        if (fx_less(a.score, c.score)) { a = c; }
    } else if (fx_less(b.score, c.score)) { b = c; }
    if (a.far && b.far) { return Choice(1u, vec3<i32>(1), 2 * bits(a.point & b.point)); }
    if (!a.far && !b.far) { return Choice(1u, vec3<i32>(0), 2 * bits(a.point | b.point) - 1); }
    let far = select(b.point, a.point, a.far);
    let close = select(a.point, b.point, a.far);
    return Choice(1u, 2 * bits(far) - 1, 2 * bits(close));
}

#if EXACT
#else
// A coordinate of the squeezed lattice as f64 has it: q = c/F + stretch, both already rounded.
fn squeezed(c: i32, stretch: vec3<u32>) -> vec3<u32> {
    let fraction = (u32(c) & u32(F - 1)) << ((32u - LOG_F) & 31u);
    return sum(vec3<u32>(u32(c >> LOG_F), fraction, 0u), stretch);
}
// f64's S/F * (-1/6), where -1/6 is -0x15555555555555 / 2^55.
fn stretch(s: i32) -> vec3<u32> {
    let m = u32(abs(s));
    let lo = mul_wide(m, 0x55555555u);
    let hi = mul_wide(m, 0x155555u);
    let mid = hi.y + lo.x;
    let p = vec3<u32>(hi.x + u32(mid < lo.x), mid, lo.y);
    const N = 9u - LOG_F;
    let shifted = fx_round((p << vec3<u32>(N)) | vec3<u32>((p.yz >> vec2<u32>(1u)) >> vec2<u32>(31u - N), 0u));
    if (s > 0) { return fx_neg(shifted); }
    return shifted;
}
#end

// n3 times 103 at c/F.
fn octave(sheet: u32, c: vec3<i32>) -> f32 {
    let s = c.x + c.y + c.z;
#if EXACT
    let n = 6 * c - s;
    let base = select((n + 1) / (6 * F) - 1, n / (6 * F), n >= vec3<i32>(0));
    let r = n - 6 * F * base;
    let x = vec3<u32>(u32(r.x), 0u, 0u);
    let y = vec3<u32>(u32(r.y), 0u, 0u);
    let z = vec3<u32>(u32(r.z), 0u, 0u);
#else
    let st = stretch(s);
    let xs = squeezed(c.x, st);
    let ys = squeezed(c.y, st);
    let zs = squeezed(c.z, st);
    let base = vec3<i32>(i32(xs.x), i32(ys.x), i32(zs.x));
    let r = 6 * c - s - 6 * F * base;
    let x = fx_round(vec3<u32>(0u, xs.yz));
    let y = fx_round(vec3<u32>(0u, ys.yz));
    let z = fx_round(vec3<u32>(0u, zs.yz));
#end
    let total = sum(sum(x, y), z);
    var choice: Choice;
    if (!fx_less(number(1u), total)) {
        choice = at_origin(x, y, z, total);
    } else if (!fx_less(total, number(2u))) {
        choice = at_far_corner(x, y, z, total);
    } else {
        choice = between(x, y, z);
    }
    let near = 3 * r + r.x + r.y + r.z;
    var v = share(sheet, base, near, choice.a) + share(sheet, base, near, choice.b);
    for (var i = 0u; i < 3u; i++) {
        let unit = bits(1u << i);
        if (choice.region < 2u) { v += share(sheet, base, near, unit); }
        if (choice.region > 0u) { v += share(sheet, base, near, 1 - unit); }
    }
    if (choice.region == 0u) { v += share(sheet, base, near, vec3<i32>(0)); }
    if (choice.region == 2u) { v += share(sheet, base, near, vec3<i32>(1)); }
    return v;
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    let pixel = i / CV;
    let at = vec3<i32>(i32(pixel % W), i32(pixel / W), step.noise_t);
    var v = vec4<f32>(0.0);
    for (var lane = 0u; lane < 4u; lane++) {
        let channel = i % CV * 4u + lane;
        if (channel >= C) { break; }
        let sheet = min(step.draw * C + channel, SHEETS - 1u);
        var amplitude = 1.0;
        var value = 0.0;
        for (var o = 0u; o < OCTAVES; o++) {
            value += amplitude * octave(sheet, at << vec3<u32>(o));
            amplitude *= PERSISTENCE;
        }
        v[lane] = value / 103.0;
    }
    out[i] = v;
}
