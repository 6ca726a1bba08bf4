// a = gamma*rstd*(1 + s),  b = (beta - gamma*mean*rstd)*(1 + s) + h,  so that GroupNorm(x)*(1 + s) + h = a*x + b
// mean, rstd = 1/sqrt(var + eps) over one group's channels and all pixels of one sample; var is the biased one.
// Without SCALE_SHIFT s = h = 0.
//
// in0:  x, padded NHWC; as vec4s when the channels of a group are a multiple of four (WIDE), else as floats.
// in1:  (N,1,1,2C) = [s | h], only with SCALE_SHIFT; h starts at C, padded or not.
// out:  (N,1,2,C): the row of a, then the row of b; padding lanes are zero.
// w0, w1: gamma, beta.
// Grid: (GROUPS, N, 1), one workgroup of WG threads for a group of a sample.
//
//   pixel 0  | group 0 | group 1 | ...      elements of the group are numbered pixel by pixel: e = p*PER + k;
//   pixel 1  | group 0 | group 1 | ...      a thread takes e = thread, thread + WG, ... in chunks of CHUNK,
//   ...       <- PER  ->                    so neighbours in a workgroup read neighbours in memory.
//
// Chan, Golub and LeVeque (1979): a thread keeps (mean, M2) of what it has seen, a chunk is summed about its own
// mean and merged. No sum of raw squares appears, so a mean much larger than the deviation costs no digits.
#const WG
#const C
#const C_PAD
#const C_PAD2
#const GROUPS
#const C_GROUP
#const PER
#const STRIDE
#const ELEMENTS
#const CHUNKS
#const EPS
const CHUNK: u32 = 8u;
#include lib/reduce.wgsl
#if WIDE
@group(0) @binding($BIND_IN0) var<storage, read> x: array<vec4<f32>>;
#else
@group(0) @binding($BIND_IN0) var<storage, read> x: array<f32>;
#end
#if SCALE_SHIFT
@group(0) @binding($BIND_IN1) var<storage, read> scale_shift: array<f32>;
#end
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<f32>;
@group(0) @binding($BIND_W0) var<storage, read> gamma: array<f32>;
@group(0) @binding($BIND_W1) var<storage, read> beta: array<f32>;

// A vec4 of a wide group, or one value in the first lane.
#if WIDE
const LANES: u32 = 4u;
fn load(base: u32, e: u32) -> vec4<f32> { return x[base + (e / PER) * STRIDE + e % PER]; }
fn lane_sum(v: vec4<f32>) -> f32 { return (v.x + v.y) + (v.z + v.w); }
#else
const LANES: u32 = 1u;
fn load(base: u32, e: u32) -> vec4<f32> { return vec4<f32>(x[base + (e / PER) * STRIDE + e % PER], 0.0, 0.0, 0.0); }
fn lane_sum(v: vec4<f32>) -> f32 { return v.x; }
#end

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let base = wg.y * (ELEMENTS / PER) * STRIDE + wg.x * PER;
    var count = 0.0;
    var mean = vec4<f32>(0.0);
    var m2 = vec4<f32>(0.0);
    // Whole chunks: CHUNK loads are in flight at once.
    for (var c = 0u; c < CHUNKS; c++) {
        var v: array<vec4<f32>, CHUNK>;
        let first = c * CHUNK * WG + thread;
#unroll i 0..8
        v[$i] = load(base, first + $i * WG);
#end
        let m = (((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]))) * 0.125;
        var q = vec4<f32>(0.0);
#unroll i 0..8
        q += (v[$i] - m) * (v[$i] - m);
#end
        let d = m - mean;
        let share = 8.0 / (count + 8.0);
        mean += d * share;
        m2 += q + d * d * (count * share);
        count += 8.0;
    }
    // What is left, one at a time.
    for (var e = CHUNKS * CHUNK * WG + thread; e < ELEMENTS; e += WG) {
        let v = load(base, e);
        count += 1.0;
        let d = v - mean;
        mean += d / count;
        m2 += d * (v - mean);
    }
    let group_mean = group_sum(count * lane_sum(mean), thread) / f32(ELEMENTS * LANES);
    let off = mean - group_mean;
    let variance = group_sum(lane_sum(m2 + count * off * off), thread) / f32(ELEMENTS * LANES);
    let rstd = 1.0 / sqrt(variance + EPS);

    // The last group also clears the padding.
    let first = wg.x * C_GROUP;
    let end = select(first + C_GROUP, C_PAD, wg.x == GROUPS - 1u);
    for (var c = first + thread; c < end; c += WG) {
        var a = 0.0;
        var b = 0.0;
        if (c < C) {
            a = gamma[c] * rstd;
            b = beta[c] - group_mean * a;
#if SCALE_SHIFT
            let s = 1.0 + scale_shift[wg.y * C_PAD2 + c];
            a *= s;
            b = b * s + scale_shift[wg.y * C_PAD2 + C + c];
#end
        }
        out[wg.y * 2u * C_PAD + c] = a;
        out[wg.y * 2u * C_PAD + C_PAD + c] = b;
    }
}
