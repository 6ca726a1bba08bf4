// From the sums S = sum of dz xhat and T = sum of dz of each channel, over PARTS parts, and u = gamma (1 + s):
// KIND coefficients  out (N,1,2,C): -r mean(u S) and -r mean(u T), sums over the group divided by its COUNT values
// KIND scale_shift   out (N,1,1,2C): gamma S + beta T, then T
// KIND gamma, beta   out (N,1,1,C): (1 + s) S, (1 + s) T
//
// in0: (N,PARTS,2,C), the row of S, then of T. in1: (N,1,2,C), the row of r = rstd first. in2, only with SCALE_SHIFT: (N,1,1,2C),
// s first. w0: gamma (coefficients, scale_shift), w1: beta (scale_shift). All as floats; LEN = those of out.
// Grid: coefficients: (GROUPS, N), a workgroup a group of a sample; else ceil(LEN / 64) groups folded over x and y, a thread a value.
#const LEN
#const C
#const C_PAD
#const C_PAD2
#const PARTS
@group(0) @binding($BIND_IN0) var<storage, read> sums: array<f32>;
@group(0) @binding($BIND_IN1) var<storage, read> plain: array<f32>;
#if SCALE_SHIFT
@group(0) @binding($BIND_IN2) var<storage, read> modulation: array<f32>;
fn factor(n: u32, c: u32) -> f32 { return 1.0 + modulation[n * C_PAD2 + c]; }
#else
fn factor(n: u32, c: u32) -> f32 { return 1.0; }
#end
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<f32>;

// S (row 0) or T (row 1) of a channel.
fn sum(n: u32, row: u32, c: u32) -> f32 {
    var s = 0.0;
    for (var p = 0u; p < PARTS; p++) { s += sums[((n * PARTS + p) * 2u + row) * C_PAD + c]; }
    return s;
}

#if KIND == coefficients
#const GROUPS
#const C_GROUP
#const COUNT
const WG: u32 = 64u;
#include lib/reduce.wgsl
@group(0) @binding($BIND_W0) var<storage, read> gamma: array<f32>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wg: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first = wg.x * C_GROUP;
    var weighted = 0.0;
    var alone = 0.0;
    for (var c = first + thread; c < first + C_GROUP; c += WG) {
        let u = gamma[c] * factor(wg.y, c);
        weighted += u * sum(wg.y, 0u, c);
        alone += u * sum(wg.y, 1u, c);
    }
    let mean_with = group_sum(weighted, thread) / COUNT;
    let mean_alone = group_sum(alone, thread) / COUNT;
    // The last group also clears the padding.
    let end = select(first + C_GROUP, C_PAD, wg.x == GROUPS - 1u);
    let to = wg.y * 2u * C_PAD;
    for (var c = first + thread; c < end; c += WG) {
        let r = select(0.0, plain[to + c], c < C);
        out[to + c] = -r * mean_with;
        out[to + C_PAD + c] = -r * mean_alone;
    }
}
#else
#if KIND == scale_shift
@group(0) @binding($BIND_W0) var<storage, read> gamma: array<f32>;
@group(0) @binding($BIND_W1) var<storage, read> beta: array<f32>;
fn value(n: u32, c: u32) -> f32 {
    if (c < C) { return gamma[c] * sum(n, 0u, c) + beta[c] * sum(n, 1u, c); }
    return sum(n, 1u, c - C);
}
const ROW: u32 = C_PAD2;
const REAL: u32 = 2u * C;
#else
#if KIND == gamma
fn value(n: u32, c: u32) -> f32 { return factor(n, c) * sum(n, 0u, c); }
#else
fn value(n: u32, c: u32) -> f32 { return factor(n, c) * sum(n, 1u, c); }
#end
const ROW: u32 = C_PAD;
const REAL: u32 = C;
#end

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if (i >= LEN) { return; }
    var v = 0.0;
    if (i % ROW < REAL) { v = value(i / ROW, i % ROW); }
    out[i] = v;
}
#end
