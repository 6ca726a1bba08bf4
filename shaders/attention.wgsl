// out[i] = sum_j softmax_j(q_i . k_j / sqrt(D)) v_j, for every sample, head and query i; j runs over all L pixels
//
// in0: (N,H,W,3C) rows [q | k | v], each C = HEADS*D wide, heads contiguous. ALIGNED: D is a multiple of four and the
//      buffers are vec4s; else floats, and a vec4 is gathered with zeros past D.
// out: (N,H,W,C).
// Grid: (ceil(L / BQ), HEADS*PARTS, N). A workgroup of TX*TY threads owns BQ queries of a head and one of PARTS slices
// of at most 4*PART output channels (so PARTS = 1 up to D = 4*PART; beyond, every slice recomputes the scores).
//
//                  NK = TX*KEYS keys                   NC chunks of TX vec4s
//             tx:  0    1  ... TX-1                 tx:  0  1 ... TX-1 | 0 1 ...
//           +----+----+-----+----+                    +--+--+---+--+-----------+
//    ty  0  |KEYS|    |     |    |  row ty + TY*r     |v4|  |   |  |           |
//        1  |    |    |     |    |  of BQ = TY*RQ     |  |  |   |  |           |
//       ... |     scores (s)     |                    |    output (o)          |
//           +----+----+-----+----+                    +--+--+---+--+-----------+
//
// A thread holds the scores of RQ queries against KEYS neighbouring keys and RQ*NC vec4s of their outputs. All that is read
// passes through shared memory, its loads clamped to what is there instead of behind branches, so that they are on their
// way together. WHOLE: the keys and values of a turn as a whole, side by side. Else the head's width in chunks: SV vec4s of
// the keys (and, without Q_ONCE, of the queries), then, in the same place, TX vec4s of the values. The odd row length SPAD
// and the order of the keys spread the reads over the banks. Online softmax (Milakov and Gimelshein 2018; Dao et al. 2022):
// m is the running maximum in units of log2, l each thread's share of the running sum.
#const L
#const HEADS
#const D
#const C
#const DV
#const ROW
#const OUT_ROW
#const PARTS
#const PART
#const SV
#const SPAD
#const S_CHUNKS
#const TX
#const TY
#const RQ
#const NC
#const KEYS
#const Q_ROW
#const STAGE
#const SCALE
const BQ: u32 = TY * RQ;
const THREADS: u32 = TX * TY;
// One vec$LANES more a row keeps the rows' reads in different banks.
const P_ROW: u32 = TX + 1u;
// Below any score, and far enough from it that 2^(LOW - score) is 0.
const LOW: f32 = -1e30;
const NK: u32 = TX * KEYS;
const V_ROW: u32 = NC * TX;
var<workgroup> qs: array<vec4<f32>, BQ * Q_ROW>;
// Keys, or values.
var<workgroup> ks: array<vec4<f32>, STAGE>;
#if WHOLE
var<workgroup> vs: array<vec4<f32>, NK * V_ROW>;
#end
var<workgroup> ps: array<vec$LANES<f32>, BQ * P_ROW>;
var<workgroup> row_max: array<f32, BQ * TX>;

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
    let k = vec4<u32>(dv * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    // A channel past the head's is read at its last one and then dropped.
    let at = pixel * ROW + which * C + head * D + min(k, vec4<u32>(D - 1u));
    return select(vec4<f32>(0.0), vec4<f32>(in0[at.x], in0[at.y], in0[at.z], in0[at.w]), k < vec4<u32>(D));
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
    let tx = thread % TX;
    let ty = thread / TX;
    var o: array<vec4<f32>, RQ * NC>;
    var m: array<f32, RQ>;
    var l: array<f32, RQ>;
#unroll r 0..$RQ
    m[$r] = LOW;
    l[$r] = 0.0;
#end
#unroll i 0..$OUTS
    o[$i] = vec4<f32>(0.0);
#end

#if Q_ONCE
    for (var i = thread; i < BQ * DV; i += THREADS) {
        qs[i / DV * Q_ROW + i % DV] = load(first + min(q0 + i / DV, L - 1u), 0u, head, i % DV) * SCALE;
    }
#end

    for (var k0 = 0u; k0 < L; k0 += NK) {
        // Scores of this thread: RQ queries, the keys k0 + KEYS*tx + (0, 1, ...).
#unroll r 0..$RQ
        var s$r = vec$LANES<f32>(0.0);
#end
        for (var chunk = 0u; chunk < S_CHUNKS; chunk++) {
            workgroupBarrier();
#unroll i 0..$LOADS_K
            let ik$i = min(thread + $i * THREADS, NK * SV - 1u);
            let vk$i = load(first + min(k0 + ik$i / SV, L - 1u), 1u, head, min(chunk * SV + ik$i % SV, DV - 1u));
#end
#if WHOLE
#unroll i 0..$LOADS_V
            let iv$i = thread + $i * THREADS;
            let vv$i = load(first + min(k0 + iv$i / V_ROW, L - 1u), 2u, head, min(part * PART + iv$i % V_ROW, DV - 1u));
#end
#end
#if Q_ONCE == 0
            for (var i = thread; i < BQ * SV; i += THREADS) {
                // Zeros past the head's width make whatever stands in the keys there count for nothing.
                let dv = chunk * SV + i % SV;
                let q = load(first + min(q0 + i / SV, L - 1u), 0u, head, min(dv, DV - 1u));
                qs[i / SV * Q_ROW + i % SV] = select(vec4<f32>(0.0), q * SCALE, dv < DV);
            }
#end
            // Key KEYS*tx + j lies in row j*TX + tx: neighbours in a row of threads read rows that follow each other.
#unroll i 0..$LOADS_K
#if K_PART
            if (thread + $i * THREADS < NK * SV)
#end
            { ks[(ik$i / SV % KEYS * TX + ik$i / SV / KEYS) * SPAD + ik$i % SV] = vk$i; }
#end
#if WHOLE
#unroll i 0..$LOADS_V
#if V_PART
            if (iv$i < NK * V_ROW)
#end
            { vs[iv$i] = vv$i; }
#end
#end
            workgroupBarrier();
#if Q_ONCE
            let q_at = ty * Q_ROW + chunk * SV;
            let width = min(SV, DV - chunk * SV);
#else
            let q_at = ty * Q_ROW;
            const width = SV;
#end
            for (var dv = 0u; dv < width; dv++) {
#unroll j 0..$KEYS
                let k$j = ks[(tx + $j * TX) * SPAD + dv];
#end
#unroll r 0..$RQ
                let q$r = qs[q_at + $r * TY * Q_ROW + dv];
#unroll j 0..$KEYS
                s$r[$j] = fma(q$r.x, k$j.x, fma(q$r.y, k$j.y, fma(q$r.z, k$j.z, fma(q$r.w, k$j.w, s$r[$j]))));
#end
#end
            }
        }
        // Keys past the end get no weight.
#unroll j 0..$KEYS
        let real$j = k0 + tx * KEYS + $j < L;
#end
#unroll r 0..$RQ
        var top$r = LOW;
#unroll j 0..$KEYS
        s$r[$j] = select(LOW, s$r[$j], real$j);
        top$r = max(top$r, s$r[$j]);
#end
#if KEYS == 1
        s$r[1] = LOW;
#end
        row_max[(ty + TY * $r) * TX + tx] = top$r;
#end
        workgroupBarrier();
#unroll r 0..$RQ
        {
            var top = m[$r];
            for (var i = 0u; i < TX; i++) { top = max(top, row_max[(ty + TY * $r) * TX + i]); }
            let alpha = exp2(m[$r] - top);
            m[$r] = top;
            let p = exp2(s$r - top);
            l[$r] = fma(l[$r], alpha, dot(p, vec$LANES<f32>(1.0)));
            ps[(ty + TY * $r) * P_ROW + tx] = p;
#unroll c 0..$NC
            o[$c * RQ + $r] *= alpha;
#end
        }
#end
#if WHOLE
        workgroupBarrier();
#end
        // A key past the end has weight 0 and a channel past it is not stored, so both may be anything finite.
#unroll c 0..$NC
#if WHOLE == 0
        workgroupBarrier();
#unroll i 0..$LOADS_V
        let v$c$i = load(first + min(k0 + (thread + $i * THREADS) / TX, L - 1u), 2u, head,
            min(part * PART + $c * TX + tx, DV - 1u));
#end
#unroll i 0..$LOADS_V
#if V_PART
        if (thread + $i * THREADS < NK * TX)
#end
        { ks[thread + $i * THREADS] = v$c$i; }
#end
        workgroupBarrier();
        for (var j = 0u; j < TX; j++) {
#unroll k 0..$KEYS
            let v$k = ks[(j * KEYS + $k) * TX + tx];
#end
#unroll r 0..$RQ
            let p$r = ps[(ty + TY * $r) * P_ROW + j];
#unroll k 0..$KEYS
            o[$c * RQ + $r] = fma(vec4<f32>(p$r[$k]), v$k, o[$c * RQ + $r]);
#end
#end
        }
#end
#end
#if WHOLE
        for (var j = 0u; j < TX; j++) {
#unroll r 0..$RQ
            let p$r = ps[(ty + TY * $r) * P_ROW + j];
#end
#unroll k 0..$KEYS
#unroll c 0..$NC
            {
                let v = vs[(j * KEYS + $k) * V_ROW + $c * TX + tx];
#unroll r 0..$RQ
                o[$c * RQ + $r] = fma(vec4<f32>(p$r[$k]), v, o[$c * RQ + $r]);
#end
            }
#end
#end
        }
#end
    }

    // The row's sum: a share for each tx.
    workgroupBarrier();
#unroll r 0..$RQ
    row_max[(ty + TY * $r) * TX + tx] = l[$r];
#end
    workgroupBarrier();
#unroll r 0..$RQ
    {
        let query = q0 + ty + TY * $r;
        var total = 0.0;
        for (var i = 0u; i < TX; i++) { total += row_max[(ty + TY * $r) * TX + i]; }
        if (query < L) {
#unroll c 0..$NC
            {
                let dv = part * PART + $c * TX + tx;
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
