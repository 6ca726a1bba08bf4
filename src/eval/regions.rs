//! The connected regions of a mask.

/// Labels the regions of a row-major mask: 0 where there is none, otherwise 1, 2, … in the order of their first pixels,
/// and the pixels of each. Pixels that touch by a side or a corner are connected: `skimage.measure.label` as it comes,
/// `scipy.ndimage.label` with a structure of ones, as the MVTec evaluation code calls it.
pub fn regions(mask: &[bool], width: usize) -> (Vec<u32>, Vec<u64>) {
    let (mut labels, mut sizes) = (vec![0; mask.len()], Vec::new());
    let height = mask.len().checked_div(width).unwrap_or(0);
    let mut pending = Vec::new();
    for first in 0..mask.len() {
        if !mask[first] || labels[first] != 0 {
            continue;
        }
        let label = sizes.len() as u32 + 1;
        let mut size = 0;
        labels[first] = label;
        pending.push(first);
        while let Some(at) = pending.pop() {
            size += 1;
            let (x, y) = (at % width, at / width);
            for row in y.saturating_sub(1)..(y + 2).min(height) {
                for next in row * width + x.saturating_sub(1)..row * width + (x + 2).min(width) {
                    if mask[next] && labels[next] == 0 {
                        labels[next] = label;
                        pending.push(next);
                    }
                }
            }
        }
        sizes.push(size);
    }
    (labels, sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_connect_and_edges_do_not_wrap() {
        let mask: Vec<bool> = "#..#\n.#..\n...#\n#..#".bytes().filter(|b| *b != b'\n').map(|b| b == b'#').collect();
        let (labels, sizes) = regions(&mask, 4);
        assert_eq!(labels, [1, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 3, 4, 0, 0, 3]);
        assert_eq!(sizes, [2, 1, 2, 1]);
        assert_eq!(regions(&[], 0), (vec![], vec![]));
    }
}
