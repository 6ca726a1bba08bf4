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

fn store(n: u32, row: u32, col: u32, c: u32, sum: vec4<f32>) {
    if (row < OUT_H && col < OUT_W) {
        let at = ((n * OUT_H + row) * OUT_W + col) * C4 + c;
        var v = sum;
#if RESIDUAL
        v += residual[at];
#end
        y[at] = SCALE * v;
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if (i >= T * C4) { return; }
    let c = i % C4;
    let t = i / C4;
    let n = t / (TILES_H * TILES_W);
    let row = t / TILES_W % TILES_H * 2u;
    let col = t % TILES_W * 2u;
    var e: array<vec4<f32>, 8>;
#unroll s 0..4
    {
        let m0 = m[($s * T + t) * C4 + c];
        let m1 = m[((4u + $s) * T + t) * C4 + c];
        let m2 = m[((8u + $s) * T + t) * C4 + c];
        let m3 = m[((12u + $s) * T + t) * C4 + c];
        e[$s] = m0 + m1 + m2;
        e[4 + $s] = m1 - m2 - m3;
    }
#end
    var add = vec4<f32>(0.0);
#if BIAS
    add += bias[c];
#end
#if PER_SAMPLE
    add += per_sample[n * C4 + c];
#end
#unroll r 0..2
    store(n, row + $r, col, c, e[$r * 4] + e[$r * 4 + 1] + e[$r * 4 + 2] + add);
    store(n, row + $r, col + 1u, c, e[$r * 4 + 1] - e[$r * 4 + 2] - e[$r * 4 + 3] + add);
#end
}
