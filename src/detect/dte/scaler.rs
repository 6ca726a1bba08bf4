//! Standardisation: each feature to mean 0 and standard deviation 1 on the training rows.
use crate::data::Table;

/// A feature's training mean and population standard deviation, which is 1 where the feature is constant.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaler {
    /// One for each column.
    pub mean: Vec<f64>,
    /// One for each column, positive.
    pub std: Vec<f64>,
}

impl Scaler {
    /// Fits to a table. A missing value counts as its column's mean; a column with no value at all has mean 0.
    pub fn fit(table: &Table) -> Self {
        let (rows, mean) = (table.rows() as f64, means(table));
        let mut squares = vec![0.0; table.columns];
        for row in table.values.chunks_exact(table.columns) {
            for ((s, &v), &m) in squares.iter_mut().zip(row).zip(&mean) {
                *s += if v.is_nan() { 0.0 } else { (v - m) * (v - m) };
            }
        }
        let deviation = |(s, m): (&f64, &f64)| {
            let variance = s / rows;
            // What rounding alone can leave of a constant column (scikit-learn's bound).
            let rounding = rows * f64::EPSILON * variance + (rows * m * f64::EPSILON).powi(2);
            if variance > rounding { variance.sqrt() } else { 1.0 }
        };
        let std = squares.iter().zip(&mean).map(deviation).collect();
        Scaler { mean, std }
    }
    /// One row, standardised; it has as many values as there are columns.
    pub fn row<'a>(&'a self, values: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        let each = values.iter().zip(&self.mean).zip(&self.std);
        each.map(|((&v, m), s)| ((f64::from(v) - m) / s) as f32)
    }
    /// The table's values, standardised. A missing value becomes 0, the training mean.
    pub fn apply(&self, table: &Table) -> Vec<f32> {
        let one = |((&v, m), s): ((&f64, &f64), &f64)| if v.is_nan() { 0.0 } else { ((v - m) / s) as f32 };
        let rows = table.values.chunks_exact(table.columns);
        rows.flat_map(|row| row.iter().zip(&self.mean).zip(&self.std).map(one)).collect()
    }
}

/// Replaces missing values by their column's mean in this table.
pub(super) fn fill(table: &mut Table) {
    if table.values.iter().any(|v| v.is_nan()) {
        let mean = means(table);
        for row in table.values.chunks_exact_mut(table.columns) {
            row.iter_mut().zip(&mean).filter(|(v, _)| v.is_nan()).for_each(|(v, &m)| *v = m);
        }
    }
}

fn means(table: &Table) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); table.columns];
    for row in table.values.chunks_exact(table.columns) {
        for (sum, &v) in sums.iter_mut().zip(row).filter(|(_, v)| !v.is_nan()) {
            *sum = (sum.0 + v, sum.1 + 1.0);
        }
    }
    sums.into_iter().map(|(sum, n)| if n > 0.0 { sum / n } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn constant_and_missing_columns() {
        let nan = f64::NAN;
        let values = vec![1.0, 0.1, nan, nan, 3.0, 0.1, nan, 5.0];
        let mut table = Table::new(Path::new("t"), 4, values, None, None).unwrap();
        let s = Scaler::fit(&table);
        assert_eq!((&s.mean[..], &s.std[..]), (&[2.0, 0.1, 0.0, 5.0][..], &[1.0, 1.0, 1.0, 1.0][..]));
        assert_eq!(s.apply(&table), [-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        fill(&mut table);
        assert_eq!(table.values, [1.0, 0.1, 0.0, 5.0, 3.0, 0.1, 0.0, 5.0]);
    }
}
