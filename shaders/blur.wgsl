// out[p] = sum over j = -RADIUS..RADIUS of w[j + RADIUS] * in[p + j along the axis]
// Beyond the border the image is mirrored about its edge, as often as it takes: d c b a | a b c d | d c b a.
//
// in0, out: padded NHWC, four channels a load. w0: 2*RADIUS + 1 factors.
// LEN = vec4s of the output, LINE = pixels along the axis, STEP = vec4s from one of them to the next.
// Grid: ceil(LEN / 256) groups folded over x and y, one thread a vec4.
#const LEN
#const LINE
#const STEP
#const RADIUS
// A multiple of the mirror's period, 2*LINE, that is at least RADIUS: keeps the index unsigned.
#const LIFT
@group(0) @binding($BIND_IN0) var<storage, read> in0: array<vec4<f32>>;
@group(0) @binding($BIND_OUT) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding($BIND_W0) var<storage, read> w: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 256u + id.x;
    if (i >= LEN) { return; }
    let at = (i / STEP) % LINE;
    let start = i - at * STEP;
    var sum = vec4<f32>(0.0);
    for (var k = 0u; k <= 2u * RADIUS; k++) {
        let m = (at + LIFT - RADIUS + k) % (2u * LINE);
        sum += w[k] * in0[start + min(m, 2u * LINE - 1u - m) * STEP];
    }
    out[i] = sum;
}
