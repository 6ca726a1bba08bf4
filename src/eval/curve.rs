//! ROC and precision-recall curves, thinned to what a drawing shows.

/// The least distance between kept points, in either direction.
const GRAIN: f64 = 1.0 / 1024.0;

/// Corners of the two curves, in order of falling threshold. Every kept point is exact; points nearer than 1/1024 to the
/// last one in both directions are left out, the ends never.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// (false-positive rate, true-positive rate), from (0, 0) to (1, 1).
    pub roc: Vec<[f64; 2]>,
    /// (recall, precision).
    pub precision_recall: Vec<[f64; 2]>,
}

impl Curve {
    pub(super) fn push(&mut self, fpr: f64, tpr: f64, precision: f64, last: bool) {
        if self.roc.is_empty() {
            self.roc.push([0.0, 0.0]);
        }
        put(&mut self.roc, [fpr, tpr], last);
        put(&mut self.precision_recall, [tpr, precision], last);
    }
}

fn put(points: &mut Vec<[f64; 2]>, point: [f64; 2], last: bool) {
    let near = |a: &[f64; 2]| (a[0] - point[0]).abs() < GRAIN && (a[1] - point[1]).abs() < GRAIN;
    if last || !points.last().is_some_and(near) {
        points.push(point);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_is_thinned_and_keeps_its_ends() {
        let mut curve = Curve::default();
        let count = 1_000_000;
        for i in 1..=count {
            let x = f64::from(i) / f64::from(count);
            curve.push(x, x.sqrt(), 1.0 - x / 2.0, i == count);
        }
        assert_eq!((curve.roc[0], curve.roc[curve.roc.len() - 1]), ([0.0, 0.0], [1.0, 1.0]));
        assert!((1000..3000).contains(&curve.roc.len()), "{}", curve.roc.len());
        assert!((500..3000).contains(&curve.precision_recall.len()));
    }
}
