// y[m,o] = SCALE * (sum over k of p[m,k] * w[k,o] + bias[o] + per_sample[n(m),o] + residual[m,o])
//
// A convolution as a matrix product: m = output pixel of all samples, o = output channel, k = (tap, input channel).
// p is the patch matrix; its rows are read from x on the way into shared memory, never stored:
// p = act(a*x + b) where the tap falls on the image (doubled by nearest neighbour when UP), else 0.
// With BATCH, x, w and y are so many independent 1x1 products (Winograd's), one for each grid z.
//
// in0 x: padded NHWC, IN_C4 vec4s a pixel. Then, where their flag names an input number: AFFINE (N,1,2,Cin) rows
// a and b; PER_SAMPLE (N,1,1,Cout); RESIDUAL, y's shape. out y: padded NHWC, OUT_C4 vec4s a pixel.
// w0 w: [k][OUT_C4], k = tap * 4*IN_C4 + channel. w1 bias: OUT_C4 vec4s. Padding lanes come out zero because the
// weights', the bias's, the vector's and the residual's are.
// Grid: TILES groups folded over x and y (channel tiles next to each other share pixels in the cache), batch in z.
//
// A group of TX x TY threads makes BM pixels x BN4 vec4s of channels, BK4 vec4s of k at a time. Thread (tx,ty) makes
// TM pixels x TN4 vec4s, strided so that neighbours read neighbouring words of shared memory (T64: TX = TY = 8):
//
//               ws, BN4 vec4s                      tx=0 has the columns marked 0, and so on
//              +-----------------+
//              |0 1 .. 7 0 1 .. 7|  4*BK4 rows     one vec4 of xs feeds four rows of ws:
//      xs      +-----------------+                 16*TM*TN4 multiply-adds for TM + 4*TN4 vec4 loads
//   +-------+  +-----------------+
//   |ty=0   |  |                 |
//   |ty=1   |  |    y, BM rows   |
//   |  ..   |  |                 |
//   |ty=0   |  |                 |
//   +-------+  +-----------------+
//    BK4 vec4s
#if ACT
#include lib/activation.wgsl
#end
#const M
#const K4
#const IN_H
#const IN_W
#const IN_C4
#const OUT_HW
#const OUT_W
#const OUT_C4
#const KW
#const STRIDE
#const PAD_TOP
#const PAD_LEFT
#const UP
#const SCALE
#const TILES
#const TILES_N
#const BM
#const BN4
#const BK4
#const TX
#const TY
const THREADS = TX * TY;
// One vec4 more a row keeps the staging stores of one pixel in different banks.
const XS_ROW = BM + 1u;
@group(0) @binding($BIND_IN0) var<storage, read> x: array<vec4<f32>>;
#if AFFINE
@group(0) @binding($BIND_IN0 + $AFFINE) var<storage, read> affine: array<vec4<f32>>;
#end
#if PER_SAMPLE
@group(0) @binding($BIND_IN0 + $PER_SAMPLE) var<storage, read> per_sample: array<vec4<f32>>;
#end
#if RESIDUAL
@group(0) @binding($BIND_IN0 + $RESIDUAL) var<storage, read> residual: array<vec4<f32>>;
#end
@group(0) @binding($BIND_OUT) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding($BIND_W0) var<storage, read> w: array<vec4<f32>>;
#if BIAS
@group(0) @binding($BIND_W1) var<storage, read> bias: array<vec4<f32>>;
#end

var<workgroup> xs: array<vec4<f32>, BK4 * XS_ROW>;
var<workgroup> ws: array<vec4<f32>, BK4 * 4u * BN4>;

@compute @workgroup_size(TX, TY)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let tile = wg.y * groups.x + wg.x;
    if (tile >= TILES) { return; }
    let bn = (tile % TILES_N) * BN4;
    let bm = (tile / TILES_N) * BM;
#if BATCH
    let x0 = wg.z * M * IN_C4;
    let w0 = wg.z * K4 * 4u * OUT_C4;
    let y0 = wg.z * M * OUT_C4;
#else
    const x0 = 0u;
    const w0 = 0u;
    const y0 = 0u;
#end
    var acc: array<vec4<f32>, $TM * $TN4>;
#unroll i 0..$TM
#unroll j 0..$TN4
    acc[$i * $TN4 + $j] = vec4<f32>(0.0);
#end
#end

    // What this thread stages: LOADS_X pixels at one k, and LOADS_W vec4s of weights. No load is behind a branch, so that
    // all of a turn are on their way at once: what lies outside is read from where something lies, and x's replaced by zero
    // where it would count. Rows past M and columns past OUT_C4 only make outputs that are not stored.
    let sk = t % BK4;
    let sp = t / BK4;
#unroll j 0..$LOADS_X
    let m$j = min(bm + sp + $j * (THREADS / BK4), M - 1u);
#if PLAIN
    let xa$j = x0 + m$j * IN_C4;
#else
    let sample$j = m$j / OUT_HW;
    let row$j = m$j % OUT_HW / OUT_W * STRIDE - PAD_TOP;
    let col$j = m$j % OUT_W * STRIDE - PAD_LEFT;
#if UP == 0
    let xa$j = ((sample$j * IN_H + row$j) * IN_W + col$j) * IN_C4;
