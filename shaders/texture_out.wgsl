// picture[y, x] = colour(map[y, x] / scale), or the map's own value (FORMAT = r32float), at the picture's size
//
// map: (1,H,W,1), one vec4 a pixel with the value in its first lane. picture: a storage texture of FORMAT, any size.
// heat: the value that the hottest colour stands for, and 256 colours, r in the lowest byte. A scale that is not
// positive leaves everything at the first colour.
//
// Sizes: as lib/bilinear.wgsl.
// Grid: (ceil(width/16), ceil(height/16), 1) of the picture, one thread a pixel.
#const W
#const H
struct Heat { scale: f32, colours: array<u32, 256> }
@group(0) @binding(0) var<storage, read> map: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> heat: Heat;
@group(0) @binding(2) var picture: texture_storage_2d<$FORMAT, write>;

#include lib/bilinear.wgsl

@compute @workgroup_size(16, 16)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let size = textureDimensions(picture);
    if (id.x >= size.x || id.y >= size.y) { return; }
    let tx = taps(id.x, W, size.x);
    let ty = taps(id.y, H, size.y);
    let top = (1.0 - tx.part) * map[ty.first * W + tx.first].x + tx.part * map[ty.first * W + tx.second].x;
    let bottom = (1.0 - tx.part) * map[ty.second * W + tx.first].x + tx.part * map[ty.second * W + tx.second].x;
    let value = (1.0 - ty.part) * top + ty.part * bottom;
#if FORMAT == r32float
    let colour = vec4<f32>(value, 0.0, 0.0, 1.0);
#else
    let relative = select(0.0, min(value / heat.scale, 1.0), heat.scale > 0.0 && value > 0.0);
    let colour = unpack4x8unorm(heat.colours[u32(relative * 255.0 + 0.5)]);
#end
    textureStore(picture, id.xy, colour);
}
