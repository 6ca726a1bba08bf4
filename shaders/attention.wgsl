// out[i] = sum_j softmax_j(q_i . k_j / sqrt(D)) v_j, for every sample, head and query i; j runs over all L pixels
//
// in0: (N,H,W,3C) rows [q | k | v], each C = HEADS*D wide, heads contiguous. ALIGNED: D is a multiple of four and the
//      buffers are vec4s; else floats, and a vec4 is gathered with zeros past D.
// out: (N,H,W,C).
// Grid: (ceil(L / BQ), HEADS*PARTS, N). A workgroup of 8*TY threads owns BQ queries of a head and one of PARTS slices
// of at most 512 output channels (so PARTS = 1 up to D = 512; beyond, every slice recomputes the scores).
//
//                     32 keys                          NC chunks of 8 vec4s
//             tx:  0    1  ...  7                   tx:  0  1 ... 7 | 0  1 ... 7 |
//           +----+----+-----+----+                    +--+--+---+--+-----------+
//    ty  0  |vec4|    |     |    |  row ty + TY*r     |v4|  |   |  |           |
//        1  |    |    |     |    |  of BQ = TY*RQ     |  |  |   |  |           |
//       ... |     scores (s)     |                    |    output (o)          |
//           +----+----+-----+----+                    +--+--+---+--+-----------+
//
// A thread holds the scores of RQ queries against four neighbouring keys and RQ*NC vec4s of their outputs. The head's
// width is walked in chunks of SV vec4s of Q and K that pass through shared memory; the odd row length SPAD and the
// order of the keys in it spread the reads over the banks. V is read where it lies. Online softmax (Milakov and
// Gimelshein 2018; Dao et al. 2022): m is the running maximum in units of log2, l each thread's share of the running sum.
#const L
#const HEADS
#const D
#const C
#const DV
#const ROW
#const OUT_ROW
#const PARTS
#const SV
#const SPAD
#const S_CHUNKS
#const TY
#const RQ
#const NC
#const SCALE
const BQ: u32 = TY * RQ;
const THREADS: u32 = 8u * TY;
// Below any score, and far enough from it that 2^(LOW - score) is 0.
const LOW: f32 = -1e30;
const PART: u32 = 128u;
var<workgroup> qs: array<vec4<f32>, BQ * SPAD>;
var<workgroup> ks: array<vec4<f32>, 32u * SPAD>;
var<workgroup> ps: array<vec4<f32>, BQ * 9u>;
var<workgroup> row_max: array<f32, BQ * 8u>;

#if ALIGNED
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;
// Four channels of q (which = 0), k (1) or v (2): the dv-th vec4 of a head in a pixel's row.
fn load(pixel: u32, which: u32, head: u32, dv: u32) -> vec4<f32> {
    return in0[pixel * (ROW / 4u) + (which * C + head * D) / 4u + dv];
}
fn store(pixel: u32, head: u32, dv: u32, v: vec4<f32>) { out[pixel * (OUT_ROW / 4u) + head * (D / 4u) + dv] = v; }
#else
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<f32>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<f32>;
fn load(pixel: u32, which: u32, head: u32, dv: u32) -> vec4<f32> {
    let at = pixel * ROW + which * C + head * D + dv * 4u;
    var v = vec4<f32>(in0[at], 0.0, 0.0, 0.0);
    if (dv * 4u + 1u < D) { v.y = in0[at + 1u]; }
    if (dv * 4u + 2u < D) { v.z = in0[at + 2u]; }
    if (dv * 4u + 3u < D) { v.w = in0[at + 3u]; }
    return v;
}
fn store(pixel: u32, head: u32, dv: u32, v: vec4<f32>) {
    let at = pixel * OUT_ROW + head * D + dv * 4u;
    out[at] = v.x;
    if (dv * 4u + 1u < D) { out[at + 1u] = v.y; }
    if (dv * 4u + 2u < D) { out[at + 2u] = v.z; }
    if (dv * 4u + 3u < D) { out[at + 3u] = v.w; }
}
#end

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let head = wg.y / PARTS;
    let part = wg.y % PARTS;
    let first = wg.z * L;
    let q0 = wg.x * BQ;
    let tx = thread % 8u;
    let ty = thread / 8u;
    var o: array<vec4<f32>, RQ * NC>;
    var m: array<f32, RQ>;
    var l: array<f32, RQ>;
    var alpha: array<f32, RQ>;
#unroll r 0..$RQ
    m[$r] = LOW;
    l[$r] = 0.0;
