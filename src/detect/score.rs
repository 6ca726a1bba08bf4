//! From a map to one number.
use super::config::ScoreConfig;

/// The score of a map's values (f32) in rows of a size (height, width), perhaps of several maps one after the other. Sums are in f64.
/// Zero for an empty map.
pub fn score(map: &[f32], size: [usize; 2], by: ScoreConfig) -> f64 {
    let mean = |v: &[f32]| v.iter().map(|&x| f64::from(x)).sum::<f64>() / v.len().max(1) as f64;
    let largest = |values: &mut dyn Iterator<Item = f64>| values.reduce(f64::max).unwrap_or(0.0);
    match by {
        // Without a mask everything is foreground.
        ScoreConfig::Foreground => mean(map),
        ScoreConfig::Max => largest(&mut map.iter().map(|&v| f64::from(v))),
        ScoreConfig::Mean => mean(map),
        ScoreConfig::Top { fraction } => {
            let count = ((map.len() as f64 * fraction).round() as usize).clamp(1, map.len().max(1));
            let mut values = map.to_vec();
            if count < values.len() {
                values.select_nth_unstable_by(count - 1, |a, b| b.total_cmp(a));
            }
            values.truncate(count);
            mean(&values)
        }
        ScoreConfig::Window { side } => {
            let maps = map.chunks_exact((size[0] * size[1]).max(1));
            largest(&mut maps.flat_map(|one| window_sums(one, size, side)).map(|sum| sum / (side * side) as f64))
        }
    }
}

/// The sum of the square of an odd side around each pixel, by running sums along the rows and then along the columns.
fn window_sums(map: &[f32], [height, width]: [usize; 2], side: usize) -> Vec<f64> {
    let values: Vec<f64> = map.iter().map(|&v| f64::from(v)).collect();
    let rows = line_sums(&values, [height, width], [width, 1], side / 2);
    line_sums(&rows, [width, height], [1, width], side / 2)
}

/// The sums of `2·radius + 1` values along each of `lines` of so many values; from line to line and from value to value it is `strides`.
fn line_sums(values: &[f64], [lines, count]: [usize; 2], strides: [usize; 2], radius: usize) -> Vec<f64> {
    let mut out = vec![0.0; values.len()];
    let mut before = vec![0.0; count + 1];
    for line in 0..lines {
        let at = |i: usize| line * strides[0] + i * strides[1];
        for i in 0..count {
            before[i + 1] = before[i] + values[at(i)];
        }
        for i in 0..count {
            out[at(i)] = before[(i + radius + 1).min(count)] - before[i.saturating_sub(radius)];
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_a_small_map() {
        let map = [1.0, 4.0, 2.0, 3.0];
        let score = |map: &[f32], by| score(map, [2, map.len() / 2], by);
        assert_eq!(score(&map, ScoreConfig::Max), 4.0);
        assert_eq!(score(&map, ScoreConfig::Mean), 2.5);
        assert_eq!(score(&map, ScoreConfig::Top { fraction: 0.5 }), 3.5);
        assert_eq!(score(&map, ScoreConfig::Top { fraction: 0.01 }), 4.0);
        assert_eq!(score(&map, ScoreConfig::Top { fraction: 1.0 }), 2.5);
        assert_eq!(score(&map, ScoreConfig::Window { side: 1 }), 4.0);
        assert_eq!(score(&map, ScoreConfig::Window { side: 3 }), 10.0 / 9.0);
        for by in [ScoreConfig::Max, ScoreConfig::Top { fraction: 0.5 }, ScoreConfig::Window { side: 3 }] {
            assert_eq!(score(&[], by), 0.0);
        }
    }

    /// Against the mean of each square as it is defined, pixel by pixel.
    #[test]
    fn a_window_is_the_largest_mean_of_a_square_with_zeros_around() {
        let naive = |map: &[f32], [h, w]: [usize; 2], side: usize| {
            let (r, mut best) = ((side / 2) as isize, f64::NEG_INFINITY);
            for (y, x) in (0..h as isize).flat_map(|y| (0..w as isize).map(move |x| (y, x))) {
                let mut sum = 0.0;
                for (v, u) in (y - r..=y + r).flat_map(|v| (x - r..=x + r).map(move |u| (v, u))) {
                    let inside = (0..h as isize).contains(&v) && (0..w as isize).contains(&u);
                    sum += if inside { f64::from(map[(v * w as isize + u) as usize]) } else { 0.0 };
                }
                best = best.max(sum / (side * side) as f64);
            }
            best
        };
        let mut state = 7u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32
        };
        for (size, side) in [([1, 1], 21), ([5, 9], 3), ([13, 7], 5), ([40, 33], 21), ([6, 50], 255), ([8, 8], 1)] {
            let map: Vec<f32> = (0..size[0] * size[1]).map(|_| random()).collect();
            let (want, found) = (naive(&map, size, side), score(&map, size, ScoreConfig::Window { side }));
            assert!((found - want).abs() < 1e-12 * want.max(1.0), "{size:?} {side}: {found} {want}");
            // A square does not reach from one map into the next.
            let more: Vec<f32> = map.iter().map(|v| 0.5 * v).collect();
            let both = score(&[&map[..], &more].concat(), size, ScoreConfig::Window { side });
            assert_eq!(both, found);
        }
    }
}
