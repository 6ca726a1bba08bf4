// out[n] = the K smallest |x_n - r_m|^2 over all rows m, ascending
//
// in0 x: (QUERIES,1,1,D), in1 r: (ROWS,1,1,D), CV vec4s a row, zeros in their padding. out: (QUERIES,1,1,K), KP floats a
// row, zeros in the padding. Direct differences: a row equal to the query gives 0 exactly.
// Grid: ceil(QUERIES / 64) groups folded over x and y. A thread has one query; the four threads of a query share the rows
// of a tile, keep a sorted list each, and merge their lists at the end:
//
//                  16 vec4s of D at a time
//                +-------------------------+
//   rows  0.. 7  |        id.y = 0         |   64 queries (id.x) read each value
//   rows  8..15  |        id.y = 1         |
//   rows 16..23  |        id.y = 2         |
//   rows 24..31  |        id.y = 3         |
//                +-------------------------+
#const QUERIES
#const ROWS
#const CV
#const K
#const KP
@group(0) @binding($BIND_IN0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding($BIND_IN1) var<storage, read> r: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<f32>;

var<workgroup> tile: array<vec4<f32>, 512>;
var<workgroup> lists: array<f32, $LISTS>;

// Puts v, smaller than the last, into its place in a sorted list; the last is lost. Returns the new last. Rows that get
// here are few, so the list need not lie in registers.
fn insert(best: ptr<function, array<f32, K>>, v: f32) -> f32 {
    var i = K - 1u;
    while (i > 0u) {
        let before = (*best)[i - 1u];
        if (before <= v) { break; }
        (*best)[i] = before;
        i--;
    }
    (*best)[i] = v;
    return (*best)[K - 1u];
}

@compute @workgroup_size(64, 4)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) id: vec3<u32>,
) {
    let first = (wg.y * groups.x + wg.x) * 64u;
    if (first >= QUERIES) { return; }
    // Threads past the last query repeat it and write nothing.
    let n = min(first + id.x, QUERIES - 1u);
    var best: array<f32, K>;
    var worst = 3.4028235e38;
    for (var i = 0u; i < K; i++) { best[i] = worst; }
    for (var m = 0u; m < ROWS; m += 32u) {
        var d: array<f32, 8>;
#unroll i 0..8
        d[$i] = 0.0;
#end
        for (var c0 = 0u; c0 < CV; c0 += 16u) {
            workgroupBarrier();
            for (var s = id.y * 64u + id.x; s < 512u; s += 256u) {
                let row = m + s / 16u;
                let c = c0 + s % 16u;
                if (row < ROWS && c < CV) { tile[s] = r[row * CV + c]; }
            }
            workgroupBarrier();
            let end = min(16u, CV - c0);
            for (var c = 0u; c < end; c++) {
                let q = x[n * CV + c0 + c];
                let at = id.y * 128u + c;
#unroll i 0..8
                let e$i = q - tile[at + $i * 16u];
                d[$i] += dot(e$i, e$i);
#end
            }
        }
        let here = min(ROWS - m, (id.y + 1u) * 8u);
        for (var i = id.y * 8u; i < here; i++) {
            if (d[i % 8u] < worst) { worst = insert(&best, d[i % 8u]); }
        }
    }
    for (var slice = 1u; slice < 4u; slice++) {
        workgroupBarrier();
        if (id.y == slice) {
            for (var i = 0u; i < K; i++) { lists[id.x * K + i] = best[i]; }
        }
        workgroupBarrier();
        if (id.y == 0u) {
            for (var i = 0u; i < K; i++) {
                let v = lists[id.x * K + i];
                if (v < worst) { worst = insert(&best, v); }
            }
        }
    }
    if (id.y == 0u && first + id.x < QUERIES) {
        for (var i = 0u; i < KP; i++) {
            if (i < K) { out[n * KP + i] = best[i]; } else { out[n * KP + i] = 0.0; }
        }
    }
}
