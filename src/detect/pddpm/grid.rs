//! Where the patches of a slice lie, and what is kept of each.
use serde::{Deserialize, Serialize};

/// What is kept where patches overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// The mean of all patches that cover a pixel, divided once at the end. (The public code divides inside its loop over the
    /// patches, which is an error and is not followed.)
    #[default]
    Average,
    /// One patch for each pixel: the border between two patches is the middle of their overlap.
    Cut,
}

/// A patch: (y, x, height, width) of what is noised, and of what is kept of the estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patch {
    /// What is noised.
    pub noised: [usize; 4],
    /// What is kept.
    pub kept: [usize; 4],
}

impl Patch {
    /// As the kernels' table has it.
    pub fn numbers(&self) -> [f32; 8] {
        std::array::from_fn(|i| if i < 4 { self.noised[i] } else { self.kept[i - 4] } as f32)
    }
}

/// All patches in rows from the top, each row from the left.
pub fn patches((height, width): (usize, usize), side: usize, stride: usize, overlap: Overlap) -> Vec<Patch> {
    let (rows, columns) = (axis(height, side, stride), axis(width, side, stride));
    let one = |y: &Span, x: &Span| Patch {
        noised: [y.from, x.from, y.size, x.size],
        kept: match overlap {
            Overlap::Average => [y.from, x.from, y.size, x.size],
            Overlap::Cut => [y.cell.0, x.cell.0, y.cell.1 - y.cell.0, x.cell.1 - x.cell.0],
        },
    };
    rows.iter().flat_map(|y| columns.iter().map(move |x| one(y, x))).collect()
}

/// A patch along one axis.
struct Span {
    from: usize,
    size: usize,
    /// From and to of its own part.
    cell: (usize, usize),
}

/// As few as reach from end to end in steps of at most `stride`, spread evenly with their origins rounded down.
fn axis(length: usize, side: usize, stride: usize) -> Vec<Span> {
    let size = side.min(length);
    let room = length - size;
    let gaps = room.div_ceil(stride.max(1));
    let origin = |i: usize| (i * room).checked_div(gaps).unwrap_or(0);
    let border = |i: usize| match i {
        0 => 0,
        i if i > gaps => length,
        i => (origin(i - 1) + size + origin(i)) / 2,
    };
    (0..=gaps).map(|i| Span { from: origin(i), size, cell: (border(i), border(i + 1)) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_grid_has_four_patches() {
        let all = patches((96, 96), 48, 48, Overlap::Average);
        let corners: Vec<_> = all.iter().map(|p| p.noised).collect();
        assert_eq!(corners, [[0, 0, 48, 48], [0, 48, 48, 48], [48, 0, 48, 48], [48, 48, 48, 48]]);
        assert!(all.iter().all(|p| p.kept == p.noised));
        assert_eq!(patches((96, 96), 48, 48, Overlap::Cut), all);
    }

    #[test]
    fn every_pixel_is_covered_and_cut_cells_are_a_partition() {
        for (height, width, side, stride) in
            [(64, 64, 32, 16), (100, 37, 48, 48), (7, 5, 3, 1), (13, 50, 13, 4), (48, 48, 48, 48), (50, 50, 48, 1)]
        {
            for overlap in [Overlap::Average, Overlap::Cut] {
                let all = patches((height, width), side, stride, overlap);
                let mut count = vec![0; height * width];
                for p in &all {
                    let ([y, x, h, w], [ky, kx, kh, kw]) = (p.noised, p.kept);
                    assert!(y + h <= height && x + w <= width && kh > 0 && kw > 0);
                    assert!(ky >= y && kx >= x && ky + kh <= y + h && kx + kw <= x + w, "{p:?}");
                    (ky..ky + kh).for_each(|r| (kx..kx + kw).for_each(|c| count[r * width + c] += 1));
                }
                assert!(count.iter().all(|&n| n > 0), "{height}x{width} {side} {stride}");
                assert!(overlap == Overlap::Average || count.iter().all(|&n| n == 1));
            }
        }
    }
}
