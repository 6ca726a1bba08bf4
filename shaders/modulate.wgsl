// out = [(1 + scale)(1 + more) - 1 | shift (1 + more)]: the scale and shift that x·(1 + scale) + shift, times 1 + more, comes to
//
// in0: [scale | shift], padded rows of 2C values; in1: more, padded rows of C values; out: as in0.
// C = channels, ROW = values of a padded row of in0, MORE_ROW = those of in1, LEN = values of out.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a value of the output; padding stays 0.
#const LEN
#const C
#const ROW
#const MORE_ROW
@group(0) @binding($BIND_IN0) var<storage, read> scale_shift: array<f32>;
@group(0) @binding($BIND_IN1) var<storage, read> more: array<f32>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    let j = i % ROW;
    if (j >= 2u * C) {
        out[i] = 0.0;
        return;
    }
    let v = scale_shift[i];
    let m = more[i / ROW * MORE_ROW + j % C];
    // The scale is v + m + v·m, which loses nothing where both are small.
    out[i] = v * m + v + select(0.0, m, j < C);
}
