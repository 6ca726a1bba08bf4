//! Values that programs write where there is none, such as -9999 or 1e20: numbers for a reader, and no measurements.
use super::Table;

/// From here on a value that lies apart from all others of its column is none.
const HUGE: f64 = 1e18;

/// A value that seems to stand for none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FillValue {
    /// The column, from 0.
    pub column: usize,
    /// What it holds.
    pub value: f64,
    /// In how many rows.
    pub rows: usize,
}

impl FillValue {
    /// Whether nothing that is measured is as large.
    pub fn is_huge(&self) -> bool {
        self.value.abs() >= HUGE
    }
}

impl Table {
    /// The values that look as though they stood for none: nines such as -9999 and 999.9, the ends of integers' types, round powers of
    /// ten and whatever is larger than 1e18, each where it is further from every other value of its column than these are from
    /// one another (the outer hundredths left out). By column, and in it by value.
    pub fn fill_values(&self) -> Vec<FillValue> {
        (0..self.columns).flat_map(|c| self.fills_of(c)).collect()
    }

    fn fills_of(&self, column: usize) -> Vec<FillValue> {
        let values = || self.values.iter().skip(column).step_by(self.columns).copied().filter(|v| !v.is_nan());
        let mut like: Vec<f64> = values().filter(|&v| is_like_fill(v)).collect();
        if like.is_empty() {
            return Vec::new();
        }
        like.sort_by(f64::total_cmp);
        let mut others: Vec<f64> = values().filter(|&v| !is_like_fill(v)).collect();
        others.sort_by(f64::total_cmp);
        let Some(last) = others.len().checked_sub(1) else { return Vec::new() };
        let spread = others[last - last / 100] - others[last / 100];
        let apart = |v: f64| {
            let at = others.partition_point(|&o| o < v);
            let near = others[at.saturating_sub(1)..].iter().take(2).map(|o| (v - o).abs()).fold(f64::MAX, f64::min);
            // Of a column that holds one other value, 99 may well be the second.
            near > spread && (others[0] < others[last] || v.abs() >= 1000.0)
        };
        let runs = like.chunk_by(|a, b| a == b).map(|run| FillValue { column, value: run[0], rows: run.len() });
        runs.filter(|f| apart(f.value)).collect()
    }

    /// A note on the values that seem to stand for none, but for those of the columns in `settled`; none where there are none.
    #[cfg(feature = "tables")]
    pub(super) fn fill_note(&self, settled: impl Fn(usize) -> bool) -> Option<String> {
        const SHOWN: usize = 8;
        let found: Vec<FillValue> = self.fill_values().into_iter().filter(|f| !settled(f.column)).collect();
        let first = found.first()?;
        let mut words: Vec<String> = found.iter().take(SHOWN).map(|f| self.fill_place(f)).collect();
        words.extend((found.len() > SHOWN).then(|| format!("{} more", found.len() - SHOWN)));
        let hint = match &self.names {
            Some(names) => {
                format!("; if they are numbers, --keep {} says so", super::table_number::quoted(&names[first.column]))
            }
            None => String::new(),
        };
        Some(format!(
            "what looks like a sign for no value is taken as a number: {}; where it stands for none, leave the fields empty{hint}",
            words.join(", ")
        ))
    }

    /// A value that seems to stand for none, and where it is.
    pub fn fill_place(&self, fill: &FillValue) -> String {
        let rows = if fill.rows == 1 { "row" } else { "rows" };
        format!("{} in {} {rows} of {}", shown(fill.value), fill.rows, self.column_place(fill.column))
    }
}

/// Without the many zeros of large numbers.
fn shown(value: f64) -> String {
    if value.abs() >= 1e15 { format!("{value:e}") } else { value.to_string() }
}

