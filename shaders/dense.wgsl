// C = A * B, the three products of a linear layer that is trained: matrices of f32 anywhere in their buffers.
//
// A(r, k) = in0[r * A_ROW + k * A_COL], B(k, c) = in1[k * B_ROW + c * B_COL]; out C: M rows of OUT_PAD floats, zero from column N
// on. BIAS: row K of B is added to every row of C. ONES: row M - 1 of A is all ones, so that the last row of C has B's sums.
// Grid: the tiles of 32 x 32, folded over x and y. A group of 16 x 16 threads makes one, 2 x 2 values a thread, 32 k at a time:
//
//             B tile            value (i, j) of thread (tx, ty) is row ty + 16 i, column tx + 16 j
//            +------+
//   A tile   | k    |           both tiles lie in workgroup memory, with one float more a row against bank conflicts
//   +------+ +------+
//   |    k | |C tile|
//   +------+ +------+
#const M
#const N
#const K
#const A_ROW
#const A_COL
#const B_ROW
#const B_COL
#const OUT_PAD
#const TILES
#const TILES_N
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<f32>;
@group(0) @binding($BIND_IN1) var<storage, read> in1: array<f32>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<f32>;

var<workgroup> at: array<array<f32, 33>, 32>;
var<workgroup> bt: array<array<f32, 33>, 32>;

fn a(r: u32, k: u32) -> f32 {
    if (r >= M || k >= K) { return 0.0; }
#if ONES
    if (r == M - 1u) { return 1.0; }
#end
    return in0[r * A_ROW + k * A_COL];
}

fn b(k: u32, c: u32) -> f32 {
    if (k >= K || c >= N) { return 0.0; }
    return in1[k * B_ROW + c * B_COL];
}

@compute @workgroup_size(16, 16)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) id: vec3<u32>,
) {
    let tile = wg.y * groups.x + wg.x;
    if (tile >= TILES) { return; }
    let r0 = tile / TILES_N * 32u;
    let c0 = tile % TILES_N * 32u;
    var sum = array<f32, 4>(0.0, 0.0, 0.0, 0.0);
    for (var k0 = 0u; k0 < K; k0 += 32u) {
        for (var i = 0u; i < 2u; i++) {
            for (var j = 0u; j < 2u; j++) {
                let y = id.y + 16u * i;
                let x = id.x + 16u * j;
                // Threads side by side read what lies side by side.
#if A_COL == 1
                at[y][x] = a(r0 + y, k0 + x);
#else
                at[x][y] = a(r0 + x, k0 + y);
#end
#if B_COL == 1
                bt[y][x] = b(k0 + y, c0 + x);
#else
                bt[x][y] = b(k0 + x, c0 + y);
#end
            }
        }
        workgroupBarrier();
        for (var k = 0u; k < 32u; k++) {
            for (var i = 0u; i < 2u; i++) {
                for (var j = 0u; j < 2u; j++) {
                    sum[i * 2u + j] += at[id.y + 16u * i][k] * bt[k][id.x + 16u * j];
                }
            }
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < 2u; i++) {
        for (var j = 0u; j < 2u; j++) {
            let r = r0 + id.y + 16u * i;
            let c = c0 + id.x + 16u * j;
            if (r < M && c < OUT_PAD) {
                var v = sum[i * 2u + j];
#if BIAS
                if (c < N) { v += in1[K * B_ROW + c * B_COL]; }
#end
                out[r * OUT_PAD + c] = v;
            }
        }
    }
}
