//! Standardisation: each feature to mean 0 and standard deviation 1 on the training rows.
use crate::data::Table;
use crate::{Error, Result};

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
    /// # Errors
    /// [`Error::Invalid`] naming a column whose mean or standard deviation an f64 cannot hold.
    pub fn fit(table: &Table) -> Result<Self> {
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
        let std: Vec<f64> = squares.iter().zip(&mean).map(deviation).collect();
        for c in 0..table.columns {
            let values = || table.values.iter().skip(c).step_by(table.columns).filter(|v| !v.is_nan());
            let (low, high) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
            let lost = high > low && squares[c] < f64::MIN_POSITIVE;
            if lost || !mean[c].is_finite() || !squares[c].is_finite() {
                return Err(Error::Invalid(format!(
                    "{}: its values, from {low:e} to {high:e}, are too {} for a standard deviation",
                    table.column_place(c),
                    if lost { "close together" } else { "far apart" }
                )));
            }
        }
        Ok(Scaler { mean, std })
    }
    /// One row, standardised; it has as many values as there are columns.
    pub fn row<'a>(&'a self, values: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        let each = values.iter().zip(&self.mean).zip(&self.std);
        each.map(|((&v, m), s)| ((f64::from(v) - m) / s) as f32)
    }
    /// The table's values, standardised. A missing value becomes 0, the training mean.
    /// # Errors
    /// [`Error::Invalid`] naming row and column of a value that lies further from the training mean than `furthest` standard
    /// deviations.
    pub fn apply(&self, table: &Table, furthest: f64) -> Result<Vec<f32>> {
        let one = |((&v, m), s): ((&f64, &f64), &f64)| if v.is_nan() { 0.0 } else { (v - m) / s };
        let rows = table.values.chunks_exact(table.columns);
        let mut out = Vec::with_capacity(table.values.len());
        for z in rows.flat_map(|row| row.iter().zip(&self.mean).zip(&self.std).map(one)) {
            if z.abs() > furthest {
                let (row, column) = (out.len() / table.columns, out.len() % table.columns);
                return Err(Error::Invalid(format!(
                    "{}: {:?} lies {:.3e} standard deviations from the training mean, more than the {furthest:.1e} that can be \
                     computed with; if it stands for a missing value, leave the field empty",
                    table.place(row, column),
                    table.row(row)[column],
                    z.abs()
                )));
            }
            out.push(z as f32);
        }
        Ok(out)
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
        let s = Scaler::fit(&table).unwrap();
        assert_eq!((&s.mean[..], &s.std[..]), (&[2.0, 0.1, 0.0, 5.0][..], &[1.0, 1.0, 1.0, 1.0][..]));
        assert_eq!(s.apply(&table, 10.0).unwrap(), [-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        fill(&mut table);
        assert_eq!(table.values, [1.0, 0.1, 0.0, 5.0, 3.0, 0.1, 0.0, 5.0]);
    }

    #[test]
    fn what_cannot_be_standardised_is_named() {
        let table = |values: [f64; 6]| {
            let names = Some(vec!["a".into(), "b".into()]);
            Table::new(Path::new("t"), 2, values.to_vec(), None, names).unwrap()
        };
        for (values, says) in [
            ([0.0, 1e308, 1.0, -1e308, 2.0, 1e308], "column `b`: its values, from -1e308 to 1e308, are too far apart"),
            ([0.0, 1e300, 1.0, -1e300, 2.0, 0.0], "column `b`: its values, from -1e300 to 1e300, are too far apart"),
            ([1e-200, 1.0, 2e-200, 2.0, 3e-200, 3.0], "column `a`: its values, from 1e-200 to 3e-200, are too close"),
        ] {
            let fault = Scaler::fit(&table(values)).unwrap_err().to_string();
            assert!(fault.contains(says), "{fault}");
        }
        let s = Scaler::fit(&table([0.0, 1.0, 1.0, 2.0, 2.0, 3.0])).unwrap();
        // No-data values: that of f32, which overflows, and the largest f64.
        for value in [-3.4028235e38, f64::MAX, 1e30] {
            let fault = s.apply(&table([0.0, 1.0, 1.0, value, 2.0, 3.0]), 1e15).unwrap_err().to_string();
            assert!(fault.starts_with("row 2, column `b`: "), "{fault}");
        }
        let far = s.apply(&table([0.0, 1.0, 1.0, 1e14, 2.0, 3.0]), 1e15).unwrap();
        assert!((f64::from(far[3]) - 1e14 / (2f64 / 3.0).sqrt()).abs() < 1e8);
    }
}
