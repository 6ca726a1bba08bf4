// out[i] = dmean/COUNT + (i is the first value that is the maximum) * dmax + (i is the first that is the minimum) * dmin
//
// in0: (dmean, dmax, dmin), one vec4 a sample. in1: x, padded NHWC, four channels a load. in2: (mean, max, min) of reduce.wgsl.
// out: as in1. First is meant in the order of memory: pixels, then channels.
// PER_SAMPLE = vec4s of a sample, CV = vec4s of a pixel, C_TAIL = real channels of the last, COUNT = values of a sample.
// Grid: (N, 1, 1) folded over x and y, one workgroup of 256 threads a sample.
#const SAMPLES
#const PER_SAMPLE
#const CV
#const C_TAIL
#const COUNT
@group(0) @binding($BIND_IN0) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding($BIND_IN1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding($BIND_IN2) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;
const NONE: u32 = 0xffffffffu;
var<workgroup> highest: atomic<u32>;
var<workgroup> lowest: atomic<u32>;

// The real channels among the four of a vec4.
fn real(i: u32) -> vec4<bool> {
    return (vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(C_TAIL)) | vec4<bool>(i % CV != CV - 1u);
}

// The element of the first lane that is set; NONE for none.
fn first(i: u32, lanes: vec4<bool>) -> u32 {
    let at = select(vec4<u32>(NONE), 4u * i + vec4<u32>(0u, 1u, 2u, 3u), lanes);
    return min(min(at.x, at.y), min(at.z, at.w));
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let n = wg.y * groups.x + wg.x;
    if (n >= SAMPLES) { return; }
    if (thread == 0u) {
        atomicStore(&highest, NONE);
        atomicStore(&lowest, NONE);
    }
    workgroupBarrier();
    for (var i = thread; i < PER_SAMPLE; i += 256u) {
        let v = x[n * PER_SAMPLE + i];
        let high = first(i, real(i) & (v == vec4<f32>(y[n].y)));
        let low = first(i, real(i) & (v == vec4<f32>(y[n].z)));
        if (high != NONE) { atomicMin(&highest, high); }
        if (low != NONE) { atomicMin(&lowest, low); }
    }
    workgroupBarrier();
    let high = atomicLoad(&highest);
    let low = atomicLoad(&lowest);
    for (var i = thread; i < PER_SAMPLE; i += 256u) {
        let lanes = 4u * i + vec4<u32>(0u, 1u, 2u, 3u);
        let zero = vec4<f32>(0.0);
        var v = vec4<f32>(dy[n].x / f32(COUNT));
        v += select(zero, vec4<f32>(dy[n].y), lanes == vec4<u32>(high));
        v += select(zero, vec4<f32>(dy[n].z), lanes == vec4<u32>(low));
        out[n * PER_SAMPLE + i] = select(zero, v, real(i));
    }
}
