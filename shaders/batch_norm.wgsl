// BatchNorm over a minibatch (Ioffe and Szegedy, ICML 2015), y = gamma x^ + beta with x^ = (x - mean) / sqrt(var + 1e-5), mean and
// (biased) variance being the column's over the B rows, and what training makes of it:
//
// MODE 0: in0 x, in1 parameters          -> y
// MODE 1: in0 x, in1 dL/dy, in2 parameters -> dL/dx = gamma / sqrt(var + 1e-5) (dL/dy - mean(dL/dy) - x^ mean(dL/dy x^))
// MODE 2: in0 x, in1 dL/dy               -> two rows, dL/dgamma = sum(dL/dy x^) and dL/dbeta = sum(dL/dy)
// MODE 3: in0 x                          -> two rows, mean and unbiased variance
//
// x, dL/dy: (B,1,1,C), CV vec4s a row. Parameters: rows gamma, beta, and the moments behind them.
// Grid: CV groups folded over x and y, one a vec4 of columns; 32 threads, every 32nd row each, then summed by halves.
#const B
#const CV
@group(0) @binding($BIND_IN0) var<storage, read> x: array<vec4<f32>>;
#if MODE == 0
@group(0) @binding($BIND_IN1) var<storage, read> parameters: array<vec4<f32>>;
#end
#if MODE == 1
@group(0) @binding($BIND_IN1) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding($BIND_IN2) var<storage, read> parameters: array<vec4<f32>>;
#end
#if MODE == 2
@group(0) @binding($BIND_IN1) var<storage, read> dy: array<vec4<f32>>;
#end
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;

var<workgroup> sums: array<vec4<f32>, 32>;

fn total(v: vec4<f32>, t: u32) -> vec4<f32> {
    sums[t] = v;
    workgroupBarrier();
    for (var half = 16u; half > 0u; half /= 2u) {
        if (t < half) { sums[t] += sums[t + half]; }
        workgroupBarrier();
    }
    let all = sums[0];
    workgroupBarrier();
    return all;
}

@compute @workgroup_size(32)
fn main(
    @builtin(workgroup_id) wg: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) t: u32,
) {
    let c = wg.y * groups.x + wg.x;
    if (c >= CV) { return; }
    var sum = vec4<f32>(0.0);
    for (var r = t; r < B; r += 32u) { sum += x[r * CV + c]; }
    let mean = total(sum, t) / f32(B);
    var squares = vec4<f32>(0.0);
    for (var r = t; r < B; r += 32u) {
        let d = x[r * CV + c] - mean;
        squares += d * d;
    }
    let square = total(squares, t);
#if MODE == 3
    if (t == 0u) {
        out[c] = mean;
        out[CV + c] = square / f32(max(B, 2u) - 1u);
    }
#else
    let scale = 1.0 / sqrt(square / f32(B) + 1e-5);
#if MODE == 0
    for (var r = t; r < B; r += 32u) {
        out[r * CV + c] = parameters[c] * (x[r * CV + c] - mean) * scale + parameters[CV + c];
    }
#else
    var beta = vec4<f32>(0.0);
    var gamma = vec4<f32>(0.0);
    for (var r = t; r < B; r += 32u) {
        let d = dy[r * CV + c];
        beta += d;
        gamma += d * (x[r * CV + c] - mean) * scale;
    }
    let d_beta = total(beta, t);
    let d_gamma = total(gamma, t);
#if MODE == 2
    if (t == 0u) {
        out[c] = d_gamma;
        out[CV + c] = d_beta;
    }
#else
    for (var r = t; r < B; r += 32u) {
        let normal = (x[r * CV + c] - mean) * scale;
        out[r * CV + c] = parameters[c] * scale * (dy[r * CV + c] - (d_beta + normal * d_gamma) / f32(B));
    }
#end
#end
#end
}
