//! From a map to one number.
use super::config::ScoreConfig;

/// The score of a map's values (f32, any order). Sums are in f64. Zero for an empty map.
pub fn score(map: &[f32], by: ScoreConfig) -> f64 {
    let mean = |v: &[f32]| v.iter().map(|&x| f64::from(x)).sum::<f64>() / v.len().max(1) as f64;
    match by {
        // Without a mask everything is foreground.
        ScoreConfig::Foreground => mean(map),
        ScoreConfig::Max => map.iter().map(|&v| f64::from(v)).reduce(f64::max).unwrap_or(0.0),
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_a_small_map() {
        let map = [1.0, 4.0, 2.0, 3.0];
        assert_eq!(score(&map, ScoreConfig::Max), 4.0);
        assert_eq!(score(&map, ScoreConfig::Mean), 2.5);
        assert_eq!(score(&map, ScoreConfig::Top { fraction: 0.5 }), 3.5);
        assert_eq!(score(&map, ScoreConfig::Top { fraction: 0.01 }), 4.0);
        assert_eq!(score(&map, ScoreConfig::Top { fraction: 1.0 }), 2.5);
        assert_eq!(score(&[], ScoreConfig::Max), 0.0);
        assert_eq!(score(&[], ScoreConfig::Top { fraction: 0.5 }), 0.0);
    }
}
