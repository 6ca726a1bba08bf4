// out[p] = the first k with the smallest (|z_p|^2 + |e_k|^2) - 2 z_p . e_k
//
// in0 z: (PIXELS,D), w0 e: (CODES,D), both CV vec4s a row with zeros in their padding. w1: |e|^2, one float a row.
// out: one vec4 a pixel, the number of the row in x, zeros in the padding.
// Grid: ceil(PIXELS / 64) groups folded over x and y. A thread has one pixel; the four threads of a pixel share the rows of a
// tile, and merge what they found at the end. All rows are summed in the same order, so that equal rows are equally near:
//
//                  16 vec4s of D at a time
//                +-------------------------+
//   rows  0.. 7  |        id.y = 0         |   64 pixels (id.x) read each value
//   rows  8..15  |        id.y = 1         |
//   rows 16..23  |        id.y = 2         |
//   rows 24..31  |        id.y = 3         |
//                +-------------------------+
#const PIXELS
#const CODES
#const CV
@group(0) @binding($BIND_IN0) var<storage, read> z: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding($BIND_W0) var<storage, read> e: array<vec4<f32>>;
@group(0) @binding($BIND_W1) var<storage, read> squares: array<f32>;

var<workgroup> tile: array<vec4<f32>, 512>;
var<workgroup> distances: array<f32, 256>;
var<workgroup> codes: array<u32, 256>;

@compute @workgroup_size(64, 4)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) id: vec3<u32>,
) {
    let first = (wg.y * groups.x + wg.x) * 64u;
    if (first >= PIXELS) { return; }
    // Threads past the last pixel repeat it and write nothing.
    let n = min(first + id.x, PIXELS - 1u);
    var square = 0.0;
    for (var c = 0u; c < CV; c++) {
        let q = z[n * CV + c];
        square += dot(q, q);
    }
    var least = 3.4028235e38;
    var found = 0u;
    for (var m = 0u; m < CODES; m += 32u) {
        var d: array<f32, 8>;
#unroll i 0..8
        d[$i] = 0.0;
#end
        for (var c0 = 0u; c0 < CV; c0 += 16u) {
            workgroupBarrier();
            for (var s = id.y * 64u + id.x; s < 512u; s += 256u) {
                let row = m + s / 16u;
                let c = c0 + s % 16u;
                if (row < CODES && c < CV) { tile[s] = e[row * CV + c]; }
            }
            workgroupBarrier();
            let end = min(16u, CV - c0);
            for (var c = 0u; c < end; c++) {
                let q = z[n * CV + c0 + c];
                let at = id.y * 128u + c;
#unroll i 0..8
                d[$i] += dot(q, tile[at + $i * 16u]);
#end
            }
        }
        let here = min(CODES - m, (id.y + 1u) * 8u);
        for (var i = id.y * 8u; i < here; i++) {
            let distance = (square + squares[m + i]) - 2.0 * d[i % 8u];
            if (distance < least) {
                least = distance;
                found = m + i;
            }
        }
    }
    let own = id.y * 64u + id.x;
    distances[own] = least;
    codes[own] = found;
    workgroupBarrier();
    if (id.y == 0u && first + id.x < PIXELS) {
        for (var slice = 1u; slice < 4u; slice++) {
            let other = distances[slice * 64u + id.x];
            let code = codes[slice * 64u + id.x];
            // The slices are not in the order of the rows.
            if (other < least || (other == least && code < found)) {
                least = other;
                found = code;
            }
        }
        out[first + id.x] = vec4<f32>(f32(found), 0.0, 0.0, 0.0);
    }
}
