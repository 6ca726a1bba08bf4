// MODE 0: out[n*P + j] = in1[n] inside the rectangle of patch step.first_patch + j, in0[n] elsewhere
// MODE 1: out[n] = in0[n] + the sum over j of in1[n*P + j] inside the cell of patch step.first_patch + j
// MODE 2: out[n] = in0[n] / the number of patches whose cell holds the pixel, 0 where none does
//
// Mode 0: in0 = the clean images, in1 = the noised ones, both (N,H,W,C); out (N*P,H,W,C).
// Mode 1: in0 = the sum so far (N,H,W,C), in1 = the predictions (N*P,H,W,C); out (N,H,W,C).
// Mode 2: in0 = the sum (N,H,W,C); out (N,H,W,C). All padded NHWC, four channels a load; the padding of all is zero.
// table: two vec4s a patch, its rectangle and its cell, each (y, x, height, width) in pixels. A patch whose rectangle has no
// height and patches from COUNT on do nothing.
// LEN = vec4s of the output, CV = vec4s of a pixel, P = patches a call.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4 of the output.
#if MODE != 2
#include lib/step.wgsl
#const P
@group(0) @binding($BIND_IN1) var<storage, read> in1: array<vec4<f32>>;
#end
#const LEN
#const CV
#const HEIGHT
#const WIDTH
#const COUNT
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding($BIND_W0) var<storage, read> table: array<vec4<f32>>;

// Whether an area (y, x, height, width) holds a pixel (y, x).
fn holds(area: vec4<f32>, pixel: vec2<f32>) -> bool {
    return all(pixel >= area.xy) && all(pixel < area.xy + area.zw);
}
// Whether the cell of patch k holds a pixel.
fn keeps(k: u32, pixel: vec2<f32>) -> bool {
    return table[2u * k].z > 0.0 && holds(table[2u * k + 1u], pixel);
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    let image = HEIGHT * WIDTH * CV;
    let element = i / image;
    let within = i % image;
    let place = within / CV;
    let pixel = vec2<f32>(f32(place / WIDTH), f32(place % WIDTH));
#if MODE == 0
    let k = step.first_patch + element % P;
    let at = (element / P) * image + within;
    var v = in0[at];
    if (k < COUNT) {
        if (holds(table[2u * k], pixel)) { v = in1[at]; }
    }
#end
#if MODE == 1
    var v = in0[i];
    for (var j = 0u; j < P; j++) {
        let k = step.first_patch + j;
        if (k < COUNT) {
            if (keeps(k, pixel)) { v += in1[(element * P + j) * image + within]; }
        }
    }
#end
#if MODE == 2
    var covers = 0u;
    for (var k = 0u; k < COUNT; k++) { covers += select(0u, 1u, keeps(k, pixel)); }
    var v = vec4<f32>(0.0);
    if (covers > 0u) { v = in0[i] / f32(covers); }
#end
    out[i] = v;
}
