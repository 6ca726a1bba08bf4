//! Columns that number or name rows and say nothing about them: the index that pandas and R write, and ids.

/// The name that pandas gives a column without one.
pub(super) fn unnamed(column: usize) -> String {
    format!("Unnamed: {column}")
}

/// Whether a column had no name.
pub(super) fn is_unnamed(name: &str) -> bool {
    name.strip_prefix("Unnamed: ").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

/// Whether a column's name is one that an index or an id has.
pub(super) fn is_index_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    let plain: String = lower.chars().filter(|c| !" ._-".contains(*c)).collect();
    let usual = ["index", "id", "rowid", "rowname", "rownames", "row", "rownum", "rownumber", "uuid", "guid"];
    let level = plain.strip_prefix("level").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let camel = name.strip_suffix("ID").or(name.strip_suffix("Id")).is_some_and(|n| n.ends_with(char::is_lowercase));
    let part = ["_id", "-id", ".id", " id"].iter().any(|end| lower.ends_with(end));
    is_unnamed(name) || usual.contains(&&*plain) || level || camel || part
}

/// Whether values are whole numbers and none is missing.
pub(super) fn are_whole(values: &[f64]) -> bool {
    !values.is_empty() && values.iter().all(|v| v.fract() == 0.0)
}

/// Whether no value occurs twice.
pub(super) fn are_distinct(values: &[f64]) -> bool {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.windows(2).all(|w| w[0] != w[1])
}

/// Whether some value is a whole number that an f64 may have rounded.
pub(super) fn are_rounded(values: &[f64]) -> bool {
    are_whole(values) && values.iter().any(|v| v.abs() >= 9_007_199_254_740_992.0)
}

/// Whether values count rows: each whole number is the one before and 1, in three rows or more.
pub(super) fn count_rows(values: &[f64]) -> bool {
    values.len() >= 3 && are_whole(values) && values.windows(2).all(|w| w[1] == w[0] + 1.0)
}

/// Whether values are two, and those that labels have.
pub(super) fn are_flags(values: &[f64]) -> bool {
    let has = |wanted: f64| values.contains(&wanted);
    values.len() >= 3 && has(1.0) && (has(0.0) != has(-1.0)) && values.iter().all(|v| [0.0, 1.0, -1.0].contains(v))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_an_index() {
        for name in
            ["Unnamed: 0", "Unnamed: 0.1", "index", "level_0", "id", "ID", "customer_id", "TransactionID", "row.names"]
        {
            assert!(is_index_name(name), "{name}");
        }
        for name in ["a", "acid", "solid", "Unnamed", "width", "level", "humid"] {
            assert!(!is_index_name(name), "{name}");
        }
    }

    #[test]
    fn values_of_an_index() {
        assert!(count_rows(&[3.0, 4.0, 5.0]) && !count_rows(&[3.0, 5.0, 4.0]) && !count_rows(&[0.0, 1.0]));
        assert!(are_distinct(&[5.0, 3.0]) && !are_distinct(&[5.0, 3.0, 5.0]));
        assert!(are_rounded(&[1.0, 1e17]) && !are_rounded(&[1.0, 1e15]) && !are_rounded(&[0.5, 1e17]));
        assert!(!are_whole(&[1.0, f64::NAN]) && !are_whole(&[0.5]));
        assert!(are_flags(&[1.0, 0.0, 0.0]) && are_flags(&[-1.0, 1.0, 1.0]) && !are_flags(&[-1.0, 1.0, 0.0]));
        assert!(!are_flags(&[1.0, 1.0, 1.0]) && !are_flags(&[0.0, 1.0, 2.0]));
    }
}
