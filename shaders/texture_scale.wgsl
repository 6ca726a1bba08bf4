// windows[c] = (low, high, 1 / (high - low)): the values of a host's texture that become 0 and 1, for each channel
//
// source: the texture, in the network's channels by lib/texel.wgsl. state: zeros before the first pass. The numbers of
// the values are their bits, reordered so that greater floats have greater keys; atomics on them are exact.
// PASS, in this order:
//   lowest    the least key of each channel, where MASK leaves the texels of that value out
//   ends      the least and the greatest key                                              (minimum and maximum)
//   count     how many values there are of each next byte, among those that begin with the bytes found so far
//   pick      the byte that holds the rank wanted; count and pick take turns four times   (percentiles)
//   next      the least key above the one of that rank
//   windows   low = value + (next - value) * part; without contrast low = high = 0, and so is the inverse
// Percentile e of n values has the position FRACTION * (n - 1), a whole number (rank) and a part. FRACTION is a binary
// fraction of 64 bits, HIGH its upper and LOW its lower half; all ones stand for one.
//
// Grid: (ceil(width/16), ceil(height/16), 1) of the texture, one thread a texel; one group for pick and windows, one
// thread a channel and end: thread 4 e + c.
struct State {
    lowest: array<atomic<u32>, 8>,
    ends: array<atomic<u32>, 8>,
    next: array<atomic<u32>, 8>,
    key: array<u32, 8>,
    rank: array<u32, 8>,
    part: array<f32, 8>,
    equal: array<u32, 8>,
    step: u32,
    bins: array<atomic<u32>, 2048>,
}

// A value from its key; key_of is its inverse.
fn value_of(key: u32) -> f32 {
    return bitcast<f32>(select(~key, key ^ 0x80000000u, key >= 0x80000000u));
}
fn key_of(value: f32) -> u32 {
    let bits = bitcast<u32>(value);
    // Both zeros are one value.
    let one = select(bits, 0u, bits == 0x80000000u);
    return select(one ^ 0x80000000u, ~one, one >= 0x80000000u);
}

#if PASS == windows
@group(0) @binding(0) var<storage, read_write> state: State;
@group(0) @binding(1) var<storage, read_write> windows: array<vec4<f32>, 4>;

// The key at end e of channel c. Least keys are kept inverted, so that zero stands for none.
fn key_at(e: u32, c: u32) -> u32 {
#if ENDS
    let key = atomicLoad(&state.ends[4u * e + c]);
    return select(key, ~key, e == 0u);
#else
    return state.key[4u * e + c];
#end
}

fn end_of(e: u32, c: u32) -> f32 {
    let value = value_of(key_at(e, c));
#if ENDS
    return value;
#else
    let at = 4u * e + c;
    let above = atomicLoad(&state.next[at]);
    if (state.equal[at] == 1u || above == 0u) { return value; }
    return value + (value_of(~above) - value) * state.part[at];
#end
}

@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) c: u32) {
    if (c >= 4u) { return; }
    let low = end_of(0u, c);
    let high = end_of(1u, c);
    // The greatest key is that of no value at all.
    let contrast = key_at(0u, c) != 0xffffffffu && high > low && high - low <= 3.4e38;
    let scale = 1.0 / select(1.0, high - low, contrast);
    windows[c] = select(vec4<f32>(0.0), vec4<f32>(low, high, scale, 0.0), contrast);
}
#else
#if PASS == pick
@group(0) @binding(0) var<storage, read_write> state: State;

// a * b: lower and upper half.
fn product(a: u32, b: u32) -> vec2<u32> {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let one = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let two = (a & 0xffffu) * (b >> 16u) + (one & 0xffffu);
    return vec2<u32>((two << 16u) | (low & 0xffffu), (a >> 16u) * (b >> 16u) + (one >> 16u) + (two >> 16u));
}

@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) at: u32) {
    let step = state.step;
    var rank = state.rank[at];
    if (step == 0u) {
        var count = 0u;
        for (var bin = 0u; bin < 256u; bin++) { count += atomicLoad(&state.bins[at * 256u + bin]); }
        let last = max(count, 1u) - 1u;
        let fraction = select(vec2<u32>($LOW0, $HIGH0), vec2<u32>($LOW1, $HIGH1), at >= 4u);
        let upper = product(last, fraction.y);
        let part = upper.x + product(last, fraction.x).y;
        let whole = all(fraction == vec2<u32>(0xffffffffu));
        rank = select(upper.y + select(0u, 1u, part < upper.x), last, whole);
        state.part[at] = select(f32(part) / 4294967296.0, 0.0, whole);
    }
    var picked = 255u;
    var found = false;
    for (var bin = 0u; bin < 256u; bin++) {
        let many = atomicLoad(&state.bins[at * 256u + bin]);
        atomicStore(&state.bins[at * 256u + bin], 0u);
        if (!found && rank < many) {
            found = true;
            picked = bin;
            state.equal[at] = select(0u, 1u, rank + 1u < many);
        }
        rank -= select(many, 0u, found);
    }
    state.rank[at] = rank;
    state.key[at] = (state.key[at] << 8u) | picked;
    storageBarrier();
    workgroupBarrier();
    if (at == 0u) { state.step = step + 1u; }
}
#else
@group(0) @binding(0) var source: texture_2d<f32>;
@group(0) @binding(1) var<storage, read_write> state: State;
#include lib/texel.wgsl

// What this group's texels give, before it goes to `state`.
var<workgroup> here: array<atomic<u32>, $CELLS>;

fn note(c: u32, key: u32) {
#if MASK
#if PASS != lowest
    if (key == ~atomicLoad(&state.lowest[c])) { return; }
#end
#end
#if PASS == lowest
    atomicMax(&here[c], ~key);
#end
#if PASS == ends
    atomicMax(&here[c], ~key);
    atomicMax(&here[4u + c], key);
#end
#if PASS == count
    let step = state.step;
    for (var at = c; at < 8u; at += 4u) {
        // The bytes found so far; none before the first turn.
        if (step == 0u || key >> (32u - 8u * step) == state.key[at]) {
            atomicAdd(&here[at * 256u + ((key >> (24u - 8u * step)) & 255u)], 1u);
        }
    }
#end
#if PASS == next
    for (var at = c; at < 8u; at += 4u) {
        if (key > state.key[at]) { atomicMax(&here[at], ~key); }
    }
#end
}

@compute @workgroup_size(16, 16)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    for (var i = thread; i < $CELLS; i += 256u) { atomicStore(&here[i], 0u); }
    workgroupBarrier();
    let size = textureDimensions(source);
    if (id.x < size.x && id.y < size.y) {
        let v = channels(stored(i32(id.x), i32(id.y)));
#unroll c 0..$C
        note($c, key_of(v[$c]));
#end
    }
    workgroupBarrier();
    for (var i = thread; i < $CELLS; i += 256u) {
        let found = atomicLoad(&here[i]);
        if (found > 0u) {
#if PASS == count
            atomicAdd(&state.bins[i], found);
#else
            atomicMax(&state.$PASS[i], found);
#end
        }
    }
}
#end
#end
