// value:     out[n] = z[n, y] - top - ln(sum over k of exp(z[n, k] - top)), top being the largest z[n, k]
// GRADIENT:  out[n, k] = -dy[n] exp(z[n, k] - top) / sum for k other than y, and minus the sum of these for y: 1 - softmax there
//            would lose its digits where the class is all but certain
//
// in0: z, logits (N,1,1,C), ROW floats a sample. in1: y, the class (N,1,1,1), rounded and clamped to 0..C-1. in2 (GRADIENT): dy
// (N,1,1,1). out: (N,1,1,1), or z's shape. Grid: ceil(ROWS / 64) groups folded over x and y, one thread a sample.
#const ROWS
#const C
#const ROW
@group(0) @binding($BIND_IN0) var<storage, read> z: array<f32>;
@group(0) @binding($BIND_IN1) var<storage, read> classes: array<vec4<f32>>;
#if GRADIENT
@group(0) @binding($BIND_IN2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<f32>;
#else
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;
#end

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let n = id.y * groups.x * 64u + id.x;
    if (n >= ROWS) { return; }
    let at = n * ROW;
    var top = z[at];
    for (var k = 1u; k < C; k++) { top = max(top, z[at + k]); }
    var sum = 0.0;
    for (var k = 0u; k < C; k++) { sum += exp(z[at + k] - top); }
    // The second clamp is for NaN, whose conversion is any integer at all.
    let y = min(u32(clamp(round(classes[n].x), 0.0, f32(C - 1u))), C - 1u);
#if GRADIENT
    let scale = dy[n].x / sum;
    var others = 0.0;
    for (var k = 0u; k < C; k++) {
        let e = exp(z[at + k] - top);
        if (k != y) {
            others += e;
            out[at + k] = -scale * e;
        }
    }
    out[at + y] = scale * others;
    for (var k = C; k < ROW; k++) { out[at + k] = 0.0; }
#else
    out[n] = vec4<f32>(z[at + y] - top - log(sum), 0.0, 0.0, 0.0);
#end
}