/// Whether a value has the form of those that stand for none.
pub fn is_like_fill(value: f64) -> bool {
    const ENDS: [f64; 7] = [32767.0, 32768.0, 65535.0, 2_147_483_647.0, 2_147_483_648.0, 4_294_967_295.0, 999.25];
    let size = value.abs();
    if size >= HUGE || ENDS.contains(&size) {
        return true;
    }
    // Most values are told without their digits.
    let hundredths = size * 100.0;
    if size < 77.0 || (hundredths - hundredths.round()).abs() > 1e-5 * size {
        return false;
    }
    let power = size >= 1e9 && 10f64.powi(size.log10().round() as i32) == size;
    // -77, -88 and -99 are codes of surveys; of positive numbers, nines alone.
    // Of a float32 its own digits: 999.9 is 999.9000244140625.
    let single = size as f32;
    let text = if f64::from(single) == size { single.to_string() } else { size.to_string() }.replace('.', "");
    let (least, digits) = if value < 0.0 { (2, "789") } else { (3, "9") };
    let same = |d: char| digits.contains(d) && text.len() >= least && text.chars().all(|c| c == d);
    power || text.chars().next().is_some_and(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn column(values: &[f64]) -> Table {
        Table::new(Path::new("t"), 1, values.to_vec(), None, None).unwrap()
    }
    fn found(values: &[f64]) -> Vec<(f64, usize)> {
        column(values).fill_values().iter().map(|f| (f.value, f.rows)).collect()
    }

    #[test]
    fn forms_of_values_that_stand_for_none() {
        let netcdf = 9.969_209_968_386_869e36;
        for value in [
            -9999.0,
            -999.0,
            -99.0,
            999.9,
            99999.0,
            -999.99,
            -999.25,
            -8888.0,
            -32768.0,
            32767.0,
            -2147483648.0,
            1e20,
            1e30,
            1e10,
            -3.4028235e38,
            3.4e38,
            netcdf,
            f64::from(999.9f32),
            1.70141e38,
            9.223372036854776e18,
            f64::MAX,
        ] {
            assert!(is_like_fill(value), "{value}");
        }
        for value in [0.0, -1.0, 9.0, 99.0, -9.0, 8888.0, 1e6, 1234.0, -9998.0, 99.5, 1e-9, 1e9 + 1.0, f64::NAN] {
            assert!(!is_like_fill(value), "{value}");
        }
    }

    #[test]
    fn they_lie_apart_from_the_other_values() {
        assert_eq!(found(&[0.1, -9999.0, 0.9, f64::NAN, -9999.0, 1e20]), [(-9999.0, 2), (1e20, 1)]);
        assert_eq!(found(&[12.0, 8848.0, -400.0, -9999.0]), [(-9999.0, 1)]);
        // One outlier among the others does not hide them.
        let mut many: Vec<f64> = (0..300).map(|i| f64::from(i) / 300.0).collect();
        many.extend([1e5, -9999.0]);
        assert_eq!(found(&many), [(-9999.0, 1)]);
        // Among its like a number is a number.
        assert!(found(&[-20000.0, -9999.0, -5000.0, 20000.0]).is_empty());
        assert!(found(&[950.0, 999.0, 1010.0]).is_empty() && found(&[1e20, 2e20, 5e20]).is_empty());
        // Nothing to compare with, or a column of two values.
        assert!(found(&[-9999.0, -9999.0]).is_empty() && found(&[0.0, 0.0, -99.0]).is_empty());
        assert_eq!(found(&[0.0, 0.0, -9999.0]), [(-9999.0, 1)]);
    }

    #[cfg(feature = "tables")]
    #[test]
    fn the_note_names_columns_and_counts_rows() {
        let names = Some(vec!["a".into(), "b c".into()]);
        let values = vec![0.5, -9999.0, 0.7, 2.0, 1e20, 3.0, 0.1, -9999.0];
        let table = Table::new(Path::new("t"), 2, values, None, names).unwrap();
        let note = table.fill_note(|_| false).unwrap();
        assert!(note.contains("1e20 in 1 row of column `a`, -9999 in 2 rows of column `b c`"), "{note}");
        assert!(note.contains("--keep a"), "{note}");
        let note = table.fill_note(|c| c == 0).unwrap();
        assert!(!note.contains("1e20") && note.contains("--keep 'b c'"), "{note}");
        assert_eq!(table.fill_note(|_| true), None);
    }
}
