//! The scores of a run as a histogram in SVG.
use super::record::{Record, Verdict};
use super::words::number;
use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 220.0;
/// Room for the counts, the labels below and the threshold's label above.
const LEFT: f64 = 44.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 24.0;
const RIGHT: f64 = 16.0;

/// The scores of a run, by verdict, and a line at the threshold if all records share one.
pub(super) fn histogram(records: &[Record]) -> String {
    let points: Vec<(f64, bool)> = records.iter().map(|r| (r.score, r.verdict == Verdict::Anomalous)).collect();
    score_histogram(&points, common_threshold(records), &[])
}

/// Bars of all finite scores, the anomalous ones (true) coloured and on top, and a line at the threshold. Empty when there
/// is no score. The axis also has room for the scores of `beside`, another histogram to be compared with it.
pub fn score_histogram(points: &[(f64, bool)], threshold: Option<f64>, beside: &[(f64, bool)]) -> String {
    // Within what sums and differences can bear.
    let within = |score: f64| score.clamp(-1e300, 1e300);
    let scores: Vec<f64> = points.iter().map(|p| p.0).filter(|s| s.is_finite()).map(within).collect();
    if scores.is_empty() {
        return String::new();
    }
    let threshold = threshold.map(within);
    let others = beside.iter().map(|p| p.0).filter(|s| s.is_finite()).map(within);
    let ends = scores.iter().copied().chain(threshold).chain(others);
    let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), s| (a.min(s), b.max(s)));
    // Scores that are all the same get a bar of their own in the middle.
    let margin = (0.03 * (high - low)).max(low.abs().max(high.abs()) * 1e-3).max(1e-12);
    let (low, high) = (low - margin, high + margin);
    let bin = (high - low) / ((scores.len() as f64).sqrt() * 2.0).clamp(8.0, 48.0).round();
    // Bars do not straddle the threshold.
    let low = threshold.map_or(low, |t| t - ((t - low) / bin).ceil() * bin);
    let bins = ((high - low) / bin - 1e-6).ceil().clamp(1.0, 64.0) as usize;
    let span = bin * bins as f64;
    let fraction = |v: f64| ((within(v) - low) / span).clamp(0.0, 1.0);

    let mut counts = vec![[0usize; 2]; bins];
    for &(score, anomalous) in points.iter().filter(|p| p.0.is_finite()) {
        let bin = ((fraction(score) * bins as f64) as usize).min(bins - 1);
        counts[bin][usize::from(anomalous)] += 1;
    }
    let most = counts.iter().map(|c| c[0] + c[1]).max().unwrap_or(1).max(1);
    let x = |f: f64| LEFT + f * (WIDTH - LEFT - RIGHT);
    let y = |count: f64| HEIGHT - BOTTOM - count / most as f64 * (HEIGHT - BOTTOM - TOP);

    let mut svg = format!(
        r#"<svg class="plot histogram" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Histogram of the {} scores">"#,
        scores.len()
    );
    for (count, class) in [(0, "base"), (most, "grid")] {
        let at = y(count as f64);
        let _ = write!(svg, r#"<line class="{class}" x1="{LEFT}" x2="{}" y1="{at:.1}" y2="{at:.1}"/>"#, WIDTH - RIGHT);
        let _ = write!(svg, r#"<text x="{}" y="{:.1}" text-anchor="end">{count}</text>"#, LEFT - 8.0, at + 4.0);
    }
    for (i, [normal, anomalous]) in counts.iter().enumerate() {
        let (from, to) = (x(i as f64 / bins as f64) + 1.0, x((i + 1) as f64 / bins as f64) - 1.0);
        let mut below = 0;
        for (count, class) in [(*normal, "normal"), (*anomalous, "anomalous")].into_iter().filter(|c| c.0 > 0) {
            let (top, bottom) = (y((below + count) as f64), y(below as f64));
            let _ = write!(
                svg,
                r#"<rect class="{class}" x="{from:.1}" y="{top:.1}" width="{:.1}" height="{:.1}"><title>{count}</title></rect>"#,
                to - from,
                bottom - top
            );
            below += count;
        }
    }
    for tick in ticks(low, span) {
        let (at, below) = (x(fraction(tick)), HEIGHT - BOTTOM + 18.0);
        let _ = write!(svg, r#"<text x="{at:.1}" y="{below}" text-anchor="middle">{}</text>"#, number(tick));
    }
    let _ = write!(svg, r#"<text x="{}" y="{}" text-anchor="middle">score</text>"#, x(0.5), HEIGHT - 4.0);
    if let Some(t) = threshold {
        let (f, at) = (fraction(t), x(fraction(t)));
        // Beside the line, on the side where there is room.
        let (anchor, dx) = if f > 0.5 { ("end", -6.0) } else { ("start", 6.0) };
        let _ = write!(
            svg,
            r#"<line class="threshold" x1="{at:.1}" x2="{at:.1}" y1="6" y2="{}"/><text class="threshold" x="{:.1}" y="14" text-anchor="{anchor}">threshold {}</text>"#,
            HEIGHT - BOTTOM,
            at + dx,
            number(t)
        );
    }
    svg + "</svg>"
}

/// Round numbers within the range, some four to eight.
fn ticks(low: f64, span: f64) -> Vec<f64> {
    let power = 10f64.powf((span / 4.0).log10().floor());
    let step = [5.0, 2.0, 1.0].map(|m| m * power).into_iter().find(|step| span / step >= 4.0).unwrap_or(power);
    let first = (low / step).ceil();
    (0..10).map(|i| (first + f64::from(i)) * step).take_while(|&tick| tick <= low + span).collect()
}

/// The threshold that all records were judged by.
pub(super) fn common_threshold(records: &[Record]) -> Option<f64> {
    let first = records.first()?.threshold.filter(|t| t.is_finite())?;
    records.iter().all(|r| r.threshold == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::*;

    #[test]
    fn every_score_is_counted_and_the_threshold_drawn() {
        let records: Vec<Record> = (0..50).map(|i| record("x", f64::from(i) / 49.0)).collect();
        let svg = histogram(&records);
        let total = |class: &str| -> usize {
            svg.split(&format!(r#"class="{class}" x="#))
                .skip(1)
                .map(|s| s.split("<title>").nth(1).unwrap().split('<').next().unwrap().parse::<usize>().unwrap())
                .sum()
        };
        assert_eq!((total("normal"), total("anomalous")), (25, 25));
        assert!(svg.contains("threshold 0.5<"));
    }

    #[test]
    fn ticks_are_round() {
        let text = |low, span| ticks(low, span).into_iter().map(number).collect::<Vec<_>>().join(" ");
        assert_eq!(text(0.089, 0.45), "0.1 0.2 0.3 0.4 0.5");
        assert_eq!(text(-0.03, 1.06), "0 0.2 0.4 0.6 0.8 1");
        assert_eq!(text(970.0, 4100.0), "1000 2000 3000 4000 5000");
    }

    #[test]
    fn few_equal_and_extreme_scores_make_finite_drawings() {
        assert_eq!(histogram(&[]), "");
        for scores in [vec![0.3], vec![0.0, 0.0], vec![f64::MAX, f64::MIN], vec![1e-300, 2e-300], vec![f64::NAN, 1.0]] {
            let records: Vec<Record> = scores.iter().map(|&s| Record { threshold: None, ..record("x", s) }).collect();
            let svg = histogram(&records);
            assert!(svg.ends_with("</svg>") && !svg.contains("NaN") && !svg.contains("inf"), "{scores:?} {svg}");
        }
    }
}
