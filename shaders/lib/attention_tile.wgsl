// What the kernels of attention's gradient share: rows of [q | k | v] and of dout, and the products of a tile of them.
//
// in0: (N,H,W,3C) rows [q | k | v], each C = HEADS*D wide, heads contiguous. in1: dout, (N,H,W,C). ALIGNED: D is a multiple of
// four and both are vec4s; else floats, and a vec4 is gathered with zeros past D.
//
//                     32 other rows
//             tx:  0    1  ...  7           A workgroup of 8*TY threads owns BQ rows of a head; a thread has the products of
//           +----+----+-----+----+          RQ of them with four neighbouring others. The head's width is walked in chunks of
//    ty  0  |vec4|    |     |    |          SV vec4s that pass through shared memory; the odd row length SPAD and the order
//       ... | row ty + TY*r of BQ |         of the other rows in it spread the reads over the banks.
//           +----+----+-----+----+
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
#const ROWS_ROW
const BQ: u32 = TY * RQ;
const THREADS: u32 = 8u * TY;
const PART: u32 = 128u;
const LOG2_E: f32 = 1.4426950408889634;
const LN_2: f32 = 0.6931471805599453;
// What `load` takes rows of.
const QUERY: u32 = 0u;
const KEY: u32 = 1u;
const VALUE: u32 = 2u;
const DOUT: u32 = 3u;
var<workgroup> own_rows: array<vec4<f32>, BQ * SPAD>;
var<workgroup> other_rows: array<vec4<f32>, 32u * SPAD>;

#if ALIGNED
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding($BIND_IN1) var<storage, read> in1: array<vec4<f32>>;
// Four channels, the dv-th vec4 of a head in a pixel's row.
fn load(pixel: u32, what: u32, head: u32, dv: u32) -> vec4<f32> {
    if (what == DOUT) { return in1[pixel * (OUT_ROW / 4u) + head * (D / 4u) + dv]; }
    return in0[pixel * (ROW / 4u) + (what * C + head * D) / 4u + dv];
}
#else
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<f32>;
@group(0) @binding($BIND_IN1) var<storage, read> in1: array<f32>;
fn load(pixel: u32, what: u32, head: u32, dv: u32) -> vec4<f32> {
    let k = vec4<u32>(dv * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    // A channel past the head's is read at its last one and then dropped.
    let c = head * D + min(k, vec4<u32>(D - 1u));
    var v: vec4<f32>;
    if (what == DOUT) {
        let at = pixel * OUT_ROW + c;
        v = vec4<f32>(in1[at.x], in1[at.y], in1[at.z], in1[at.w]);
    } else {
        let at = pixel * ROW + what * C + c;
        v = vec4<f32>(in0[at.x], in0[at.y], in0[at.z], in0[at.w]);
    }
    return select(vec4<f32>(0.0), v, k < vec4<u32>(D));
}
#end

// The products of this thread's rows `own` with the rows `other` 4*tx + (0, 1, 2, 3), of the tiles that begin at the rows own0 and
// other0 of the sample whose first pixel is `first`; zero for rows past L. All threads of a workgroup come here together.
fn products(
    s: ptr<function, array<vec4<f32>, RQ>>,
    own: u32, own0: u32, other: u32, other0: u32,
    first: u32, head: u32, thread: u32,
) {
    let tx = thread % 8u;
    let ty = thread / 8u;
#unroll r 0..$RQ
    (*s)[$r] = vec4<f32>(0.0);
#end
    for (var chunk = 0u; chunk < S_CHUNKS; chunk++) {
        workgroupBarrier();
        for (var i = thread; i < BQ * SV; i += THREADS) {
            let row = own0 + i / SV;
            let dv = chunk * SV + i % SV;
            var v = vec4<f32>(0.0);
            if (row < L && dv < DV) { v = load(first + row, own, head, dv); }
            own_rows[(i / SV) * SPAD + i % SV] = v;
        }
        for (var i = thread; i < 32u * SV; i += THREADS) {
            let row = i / SV;
            let dv = chunk * SV + i % SV;
            var v = vec4<f32>(0.0);
            if (other0 + row < L && dv < DV) { v = load(first + other0 + row, other, head, dv); }
            // Row 4*tx + j lies in place j*8 + tx: the eight tx read eight places that follow each other.
            other_rows[((row % 4u) * 8u + row / 4u) * SPAD + i % SV] = v;
        }
        workgroupBarrier();
        for (var dv = 0u; dv < SV; dv++) {
            let a = other_rows[tx * SPAD + dv];
            let b = other_rows[(tx + 8u) * SPAD + dv];
            let c = other_rows[(tx + 16u) * SPAD + dv];
            let d = other_rows[(tx + 24u) * SPAD + dv];
#unroll r 0..$RQ
            {
                let q = own_rows[(ty + TY * $r) * SPAD + dv];
                (*s)[$r] += vec4<f32>(dot(q, a), dot(q, b), dot(q, c), dot(q, d));
            }
#end
        }
    }
}

// Which of the four other rows of a thread are there.
fn there(other0: u32, tx: u32) -> vec4<bool> {
    return vec4<u32>(other0 + tx * 4u) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(L);
}
