// The arithmetic ceiling: a = a·b + c in eight independent chains of vec4 a thread, $ROUNDS times four.
//
// binding 0: out[0] = b, out[1] = c, both set by the host so that nothing can be computed beforehand; out[2] is written
// only for a value that the chains do not reach, so that nothing can be left out and no memory is used.
// grid: any number of workgroups of 256 threads; 2·4·8·4·$ROUNDS operations a thread.
@group(0) @binding(0) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let b = out[0];
    let c = out[1];
    let x = f32(id.x) * 1e-9;
#unroll i 0..8
    var a$i = vec4<f32>(x + $i.0);
#end
    for (var round = 0u; round < $ROUNDS; round++) {
#unroll j 0..4
#unroll i 0..8
        a$i = fma(a$i, b, c);
#end
#end
    }
    let sum = (a0 + a1) + (a2 + a3) + (a4 + a5) + (a6 + a7);
    if sum.x == -1.2345e30 {
        out[2] = sum;
    }
}
