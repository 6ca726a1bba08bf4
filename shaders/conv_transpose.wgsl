// y[o] = b + sum over taps k and inputs i with STRIDE*i + k - PAD = o of x[i] * w[k]
//
// Each output gathers the inputs that reach it: tap k reaches o when STRIDE divides o + PAD - k.
// in0 x: (N,IN_H,IN_W,Cin), out y: (N,OUT_H,OUT_W,Cout), padded NHWC in vec4s of channels.
// w0: [KH*KW*Cin][Cout] in vec4s of Cout. w1: bias, OUT_C4 vec4s.
// Grid: THREADS / 64 groups folded over x and y. A thread makes one vec4 of channels of four output pixels that are
// STRIDE columns apart, so that the four are reached by the same taps and share every weight that is loaded:
//
//   STRIDE = 2   | A B A B A B A B | C D C D ...     four As, one thread; GROUPS_X letters a row
#const THREADS
#const GROUPS_X
#const IN_H
#const IN_W
#const IN_C4
#const OUT_H
#const OUT_W
#const OUT_C4
#const KH
#const KW
#const STRIDE
#const PAD_TOP
#const PAD_LEFT
@group(0) @binding($BIND_IN0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding($BIND_W0) var<storage, read> w: array<vec4<f32>>;
#if BIAS
@group(0) @binding($BIND_W1) var<storage, read> bias: array<vec4<f32>>;
#end

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if (i >= THREADS) { return; }
    let c = i % OUT_C4;
    let gx = (i / OUT_C4) % GROUPS_X;
    let row = i / (OUT_C4 * GROUPS_X);
    let n = row / OUT_H;
    let oy = row % OUT_H;
    let ox = (gx / STRIDE) * 4u * STRIDE + gx % STRIDE;
#if BIAS
    let start = bias[c];
#else
    let start = vec4<f32>(0.0);
#end
#unroll j 0..4
    var s$j = start;
#end
    // Unsigned differences below zero wrap to huge numbers and fail the comparison with the size.
    for (var ky = (oy + PAD_TOP) % STRIDE; ky < KH; ky += STRIDE) {
        let iy = (oy + PAD_TOP - ky) / STRIDE;
        if (oy + PAD_TOP < ky || iy >= IN_H) { continue; }
        for (var kx = (ox + PAD_LEFT) % STRIDE; kx < KW; kx += STRIDE) {
            let ix = (i32(ox + PAD_LEFT) - i32(kx)) / i32(STRIDE);
            let line = (n * IN_H + iy) * IN_W;
            let taps = (ky * KW + kx) * IN_C4 * 4u * OUT_C4 + c;
            for (var k = 0u; k < IN_C4; k += 1u) {
#unroll q 0..4
                let w$q = w[taps + (k * 4u + $q) * OUT_C4];
#end
#unroll j 0..4
                if (ix + $j >= 0 && ix + $j < i32(IN_W)) {
                    let v = x[(line + u32(ix + $j)) * IN_C4 + k];
                    s$j += v.x * w0 + v.y * w1 + v.z * w2 + v.w * w3;
                }
#end
            }
        }
    }
#unroll j 0..4
    if (ox + $j * STRIDE < OUT_W) { y[(row * OUT_W + ox + $j * STRIDE) * OUT_C4 + c] = s$j; }
#end
}
