// picture[y, x] = (image[y, x] - LOW) / SPAN, a picture in the model's range as a host shows it, at the picture's size
//
// image: (1,H,W,C), padded NHWC, one vec4 a pixel. Three channels are colours; of any other number the first is shown, as
// grey. picture: an rgba8unorm storage texture of any size, opaque; what lies outside 0..1 is clamped.
//
// Sizes: as lib/bilinear.wgsl.
// Grid: (ceil(width/16), ceil(height/16), 1) of the picture, one thread a pixel.
#const W
#const H
#const LOW
#const SPAN
@group(0) @binding(0) var<storage, read> image: array<vec4<f32>>;
@group(0) @binding(1) var picture: texture_storage_2d<rgba8unorm, write>;

#include lib/bilinear.wgsl

fn colour(y: u32, x: u32) -> vec3<f32> {
#if C == 3
    return image[y * W + x].rgb;
#else
    return image[y * W + x].rrr;
#end
}

@compute @workgroup_size(16, 16)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let size = textureDimensions(picture);
    if (id.x >= size.x || id.y >= size.y) { return; }
    let tx = taps(id.x, W, size.x);
    let ty = taps(id.y, H, size.y);
    let top = (1.0 - tx.part) * colour(ty.first, tx.first) + tx.part * colour(ty.first, tx.second);
    let bottom = (1.0 - tx.part) * colour(ty.second, tx.first) + tx.part * colour(ty.second, tx.second);
    let value = ((1.0 - ty.part) * top + ty.part * bottom - LOW) / SPAN;
    textureStore(picture, id.xy, vec4<f32>(clamp(value, vec3<f32>(0.0), vec3<f32>(1.0)), 1.0));
}