#end
    for (var i = 0u; i < RQ * NC; i++) { o[i] = vec4<f32>(0.0); }

    for (var k0 = 0u; k0 < L; k0 += 32u) {
        // Scores of this thread: RQ queries, the keys k0 + 4*tx + (0, 1, 2, 3).
        var s: array<vec4<f32>, RQ>;
#unroll r 0..$RQ
        s[$r] = vec4<f32>(0.0);
#end
        for (var chunk = 0u; chunk < S_CHUNKS; chunk++) {
            workgroupBarrier();
            for (var i = thread; i < BQ * SV; i += THREADS) {
                let dv = chunk * SV + i % SV;
                var v = vec4<f32>(0.0);
                if (q0 + i / SV < L && dv < DV) { v = load(first + q0 + i / SV, 0u, head, dv) * SCALE; }
                qs[(i / SV) * SPAD + i % SV] = v;
            }
            for (var i = thread; i < 32u * SV; i += THREADS) {
                let key = i / SV;
                let dv = chunk * SV + i % SV;
                var v = vec4<f32>(0.0);
                if (k0 + key < L && dv < DV) { v = load(first + k0 + key, 1u, head, dv); }
                // Key 4*tx + j lies in row j*8 + tx: the eight tx read eight rows that follow each other.
                ks[((key % 4u) * 8u + key / 4u) * SPAD + i % SV] = v;
            }
            workgroupBarrier();
            for (var dv = 0u; dv < SV; dv++) {
                let a = ks[tx * SPAD + dv];
                let b = ks[(tx + 8u) * SPAD + dv];
                let c = ks[(tx + 16u) * SPAD + dv];
                let d = ks[(tx + 24u) * SPAD + dv];
#unroll r 0..$RQ
                {
                    let q = qs[(ty + TY * $r) * SPAD + dv];
                    s[$r] += vec4<f32>(dot(q, a), dot(q, b), dot(q, c), dot(q, d));
                }
#end
            }
        }
        // Keys past the end get no weight.
        let real = vec4<u32>(k0 + tx * 4u) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(L);
#unroll r 0..$RQ
        s[$r] = select(vec4<f32>(LOW), s[$r], real);
        row_max[(ty + TY * $r) * 8u + tx] = max(max(s[$r].x, s[$r].y), max(s[$r].z, s[$r].w));
#end
        workgroupBarrier();
#unroll r 0..$RQ
        {
            var top = m[$r];
            for (var i = 0u; i < 8u; i++) { top = max(top, row_max[(ty + TY * $r) * 8u + i]); }
            alpha[$r] = exp2(m[$r] - top);
            m[$r] = top;
            let p = exp2(s[$r] - top);
            l[$r] = l[$r] * alpha[$r] + ((p.x + p.y) + (p.z + p.w));
            ps[(ty + TY * $r) * 9u + tx] = p;
        }
#end
#unroll c 0..$NC
#unroll r 0..$RQ
        o[$c * RQ + $r] *= alpha[$r];
#end
#end
        workgroupBarrier();
        // Four keys a turn. V comes straight from memory: the eight tx read a line together, and every ty reads the same
        // one. A key past the end has weight 0 and a channel past it is not stored, so both may read anything finite.
        for (var j = 0u; j < 8u; j++) {
            let k = min(vec4<u32>(k0 + j * 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(L - 1u)) + first;
            var p: array<vec4<f32>, RQ>;
#unroll r 0..$RQ
            p[$r] = ps[(ty + TY * $r) * 9u + j];
#end
#unroll c 0..$NC
            {
                let dv = min(part * PART + $c * 8u + tx, DV - 1u);
                let a = load(k.x, 2u, head, dv);
                let b = load(k.y, 2u, head, dv);
                let c = load(k.z, 2u, head, dv);
                let d = load(k.w, 2u, head, dv);
#unroll r 0..$RQ
                o[$c * RQ + $r] += p[$r].x * a + p[$r].y * b + p[$r].z * c + p[$r].w * d;
#end
            }
#end
        }
    }

    // The row's sum: eight shares.
    workgroupBarrier();
#unroll r 0..$RQ
    row_max[(ty + TY * $r) * 8u + tx] = l[$r];
#end
    workgroupBarrier();
#unroll r 0..$RQ
    {
        let query = q0 + ty + TY * $r;
        var total = 0.0;
        for (var i = 0u; i < 8u; i++) { total += row_max[(ty + TY * $r) * 8u + i]; }
        if (query < L) {
#unroll c 0..$NC
            {
                let dv = part * PART + $c * 8u + tx;
                if (dv < DV) { store(first + query, head, dv, o[$c * RQ + $r] / total); }
            }
#end
        }
    }
#end
#if ALIGNED
#else
    if (wg.y == HEADS * PARTS - 1u && thread < BQ && q0 + thread < L) {
        for (var i = C; i < OUT_ROW; i++) { out[(first + q0 + thread) * OUT_ROW + i] = 0.0; }
    }
#end
}
