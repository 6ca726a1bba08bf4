// y = post(W * pre(x) + b), a vector for each sample
//
// in0 x: (N,1,1,Cin), IN_C4 vec4s a row. w0 W: [Cin][Cout], OUT_C4 vec4s a row. w1 b: OUT_C4 vec4s.
// out y: (N,1,1,Cout). C_TAIL = channels in the last vec4; the rest of it stays zero.
// Grid: ceil(OUT_C4 / 8) x min(N, 65535) groups. A group makes 8 vec4s of one sample; 32 threads share each one's
// sum, every 32nd input a thread, so that even a small layer has enough loads in flight:
//
//             8 vec4s of y
//           +-+-+-+-+-+-+-+-+
//   inputs  | | | | | | | | |  k = 0, 32, 64 ...
//   mod 32  | | | | | | | | |  k = 1, 33, 65 ...
//           +-+-+-+-+-+-+-+-+  ... 32 rows, then summed by halves
#include lib/activation.wgsl
#const IN_C4
#const OUT_C4
#const C_TAIL
#const ROWS
@group(0) @binding($BIND_IN0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding($BIND_W0) var<storage, read> w: array<vec4<f32>>;
#if BIAS
@group(0) @binding($BIND_W1) var<storage, read> bias: array<vec4<f32>>;
#end

var<workgroup> sums: array<vec4<f32>, 256>;

@compute @workgroup_size(8, 32)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) id: vec3<u32>,
) {
    let c = wg.x * 8u + id.x;
    let slot = id.y * 8u + id.x;
    for (var n = wg.y; n < ROWS; n += groups.y) {
        var sum = vec4<f32>(0.0);
        if (c < OUT_C4) {
            for (var k = id.y; k < IN_C4; k += 32u) {
                let v = act(x[n * IN_C4 + k]);
                let row = k * 4u * OUT_C4 + c;
                sum += v.x * w[row] + v.y * w[row + OUT_C4] + v.z * w[row + 2u * OUT_C4] + v.w * w[row + 3u * OUT_C4];
            }
        }
        sums[slot] = sum;
        workgroupBarrier();
        for (var half = 16u; half > 0u; half /= 2u) {
            if (id.y < half) { sums[slot] += sums[slot + half * 8u]; }
            workgroupBarrier();
        }
        if (id.y == 0u && c < OUT_C4) {
            var v = sums[slot];
#if BIAS
            v += bias[c];
#end
            v = act_$POST(v);
            if (c == OUT_C4 - 1u) { v = select(vec4<f32>(0.0), v, vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(C_TAIL)); }
            y[n * OUT_C4 + c] = v;
        }
        workgroupBarrier();
    }
}
