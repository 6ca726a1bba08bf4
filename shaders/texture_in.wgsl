// out[y, x] = LOW + SPAN * image[y, x], a host's texture at the network's size and in its channels
//
// source: a 2D texture of any size, read by textureLoad, so that no format needs a sampler. TEXEL says what it holds:
//   grey   its red channel            rgb   three channels
//   srgb   three channels that the load makes linear; this is undone, because files too are taken as stored
// Values outside 0..1 are clamped; alpha is not read. C = 1 of three channels is 0.299 r + 0.587 g + 0.114 b.
// out: (1,H,W,C), padded NHWC, one vec4 a pixel with zeros in its padding.
//
// Sizes: the triangle filter of PIL's BILINEAR, as data/resize.rs, both axes in one f32 sum. With s = from/to, centre
// c = (x + 1/2) s and support r = max(s, 1), texel i weighs max(0, 1 - |i + 1/2 - c| / r), normalised. c is kept as a
// whole number and a fraction of 2*to, exact in integers, so that equal sizes are copied and large ones lose no digits.
// Grid: (ceil(W/16), ceil(H/16), 1), one thread a pixel.
#const W
#const H
#const LOW
#const SPAN
@group(0) @binding(0) var source: texture_2d<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;

fn texel(x: i32, y: i32) -> vec3<f32> {
    let v = clamp(textureLoad(source, vec2<i32>(x, y), 0).rgb, vec3<f32>(0.0), vec3<f32>(1.0));
#if TEXEL == grey
    return v.rrr;
#else
#if TEXEL == srgb
    // Formats that linearise store eight bits; rounding to them leaves nothing of the way there and back.
    let curve = select(1.055 * pow(v, vec3<f32>(1.0 / 2.4)) - 0.055, 12.92 * v, v <= vec3<f32>(0.0031308));
    return round(255.0 * curve) / 255.0;
#else
    return v;
#end
#end
}

// The texels of one position on one axis: first, one past the last, and the centre as whole + part.
struct Taps { first: i32, end: i32, whole: i32, part: f32, support: f32 }

fn taps(at: u32, size: u32, to: u32) -> Taps {
    let centre = (2u * at + 1u) * size;
    let whole = i32(centre / (2u * to));
    let part = f32(centre % (2u * to)) / f32(2u * to);
    let support = max(f32(size) / f32(to), 1.0);
    let first = max(whole + i32(floor(part - support + 0.5)), 0);
    let end = min(whole + i32(floor(part + support + 0.5)), i32(size));
    return Taps(first, end, whole, part, support);
}

fn weight(t: Taps, i: i32) -> f32 {
    return max(1.0 - abs(f32(i - t.whole) + 0.5 - t.part) / t.support, 0.0);
}

@compute @workgroup_size(16, 16)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x >= W || id.y >= H) { return; }
    let size = textureDimensions(source);
    let tx = taps(id.x, size.x, W);
    let ty = taps(id.y, size.y, H);
    var sum = vec3<f32>(0.0);
    var total = 0.0;
    for (var y = ty.first; y < ty.end; y++) {
        let wy = weight(ty, y);
        for (var x = tx.first; x < tx.end; x++) {
            let w = wy * weight(tx, x);
            sum += w * texel(x, y);
            total += w;
        }
    }
    // Division may be off in the last place even by one, and equal sizes are to be exact.
    let v = select(sum / total, sum, total == 1.0);
#if C == 1
#if TEXEL == grey
    let image = vec4<f32>(LOW + SPAN * v.r, 0.0, 0.0, 0.0);
#else
    let image = vec4<f32>(LOW + SPAN * dot(v, vec3<f32>(0.299, 0.587, 0.114)), 0.0, 0.0, 0.0);
#end
#else
    let image = vec4<f32>(LOW + SPAN * v, 0.0);
#end
    out[id.y * W + id.x] = image;
}
