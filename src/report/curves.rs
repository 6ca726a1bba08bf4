//! Curves over the unit square in SVG, and drawings that stand alone.
use super::words::{escape, number};
use std::fmt::Write;

const PLOT: &str = include_str!("plot.css");
/// The colours that a page would give.
const COLOURS: &str = "svg{--card:#fff;--ink:#1d1b22;--soft:#6d6a75;--line:#e2e0e6;--bad:#c2321f;\
                       font-family:system-ui,sans-serif;background:#fff}";
const SIDE: f64 = 380.0;
const LEFT: f64 = 56.0;
const BOTTOM: f64 = 48.0;
const TOP: f64 = 12.0;
const LEGEND: f64 = 130.0;

/// Curves through points of the unit square, with axes from 0 to 1, their names and a legend. Curves without points are
/// left out; empty when none is left.
pub fn curve_plot(title: &str, axes: [&str; 2], curves: &[(&str, &[[f64; 2]])]) -> String {
    let curves: Vec<_> = curves.iter().filter(|c| !c.1.is_empty()).collect();
    if curves.is_empty() {
        return String::new();
    }
    let (x, y) = (|v: f64| LEFT + v * SIDE, |v: f64| TOP + (1.0 - v) * SIDE);
    let (width, height) = (LEFT + SIDE + LEGEND, TOP + SIDE + BOTTOM);
    let mut svg = format!(
        r#"<svg class="plot curves" viewBox="0 0 {width} {height}" role="img" aria-label="{}">"#,
        escape(title)
    );
    for i in 0..=5 {
        let v = f64::from(i) / 5.0;
        let class = if i == 0 { "base" } else { "grid" };
        let (low, high, text) = (y(0.0), y(1.0), number(v));
        let _ = write!(svg, r#"<line class="{class}" x1="{0:.1}" x2="{0:.1}" y1="{low}" y2="{high}"/>"#, x(v));
        let _ = write!(svg, r#"<line class="{class}" x1="{}" x2="{}" y1="{2:.1}" y2="{2:.1}"/>"#, x(0.0), x(1.0), y(v));
        let _ = write!(svg, r#"<text x="{:.1}" y="{:.1}" text-anchor="middle">{text}</text>"#, x(v), low + 18.0);
        let _ = write!(svg, r#"<text x="{}" y="{:.1}" text-anchor="end">{text}</text>"#, LEFT - 8.0, y(v) + 4.0);
    }
    let _ = write!(svg, r#"<text x="{}" y="{}" text-anchor="middle">{}</text>"#, x(0.5), height - 8.0, escape(axes[0]));
    let middle = y(0.5);
    let _ = write!(
        svg,
        r#"<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">{}</text>"#,
        escape(axes[1])
    );
    for (i, (name, points)) in curves.iter().enumerate() {
        let path: Vec<String> = points.iter().map(|p| format!("{:.2},{:.2}", x(p[0]), y(p[1]))).collect();
        let at = TOP + 16.0 + 20.0 * i as f64;
        let from = LEFT + SIDE + 20.0;
        let _ = write!(svg, r#"<polyline class="{name}" points="{}"/>"#, path.join(" "));
        let _ = write!(svg, r#"<line class="{name}" x1="{from}" x2="{}" y1="{at}" y2="{at}"/>"#, from + 24.0);
        let _ = write!(svg, r#"<text x="{}" y="{}">{}</text>"#, from + 30.0, at + 4.0, escape(name));
    }
    svg + "</svg>"
}

/// A drawing as a file of its own, with the style that a page would give it.
pub fn standalone(svg: &str) -> String {
    let svg = svg.replacen("<svg ", r#"<svg xmlns="http://www.w3.org/2000/svg" "#, 1);
    svg.replacen('>', &format!("><style>{COLOURS}{PLOT}</style>"), 1) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_drawn_named_and_standing_alone() {
        let line = [[0.0, 0.0], [0.25, 1.0], [1.0, 1.0]];
        let svg = curve_plot("ROC", ["x < 1", "y"], &[("images", &line), ("pixels", &[])]);
        assert!(svg.contains("x &lt; 1") && !svg.contains("pixels"));
        assert!(svg.contains(r#"points="56.00,392.00 151.00,12.00 436.00,12.00""#), "{svg}");
        let file = standalone(&svg);
        assert!(file.starts_with(r#"<svg xmlns="http://www.w3.org/2000/svg" class="#) && file.contains("<style>"));
        assert_eq!(curve_plot("ROC", ["x", "y"], &[("images", &[])]), "");
    }
}
