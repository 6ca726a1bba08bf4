//! Decimal marks and thousands separators of a text file whose columns are separated by something else than commas.
use super::table_number::with_point;

/// A token and its line.
type Place = (u32, String);

/// Which marks a file uses, each with the first place.
#[derive(Default)]
pub(super) struct Marks {
    /// A comma, read as a decimal mark; with the number that it gave.
    comma: Option<(Place, String)>,
    /// A point, read as one.
    point: Option<Place>,
    /// Whether some number shows that its mark separates no thousands, as in 0,5 and 12.25.
    shown: bool,
    /// Of each column.
    columns: Vec<Column>,
}

/// What tells points between thousands from decimal ones.
#[derive(Clone, Default)]
struct Column {
    /// A number such as 1.234.
    grouped: Option<Place>,
    /// A whole number below a thousand, which as decimals would have decimals, too.
    small: bool,
    /// A whole number that would be grouped if any were.
    large: bool,
}

impl Marks {
    /// Looks at a field of a numeric column; the same with a point where it is a number with a decimal comma.
    pub fn read(&mut self, line: u32, column: usize, text: &str) -> Option<String> {
        if self.columns.len() <= column {
            self.columns.resize(column + 1, Column::default());
        }
        if let Some(number) = with_point(text).filter(|t| t.parse::<f64>().is_ok()) {
            self.comma.get_or_insert_with(|| ((line, text.to_owned()), number.clone()));
            self.shown |= !is_grouped(&number);
            return Some(number);
        }
        let value: f64 = text.parse().ok()?;
        let of = &mut self.columns[column];
        if !text.contains('.') {
            let digits = text.trim_start_matches(['+', '-']).bytes().all(|b| b.is_ascii_digit());
            of.small |= digits && value != 0.0 && value.abs() < 1000.0;
            of.large |= digits && value.abs() >= 1000.0;
            return None;
        }
        self.point.get_or_insert_with(|| (line, text.to_owned()));
        match is_grouped(text) {
            true => drop(of.grouped.get_or_insert_with(|| (line, text.to_owned()))),
            false => self.shown = true,
        }
        None
    }

    /// What is to be said of them.
    /// # Errors
    /// In words: two decimal marks, or marks that may separate thousands.
    pub fn note(self) -> Result<Option<String>, String> {
        let either = |(line, text): &Place, mark: char| {
            let (decimal, whole) = (text.replace(mark, "."), text.replace(mark, ""));
            format!(
                "line {line} has `{text}`, which may be {decimal} as well as {whole}, and no other number of the table tells: write \
                 numbers without thousands separators, and with a decimal point"
            )
        };
        match (&self.comma, &self.point) {
            (Some(((a, comma), _)), Some((b, point))) => {
                Err(format!("line {a} has `{comma}` and line {b} has `{point}`: a table has one decimal mark"))
            }
            (Some((place, _)), None) if !self.shown => Err(either(place, ',')),
            (Some(((line, comma), number)), None) => {
                Ok(Some(format!("commas are read as decimal marks: line {line} has `{comma}`, which is {number}")))
            }
            (None, _) if !self.shown => {
                let doubtful = self.columns.iter().filter(|c| c.small && !c.large).find_map(|c| c.grouped.as_ref());
                doubtful.map_or(Ok(None), |place| Err(either(place, '.')))
            }
            _ => Ok(None),
        }
    }
}

/// Whether the point of a number may stand between thousands: up to three digits, not 0, before it and three behind it.
fn is_grouped(number: &str) -> bool {
    let plain = number.strip_prefix(['+', '-']).unwrap_or(number);
    plain.split_once('.').is_some_and(|(whole, part)| {
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        (1..=3).contains(&whole.len()) && !whole.starts_with('0') && part.len() == 3 && digits(whole) && digits(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of rows of one or more columns.
    fn note(rows: &[&[&str]]) -> Result<Option<String>, String> {
        let mut marks = Marks::default();
        for (i, row) in rows.iter().enumerate() {
            row.iter().enumerate().for_each(|(c, text)| drop(marks.read(i as u32 + 2, c, text)));
        }
        marks.note()
    }

    #[test]
    fn what_may_be_thousands_is_refused() {
        assert!(note(&[&["0,5"], &["1,234"]]).unwrap().unwrap().contains("`0,5`, which is 0.5"));
        assert!(note(&[&["12,3456"]]).is_ok() && note(&[&["1,5", "2,250"]]).is_ok() && note(&[&["1234,567"]]).is_ok());
        let fault = note(&[&["950"], &["1,234"]]).unwrap_err();
        assert!(fault.contains("line 3 has `1,234`, which may be 1.234 as well as 1234"), "{fault}");
        let fault = note(&[&["950"], &["-12.345"]]).unwrap_err();
        assert!(fault.contains("line 3 has `-12.345`, which may be -12.345 as well as -12345"), "{fault}");
        // Decimals by their number, by a leading zero, by a whole number that is not grouped, or all alike.
        for rows in [
            &[&["950"][..], &["1.234"], &["2.5"]][..],
            &[&["7"], &["0.125"], &["1.234"]],
            &[&["1500"], &["1.234"], &["3"]],
            &[&["1.234"], &["2.500"]],
            &[&["950", "1.234"], &["3", "2.125"]],
            &[&["1"], &["2"]],
            &[&["0"], &["1.234"]],
        ] {
            assert_eq!(note(rows), Ok(None), "{rows:?}");
        }
        assert!(note(&[&["1,5"], &["2.5"]]).unwrap_err().contains("one decimal mark"));
    }
}
