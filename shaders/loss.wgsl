// The losses of diffusion time estimation, and with GRADIENT what their mean over the B rows is as a gradient at the output.
//
// KIND 0, categorical: z a row of C logits, t the row's time, bin = floor(t C / STEPS); p = softmax(z), q = softmax(p) (as the
//   original has it), loss = -ln q_bin.
// KIND 1, inverse gamma: g a row of C outputs, b = |g|^2, loss = b / variance[t] - A ln(b + 1e-5), A = d/2 - 1.
// KIND 2, mean square: z and the noise e that it should be, loss = mean over the columns of (z - e)^2.
//
// in0 the output (B,1,1,C), CV vec4s a row. in1 t (B,1,1,1), or e. w0 (KIND 1): the variances. out: (B,1,1,1), or the output's shape.
// Grid: ceil(B / 64) groups, one thread a row.
#const B
#const C
#const CV
#const STEPS
#const A
@group(0) @binding($BIND_IN0) var<storage, read> z: array<f32>;
@group(0) @binding($BIND_IN1) var<storage, read> goal: array<f32>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<f32>;
#if KIND == 1
@group(0) @binding($BIND_W0) var<storage, read> variance: array<f32>;
#end

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = id.y * groups.x * 64u + id.x;
    if (row >= B) { return; }
    let at = row * 4u * CV;
#if KIND == 2
    var loss = 0.0;
    for (var c = 0u; c < C; c++) {
        let d = z[at + c] - goal[at + c];
        loss += d * d;
#if GRADIENT
        out[at + c] = 2.0 * d / f32(C) / f32(B);
#end
    }
    loss /= f32(C);
#else
    let t = u32(goal[row * 4u]);
#end
#if KIND == 1
    let v = variance[min(t, STEPS - 1u)];
    var b = 0.0;
    for (var c = 0u; c < C; c++) { b += z[at + c] * z[at + c]; }
    let loss = b / v - A * log(b + 1e-5);
#if GRADIENT
    let slope = 2.0 * (1.0 / v - A / (b + 1e-5)) / f32(B);
    for (var c = 0u; c < C; c++) { out[at + c] = slope * z[at + c]; }
#end
#end
#if KIND == 0
    let bin = min(t * C / STEPS, C - 1u);
    var top = z[at];
    for (var c = 1u; c < C; c++) { top = max(top, z[at + c]); }
    var total = 0.0;
    for (var c = 0u; c < C; c++) { total += exp(z[at + c] - top); }
    // p lies in 0..1, so the second softmax needs no maximum taken off.
    var second = 0.0;
    for (var c = 0u; c < C; c++) { second += exp(exp(z[at + c] - top) / total); }
    let loss = log(second) - exp(z[at + bin] - top) / total;
#if GRADIENT
    var mean = 0.0;
    for (var c = 0u; c < C; c++) {
        let p = exp(z[at + c] - top) / total;
        mean += p * (exp(p) / second - select(0.0, 1.0, c == bin));
    }
    for (var c = 0u; c < C; c++) {
        let p = exp(z[at + c] - top) / total;
        out[at + c] = p * (exp(p) / second - select(0.0, 1.0, c == bin) - mean) / f32(B);
    }
#end
#end
#if GRADIENT
    for (var c = C; c < 4u * CV; c++) { out[at + c] = 0.0; }
#else
    out[row * 4u] = loss;
    for (var c = 1u; c < 4u; c++) { out[row * 4u + c] = 0.0; }
#end
}
