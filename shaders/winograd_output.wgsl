// y = SCALE * (At m A + bias + per_sample + residual), m = the 4x4 products of tile t
//
// At = | 1  1  1  0 |   Winograd's F(2x2,3x3): four outputs from sixteen products.
//      | 0  1 -1 -1 |
//
// in0 m: (16,1,T,C), C4 vec4s a tile. Then, where their flag names an input number: PER_SAMPLE (N,1,1,C), RESIDUAL,
// y's shape. out y: padded NHWC. w0 bias: C4 vec4s. Padding lanes come out zero because all inputs' are.
// Grid: T*C4 / 64 groups folded over x and y, one thread a tile and vec4:
//
//    m00 m01 m02 m03       y00 y01     an odd map's last column and row
//    m10 m11 m12 m13  -->  y10 y11     of tiles store only what exists
//    m20 m21 m22 m23
//    m30 m31 m32 m33
#const OUT_H
#const OUT_W
#const C4
#const T
#const TILES_H
#const TILES_W
#const SCALE
@group(0) @binding($BIND_IN0) var<storage, read> m: array<vec4<f32>>;
#if PER_SAMPLE
@group(0) @binding($BIND_IN0 + $PER_SAMPLE) var<storage, read> per_sample: array<vec4<f32>>;
#end
#if RESIDUAL
@group(0) @binding($BIND_IN0 + $RESIDUAL) var<storage, read> residual: array<vec4<f32>>;
#end
@group(0) @binding($BIND_OUT) var<storage, read_write> y: array<vec4<f32>>;
#if BIAS
@group(0) @binding($BIND_W0) var<storage, read> bias: array<vec4<f32>>;
#end

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if (i >= T * C4) { return; }
    let c = i % C4;
    let t = i / C4;
    let n = t / (TILES_H * TILES_W);
    let row = t / TILES_W % TILES_H * 2u;
    let col = t % TILES_W * 2u;
    // Every load before the first use and none behind a branch, so that all are on their way at once: what an odd map does
    // not have is read at its last row or column.
    let in_row = row + 1u < OUT_H;
    let in_col = col + 1u < OUT_W;
    let at00 = ((n * OUT_H + row) * OUT_W + col) * C4 + c;
    let at01 = at00 + select(0u, C4, in_col);
    let down = select(0u, OUT_W * C4, in_row);
    let at10 = at00 + down;
    let at11 = at01 + down;
#unroll r 0..4
#unroll s 0..4
    let m$r$s = m[(($r * 4u + $s) * T + t) * C4 + c];
#end
#end
    var add = vec4<f32>(0.0);
#if BIAS
    add += bias[c];
#end
#if PER_SAMPLE
    add += per_sample[n * C4 + c];
#end
#unroll r 0..2
#unroll s 0..2
#if RESIDUAL
    let add$r$s = add + residual[at$r$s];
#else
    let add$r$s = add;
#end
#end
#end
    // Columns, then rows.
#unroll s 0..4
    let e0$s = m0$s + m1$s + m2$s;
    let e1$s = m1$s - m2$s - m3$s;
#end
    y[at00] = SCALE * (e00 + e01 + e02 + add00);
    if (in_col) { y[at01] = SCALE * (e01 - e02 - e03 + add01); }
    if (in_row) { y[at10] = SCALE * (e10 + e11 + e12 + add10); }
    if (in_row & in_col) { y[at11] = SCALE * (e11 - e12 - e13 + add11); }
}