#end
#end
#end
#unroll j 0..$LOADS_W
    let at$j = t + $j * THREADS;
    let wc$j = w0 + min(bn + at$j % BN4, OUT_C4 - 1u);
#if W_TAIL == 0
    let wa$j = wc$j + at$j / BN4 * OUT_C4;
#end
#end
#if AFFINE
#if ONE_SAMPLE
    let ab = bm / OUT_HW * 2u * IN_C4;
#else
#unroll j 0..$LOADS_X
    let ab$j = m$j / OUT_HW * 2u * IN_C4;
#end
#end
#end
    for (var k0 = 0u; k0 < K4; k0 += BK4) {
#if K_TAIL
        let k = min(k0 + sk, K4 - 1u);
        let there = k0 + sk < K4;
#else
        let k = k0 + sk;
#end
#if PLAIN
        let c = k;
#else
#if ONE_TAP
        // All of a turn is of one tap.
        let tap = k0 / IN_C4;
        let c = k0 % IN_C4 + sk;
#else
        let tap = k / IN_C4;
        let c = k % IN_C4;
#end
        let ky = tap / KW;
        let kx = tap % KW;
#if UP == 0
        let step = (ky * IN_W + kx) * IN_C4 + c;
#end
#end
#unroll j 0..$LOADS_W
#if W_TAIL
        let vw$j = w[wc$j + min(k0 * 4u + at$j / BN4, K4 * 4u - 1u) * OUT_C4];
#else
        let vw$j = w[wa$j + k0 * 4u * OUT_C4];
#end
#end
#if AFFINE
#if ONE_SAMPLE
        let b = affine[ab + IN_C4 + c];
        let a = affine[ab + c];
#else
#unroll j 0..$LOADS_X
        let b$j = affine[ab$j + IN_C4 + c];
        let a$j = affine[ab$j + c];
#end
#end
#end
#unroll j 0..$LOADS_X
#if PLAIN
        var vx$j = x[xa$j + c];
#else
        let r$j = row$j + ky;
        let s$j = col$j + kx;
        // A coordinate below zero has wrapped round to a huge one.
#if K_TAIL
        let ok$j = there & (r$j < (IN_H << UP)) & (s$j < (IN_W << UP));
#else
        let ok$j = (r$j < (IN_H << UP)) & (s$j < (IN_W << UP));
#end
#if UP
        let from$j = ((sample$j * IN_H + (r$j >> UP)) * IN_W + (s$j >> UP)) * IN_C4 + c;
#else
        let from$j = xa$j + step;
#end
        var vx$j = x[select(0u, from$j, ok$j)];
#end
#end
#unroll j 0..$LOADS_X
#if AFFINE
#if ONE_SAMPLE
        vx$j = fma(a, vx$j, b);
#else
        vx$j = fma(a$j, vx$j, b$j);
#end
#end
#if ACT
        vx$j = act(vx$j);
#end
#if PLAIN == 0
        vx$j = select(vec4<f32>(0.0), vx$j, ok$j);
#else
#if K_TAIL
        vx$j = select(vec4<f32>(0.0), vx$j, there);
#end
#end
        xs[sk * XS_ROW + sp + $j * (THREADS / BK4)] = vx$j;
#end
#unroll j 0..$LOADS_W
#if W_PART
        if (at$j < BK4 * 4u * BN4) { ws[at$j] = vw$j; }
#else
        ws[at$j] = vw$j;
#end
#end
        workgroupBarrier();
        for (var kk = 0u; kk < BK4; kk += 1u) {
#unroll i 0..$TM
            let a$i = xs[kk * XS_ROW + id.y + $i * TY];
#end
#unroll q 0..4
#unroll j 0..$TN4
            let b$q$j = ws[(kk * 4u + $q) * BN4 + id.x + $j * TX];
#unroll i 0..$TM
            acc[$i * $TN4 + $j] = fma(vec4<f32>(a$i[$q]), b$q$j, acc[$i * $TN4 + $j]);
#end
#end
#end
        }
        workgroupBarrier();
    }

    // A loop, not text: drivers take long to compile many guarded loads and stores. Only the choice of the row is
    // spelled out, since registers cannot be indexed.
#unroll j 0..$TN4
    let c$j = bn + id.x + $j * TX;
    var add$j = vec4<f32>(0.0);
#if BIAS
    if (c$j < OUT_C4) { add$j = bias[c$j]; }
#end
#if PER_SAMPLE
#if ONE_SAMPLE
    if (c$j < OUT_C4) { add$j += per_sample[bm / OUT_HW * OUT_C4 + c$j]; }
#end
#end
#end
    for (var i = 0u; i < $TM; i += 1u) {
        let m = bm + id.y + i * TY;
        if (m >= M) { break; }
#unroll j 0..$TN4
        {
            var v = acc[$j];
#unroll r 1..$TM
            if (i == $r) { v = acc[$r * $TN4 + $j]; }
#end
            if (c$j < OUT_C4) {
                v += add$j;
#if PER_SAMPLE
#if ONE_SAMPLE == 0
                v += per_sample[m / OUT_HW * OUT_C4 + c$j];
#end
#end
#if RESIDUAL
                v += residual[m * OUT_C4 + c$j];
#end
                y[y0 + m * OUT_C4 + c$j] = SCALE * v;
            }
        }
#end
    }
}
