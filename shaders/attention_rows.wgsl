// out[i] = (log sum_j exp(q_i . k_j / sqrt(D)), dout_i . out_i), for every sample, head and query i; j runs over all L pixels
//
// in0: (N,H,W,3C) rows [q | k | v]; in1: dout and in2: the forward pass's out, both (N,H,W,C).
// out: (N,H,W,2*HEADS), rows of ROWS_ROW floats: the logarithm of every head, then the product of every head.
// Grid: (ceil(L / BQ), HEADS, N); the tile of a workgroup is lib/attention_tile.wgsl's, the other rows being keys. SCALE =
// log2(e) / sqrt(D): a thread keeps the maximum of its own keys' scores in units of log2, and their sum relative to it (online
// softmax, Milakov and Gimelshein 2018); the eight shares of a row are joined at the end.
#include lib/attention_tile.wgsl
#if ALIGNED
@group(0) @binding($BIND_IN2) var<storage, read> in2: array<vec4<f32>>;
fn load_out(pixel: u32, head: u32, dv: u32) -> vec4<f32> { return in2[pixel * (OUT_ROW / 4u) + head * (D / 4u) + dv]; }
#else
@group(0) @binding($BIND_IN2) var<storage, read> in2: array<f32>;
// Channels past D are another head's; they meet zeros of dout.
fn load_out(pixel: u32, head: u32, dv: u32) -> vec4<f32> {
    let at = pixel * OUT_ROW + head * D + min(vec4<u32>(dv * 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(D - 1u));
    return vec4<f32>(in2[at.x], in2[at.y], in2[at.z], in2[at.w]);
}
#end
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<f32>;
// Below any score, and far enough from it that 2^(LOW - score) is 0.
const LOW: f32 = -1e30;
var<workgroup> tops: array<f32, BQ * 8u>;
var<workgroup> sums: array<f32, BQ * 8u>;
var<workgroup> dots: array<f32, BQ * 8u>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let head = wg.y;
    let first = wg.z * L;
    let q0 = wg.x * BQ;
    let tx = thread % 8u;
    let ty = thread / 8u;
    var m: array<f32, RQ>;
    var l: array<f32, RQ>;
#unroll r 0..$RQ
    m[$r] = LOW;
    l[$r] = 0.0;
#end
    for (var k0 = 0u; k0 < L; k0 += 32u) {
        var s: array<vec4<f32>, RQ>;
        products(&s, QUERY, q0, KEY, k0, first, head, thread);
        let real = there(k0, tx);
#unroll r 0..$RQ
        {
            let score = select(vec4<f32>(LOW), s[$r] * SCALE, real);
            let top = max(max(m[$r], max(score.x, score.y)), max(score.z, score.w));
            let p = exp2(score - top);
            l[$r] = l[$r] * exp2(m[$r] - top) + ((p.x + p.y) + (p.z + p.w));
            m[$r] = top;
        }
#end
    }
#unroll r 0..$RQ
    {
        let row = ty + TY * $r;
        let pixel = first + min(q0 + row, L - 1u);
        var product = 0.0;
        for (var dv = tx; dv < DV; dv += 8u) { product += dot(load(pixel, DOUT, head, dv), load_out(pixel, head, dv)); }
        tops[row * 8u + tx] = m[$r];
        sums[row * 8u + tx] = l[$r];
        dots[row * 8u + tx] = product;
    }
#end
    workgroupBarrier();
    if (thread < BQ && q0 + thread < L) {
        var top = LOW;
        for (var i = 0u; i < 8u; i++) { top = max(top, tops[thread * 8u + i]); }
        var sum = 0.0;
        var product = 0.0;
        for (var i = 0u; i < 8u; i++) {
            // A thread without a key of its own has LOW, and its share is none.
            sum += sums[thread * 8u + i] * exp2(tops[thread * 8u + i] - top);
            product += dots[thread * 8u + i];
        }
        let at = (first + q0 + thread) * ROWS_ROW;
        out[at + head] = (top + log2(sum)) * LN_2;
        out[at + HEADS + head] = product;
        if (head == HEADS - 1u) {
            for (var i = 2u * HEADS; i < ROWS_ROW; i++) { out[at + i] = 0.0; }
        }
    }
}
