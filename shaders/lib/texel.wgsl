// A texel of the texture `source` as the values that a file would hold. TEXEL says what the texture holds:
//   grey   its red channel            rgb   its channels as they are
//   srgb   three channels that the load makes linear; this is undone, because files too are taken as stored
fn stored(x: i32, y: i32) -> vec4<f32> {
    let v = textureLoad(source, vec2<i32>(x, y), 0);
#if TEXEL == grey
    return v.rrrr;
#else
#if TEXEL == srgb
    let unit = clamp(v.rgb, vec3<f32>(0.0), vec3<f32>(1.0));
    // Formats that linearise store eight bits; rounding to them leaves nothing of the way there and back.
    let curve = select(1.055 * pow(unit, vec3<f32>(1.0 / 2.4)) - 0.055, 12.92 * unit, unit <= vec3<f32>(0.0031308));
    return vec4<f32>(round(255.0 * curve) / 255.0, v.a);
#else
    return v;
#end
#end
}

// The same in the network's channels: C = 1 of three is 0.299 r + 0.587 g + 0.114 b.
fn channels(v: vec4<f32>) -> vec4<f32> {
#if C == 1
#if TEXEL == grey
    return v;
#else
    return vec4<f32>(dot(v.rgb, vec3<f32>(0.299, 0.587, 0.114)));
#end
#else
    return v;
#end
}
