// Reductions over a workgroup of WG threads (a power of two). Every thread calls them, in uniform control flow;
// every thread receives the result. WG is a constant of the including file.
var<workgroup> reduce_scratch: array<f32, WG>;

// Sum of v over the workgroup, as a tree: the rounding error grows with log2(WG), not with WG.
fn group_sum(v: f32, thread: u32) -> f32 {
    reduce_scratch[thread] = v;
    workgroupBarrier();
    for (var s = WG / 2u; s > 0u; s >>= 1u) {
        if (thread < s) { reduce_scratch[thread] += reduce_scratch[thread + s]; }
        workgroupBarrier();
    }
    let total = reduce_scratch[0];
    workgroupBarrier();
    return total;
}

// Largest v of the workgroup.
fn group_max(v: f32, thread: u32) -> f32 {
    reduce_scratch[thread] = v;
    workgroupBarrier();
    for (var s = WG / 2u; s > 0u; s >>= 1u) {
        if (thread < s) { reduce_scratch[thread] = max(reduce_scratch[thread], reduce_scratch[thread + s]); }
        workgroupBarrier();
    }
    let top = reduce_scratch[0];
    workgroupBarrier();
    return top;
}
