//! The numbers of text files, and what stands for a missing one.

/// What a field of a text file holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Field {
    /// A number; true and false are 1 and 0. Infinite where it is too large for any.
    Number(f64),
    /// Nothing, or a word for it.
    Missing,
    /// Anything else.
    Text,
}

/// Words for a missing value in any case: those that pandas reads as such, and the question mark of UCI's files.
const MISSING: [&str; 12] = ["na", "n/a", "nan", "-nan", "null", "none", "<na>", "#n/a", "#na", "#n/a n/a", "?", "nat"];

/// Whether a field stands for a missing value.
pub(super) fn is_missing(text: &str) -> bool {
    text.is_empty() || MISSING.iter().any(|m| m.eq_ignore_ascii_case(text))
}

/// Reads a field without white space at its ends.
pub(super) fn field(text: &str) -> Field {
    if is_missing(text) {
        Field::Missing
    } else if let Ok(number) = text.parse() {
        Field::Number(number)
    } else if text.eq_ignore_ascii_case("true") {
        Field::Number(1.0)
    } else if text.eq_ignore_ascii_case("false") {
        Field::Number(0.0)
    } else {
        Field::Text
    }
}

/// A number with a decimal comma and no other mark, with a point instead.
pub(super) fn with_point(text: &str) -> Option<String> {
    let (whole, part) = text.split_once(',')?;
    let sign = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let exponent = part.find(['e', 'E']).map_or(part, |at| &part[..at]);
    (digits(sign) && digits(exponent) && !(sign.is_empty() && exponent.is_empty())).then(|| format!("{whole}.{part}"))
}

/// What may be meant by a field that is no number, as advice behind the fault.
pub(super) fn advice(text: &str, name: &str) -> String {
    let drop = format!("--drop {} leaves the column out", quoted(name));
    let digits = |c: char| c.is_ascii_digit();
    let marks = text.chars().all(|c| digits(c) || "., '\u{a0}\u{202f}+-%$€£".contains(c));
    let lower = text.to_lowercase();
    if text.contains('\n') {
        return "a quotation mark seems not to be closed".into();
    }
    if super::EXTENSIONS.iter().any(|e| lower.ends_with(e)) {
        return format!(
            "it looks like the name of an image, and the file like a list of images, not a table of numbers; {drop}"
        );
    }
    if text.contains(char::is_whitespace) && text.split_whitespace().all(|p| field(p) != Field::Text) {
        return "the columns seem to be separated by spaces; commas, semicolons, tabs and | are read as separators"
            .into();
    }
    let date = text.len() >= 8 && text.starts_with(digits) && text.matches(['-', '/', ':', '.']).count() >= 2;
    if date && text.contains(['-', '/', ':']) {
        return format!("it looks like a date or a time; {drop}");
    }
    if marks && text.contains(digits) {
        return "numbers are read without thousands separators, units and currencies, with a point as decimal mark (or, where \
                columns are separated by semicolons or tabs, a comma)"
            .into();
    }
    format!("a missing value is an empty field, NA, NaN, null, N/A or ?; {drop}")
}

/// A name as a shell needs it.
pub(super) fn quoted(name: &str) -> String {
    if name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c)) && !name.is_empty() {
        name.to_owned()
    } else {
        format!("'{name}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_numbers_missing_or_text() {
        for (text, value) in
            [("1", 1.0), ("-2.5e3", -2500.0), ("+.5", 0.5), ("True", 1.0), ("FALSE", 0.0), ("1e-400", 0.0)]
        {
            assert_eq!(field(text), Field::Number(value), "{text}");
        }
        assert_eq!(field("1e400"), Field::Number(f64::INFINITY));
        for text in ["", "NA", "nan", "NULL", "N/A", "?", "None", "<NA>", "#N/A"] {
            assert_eq!(field(text), Field::Missing, "{text}");
        }
        for text in ["x", "1,5", "1 000", "5%", "-", ".", "yes", "0x10"] {
            assert_eq!(field(text), Field::Text, "{text}");
        }
    }

    #[test]
    fn a_decimal_comma_stands_alone() {
        for (text, wanted) in [("0,5", "0.5"), ("-12,25", "-12.25"), (",5", ".5"), ("1,5e-3", "1.5e-3")] {
            assert_eq!(with_point(text).as_deref(), Some(wanted));
        }
        for text in ["1.234,5", "1,234,567", "a,b", ",", "5", "1,2e"] {
            assert!(with_point(text).is_none_or(|p| p.parse::<f64>().is_err()), "{text}");
        }
    }
}
