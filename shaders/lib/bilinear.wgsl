// Half-pixel bilinear with clamped edges and no smoothing, as PyTorch's interpolate and data/resize.rs: the position
// (at + 1/2) size/to - 1/2 is kept as a whole number and a fraction of 2*to, exact in integers, so that equal sizes are
// copied.

// The first of two neighbours, the second, and the weight of the second in `part`.
struct Taps { first: u32, second: u32, part: f32 }

fn taps(at: u32, size: u32, to: u32) -> Taps {
    let centre = max((2u * at + 1u) * size, to) - to;
    let first = centre / (2u * to);
    return Taps(first, min(first + 1u, size - 1u), f32(centre % (2u * to)) / f32(2u * to));
}
