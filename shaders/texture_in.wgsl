// out[y, x] = LOW + SPAN * image[y, x], a host's texture at the network's size and in its channels
//
// source: a 2D texture of any size, read by textureLoad, so that no format needs a sampler; see lib/texel.wgsl. A network
// of two or four channels takes the first ones, others take one or three and never alpha.
// SCALED: each channel of the image goes from its window's ends to 0..1 first, as texture_scale.wgsl finds them: low, high,
// 1 / (high - low). Without it, values are in 0..1 as they are; those outside are clamped either way.
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
#if SCALED
@group(0) @binding(2) var<storage, read> windows: array<vec4<f32>, 4>;
#end
#include lib/texel.wgsl

fn texel(x: i32, y: i32) -> vec4<f32> {
#if SCALED
    let v = channels(stored(x, y));
    let low = vec4<f32>(windows[0].x, windows[1].x, windows[2].x, windows[3].x);
    let high = vec4<f32>(windows[0].y, windows[1].y, windows[2].y, windows[3].y);
    let scale = vec4<f32>(windows[0].z, windows[1].z, windows[2].z, windows[3].z);
    return clamp((clamp(v, low, high) - low) * scale, vec4<f32>(0.0), vec4<f32>(1.0));
#else
    return clamp(stored(x, y), vec4<f32>(0.0), vec4<f32>(1.0));
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
    var sum = vec4<f32>(0.0);
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
#if SCALED
    let image = LOW + SPAN * v;
#else
    let image = LOW + SPAN * channels(v);
#end
    let lanes = vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>($C);
    out[id.y * W + id.x] = select(vec4<f32>(0.0), image, lanes);
}
