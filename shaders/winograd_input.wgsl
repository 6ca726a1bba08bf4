// V[p,t] = (Bt d B)[p], d = the 4x4 patch of p(x) under tile t, p = 0..15 the position in the patch
//
//      | 1  0 -1  0 |
// Bt = | 0  1  1  0 |   p(x) = act(a*x + b), doubled by nearest neighbour when UP; zero outside the image.
//      | 0 -1  1  0 |   Winograd's F(2x2,3x3), Lavin and Gray 2015.
//      | 0  1  0 -1 |
//
// in0 x: padded NHWC, C4 vec4s a pixel; in1 (AFFINE): (N,1,2,C), rows a and b. out V: (16,1,T,C), T = N * TILES_H *
// TILES_W tiles of 2x2 outputs. Grid: T*C4 / 64 groups folded over x and y, one thread a tile and vec4:
//
//    d d d d      tile t's outputs are the middle four (y); its neighbour to the
//    d y y d      right begins two columns on, so patches overlap by two
//    d y y d
//    d d d d
#if ACT
#include lib/activation.wgsl
#end
#const IN_H
#const IN_W
#const C4
#const T
#const TILES_H
#const TILES_W
#const PAD_TOP
#const PAD_LEFT
#const UP
@group(0) @binding($BIND_IN0) var<storage, read> x: array<vec4<f32>>;
#if AFFINE
@group(0) @binding($BIND_IN1) var<storage, read> affine: array<vec4<f32>>;
#end
@group(0) @binding($BIND_OUT) var<storage, read_write> v: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if (i >= T * C4) { return; }
    let c = i % C4;
    let t = i / C4;
    let n = t / (TILES_H * TILES_W);
    // The first row and column wrap round to huge numbers where they are above or left of the image.
    let row = t / TILES_W % TILES_H * 2u - PAD_TOP;
    let col = t % TILES_W * 2u - PAD_LEFT;
#if AFFINE
    let a = affine[n * 2u * C4 + c];
    let b = affine[n * 2u * C4 + C4 + c];
#end
    // Every load before the first use and none behind a branch, so that all are on their way at once: what lies outside is
    // read at place 0 and then replaced.
#unroll s 0..4
    let in_r$s = row + $s < (IN_H << UP);
    let in_c$s = col + $s < (IN_W << UP);
    let y$s = (n * IN_H + ((row + $s) >> UP)) * IN_W;
    let x$s = (col + $s) >> UP;
#end
#unroll r 0..4
#unroll s 0..4
    let at$r$s = (y$r + x$s) * C4 + c;
    var d$r$s = x[select(0u, at$r$s, in_r$r & in_c$s)];
#end
#end
#unroll r 0..4
#unroll s 0..4
#if AFFINE
    d$r$s = fma(a, d$r$s, b);
#end
#if ACT
    d$r$s = act(d$r$s);
#end
    d$r$s = select(vec4<f32>(0.0), d$r$s, in_r$r & in_c$s);
#end
#end
    // Columns, then rows.
    var e: array<vec4<f32>, 16>;
#unroll s 0..4
    e[$s] = d0$s - d2$s;
    e[4 + $s] = d1$s + d2$s;
    e[8 + $s] = d2$s - d1$s;
    e[12 + $s] = d1$s - d3$s;
#end
#unroll r 0..4
    v[($r * 4u * T + t) * C4 + c] = e[$r * 4] - e[$r * 4 + 2];
    v[(($r * 4u + 1u) * T + t) * C4 + c] = e[$r * 4 + 1] + e[$r * 4 + 2];
    v[(($r * 4u + 2u) * T + t) * C4 + c] = e[$r * 4 + 2] - e[$r * 4 + 1];
    v[(($r * 4u + 3u) * T + t) * C4 + c] = e[$r * 4 + 1] - e[$r * 4 + 3];
#end
}
