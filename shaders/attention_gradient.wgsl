// With P_ij = exp(q_i . k_j / sqrt(D) - log_i) and dS_ij = P_ij (dout_i . v_j - delta_i), for every sample and head:
//
//   dq_i = sum_j dS_ij k_j / sqrt(D)      dk_j = sum_i dS_ij q_i / sqrt(D)      dv_j = sum_i P_ij dout_i
//
// in0: (N,H,W,3C) rows [q | k | v]; in1: dout, (N,H,W,C); in2: rows of ROWS_ROW floats, log of every head, then delta of every
// head (attention_rows.wgsl). out: (N,H,W,3C) rows [dq | dk | dv].
// Grid: (ceil(L / BQ), 3*HEADS*PARTS, N). A workgroup makes one of the three gradients for BQ rows of a head, and of that one of
// PARTS slices of at most 512 channels (beyond D = 512 every slice computes the weights again). Its tile of weights is
// lib/attention_tile.wgsl's: of dq the own rows are queries and the others keys, of dk and dv the other way round. A thread holds
// the weights of RQ own rows and four others, which then pass through shared memory, and RQ*NC vec4s of the gradient.
// SCALE = log2(e) / sqrt(D).
#include lib/attention_tile.wgsl
@group(0) @binding($BIND_IN2) var<storage, read> in2: array<f32>;
#if ALIGNED
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;
fn store(pixel: u32, what: u32, head: u32, dv: u32, v: vec4<f32>) {
    out[pixel * (ROW / 4u) + (what * C + head * D) / 4u + dv] = v;
}
#else
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<f32>;
fn store(pixel: u32, what: u32, head: u32, dv: u32, v: vec4<f32>) {
    let at = pixel * ROW + what * C + head * D + dv * 4u;
    out[at] = v.x;
    if (dv * 4u + 1u < D) { out[at + 1u] = v.y; }
    if (dv * 4u + 2u < D) { out[at + 2u] = v.z; }
    if (dv * 4u + 3u < D) { out[at + 3u] = v.w; }
}
#end
var<workgroup> weights: array<vec4<f32>, BQ * 9u>;

// The two numbers of a query.
fn of_query(pixel: u32, head: u32) -> vec2<f32> {
    return vec2<f32>(in2[pixel * ROWS_ROW + head] * LOG2_E, in2[pixel * ROWS_ROW + HEADS + head]);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let what = wg.y / (HEADS * PARTS);
    let head = wg.y / PARTS % HEADS;
    let part = wg.y % PARTS;
    let first = wg.z * L;
    let row0 = wg.x * BQ;
    let tx = thread % 8u;
    let ty = thread / 8u;
    let queries = what == QUERY;
    let own = select(KEY, QUERY, queries);
    let other = select(QUERY, KEY, queries);
    let own_d = select(VALUE, DOUT, queries);
    let other_d = select(DOUT, VALUE, queries);
    // What the weights are summed with.
    let summed = select(other, DOUT, what == VALUE);
    var o: array<vec4<f32>, RQ * NC>;
    for (var i = 0u; i < RQ * NC; i++) { o[i] = vec4<f32>(0.0); }

    for (var other0 = 0u; other0 < L; other0 += 32u) {
        var s: array<vec4<f32>, RQ>;
        var d: array<vec4<f32>, RQ>;
        products(&s, own, row0, other, other0, first, head, thread);
        if (what != VALUE) { products(&d, own_d, row0, other_d, other0, first, head, thread); }
        let real = there(other0, tx);
        let four = min(vec4<u32>(other0 + tx * 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(L - 1u)) + first;
        var logs: vec4<f32>;
        var delta: vec4<f32>;
        if (!queries) {
            let a = of_query(four.x, head);
            let b = of_query(four.y, head);
            let c = of_query(four.z, head);
            let e = of_query(four.w, head);
            logs = vec4<f32>(a.x, b.x, c.x, e.x);
            delta = vec4<f32>(a.y, b.y, c.y, e.y);
        }
#unroll r 0..$RQ
        {
            let row = ty + TY * $r;
            if (queries) {
                let a = of_query(first + min(row0 + row, L - 1u), head);
                logs = vec4<f32>(a.x);
                delta = vec4<f32>(a.y);
            }
            var p = exp2(s[$r] * SCALE - logs);
            if (what != VALUE) { p *= d[$r] - delta; }
            // Rows past the end get no weight.
            weights[row * 9u + tx] = select(vec4<f32>(0.0), p, real);
        }
#end
        workgroupBarrier();
        // Four rows a turn, straight from memory: the eight tx read a line together, and every ty reads the same one. A row past
        // the end has weight 0 and a channel past it is not stored, so both may read anything finite.
        for (var j = 0u; j < 8u; j++) {
            let k = min(vec4<u32>(other0 + j * 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(L - 1u)) + first;
            var p: array<vec4<f32>, RQ>;
#unroll r 0..$RQ
            p[$r] = weights[(ty + TY * $r) * 9u + j];
#end
#unroll c 0..$NC
            {
                let dv = min(part * PART + $c * 8u + tx, DV - 1u);
                let a = load(k.x, summed, head, dv);
                let b = load(k.y, summed, head, dv);
                let c = load(k.z, summed, head, dv);
                let e = load(k.w, summed, head, dv);
#unroll r 0..$RQ
                o[$c * RQ + $r] += p[$r].x * a + p[$r].y * b + p[$r].z * c + p[$r].w * e;
#end
            }
#end
        }
    }

    let factor = select(SCALE * LN_2, 1.0, what == VALUE);
#unroll r 0..$RQ
    {
        let row = row0 + ty + TY * $r;
        if (row < L) {
#unroll c 0..$NC
            {
                let dv = part * PART + $c * 8u + tx;
                if (dv < DV) { store(first + row, what, head, dv, o[$c * RQ + $r] * factor); }
            }
#end
        }
    }
#end
#if ALIGNED
#else
    if (wg.y == 3u * HEADS * PARTS - 1u && thread < BQ && row0 + thread < L) {
        for (var i = 3u * C; i < ROW; i++) { out[(first + row0 + thread) * ROW + i] = 0.0; }
    }
#end
}
