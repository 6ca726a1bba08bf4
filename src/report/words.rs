//! Settings as people read them.
use serde_json::Value;
use std::fmt::Write;

/// A setting without JSON's brackets and quotes: `simplex, octaves 6, persistence 0.8`. What is not set is left out.
pub fn in_words(value: &Value) -> String {
    let plain = |name: &str| name.replace('_', " ");
    match value {
        Value::Null => String::new(),
        Value::String(s) => s.clone(),
        Value::Array(list) => {
            // Two fractional numbers are a range; names and counts are a list.
            let between = if list.len() == 2 && list.iter().any(Value::is_f64) { " to " } else { ", " };
            list.iter().map(in_words).collect::<Vec<_>>().join(between)
        }
        Value::Object(map) => {
            let kind = map.get("kind").map(|k| plain(&in_words(k)));
            let rest = map.iter().filter(|(k, v)| *k != "kind" && !v.is_null());
            let rest = rest.map(|(k, v)| format!("{} {}", plain(k), in_words(v)));
            kind.into_iter().chain(rest).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// Four significant digits.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if !size.is_finite() {
        return value.to_string();
    }
    if size != 0.0 && !(1e-4..1e6).contains(&size) {
        return format!("{value:.3e}");
    }
    let power = if size == 0.0 { 0 } else { size.log10().floor() as i32 };
    let digits = (3 - power).max(0) as usize;
    // The sum turns -0 into 0.
    let text = format!("{:.digits$}", value + 0.0);
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Text for element content and quoted attributes; control characters, which HTML does not allow, become U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The path of a file beside the page, with `/` between its parts, as a link spells it.
pub(crate) fn href(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for &b in path.as_bytes() {
        if b.is_ascii_alphanumeric() || b"-._~/".contains(&b) {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn links_hold_every_name() {
        assert_eq!(href("a/z=1"), "a/z%3D1");
        assert_eq!(href("50% \"off\"?#'<ü"), "50%25%20%22off%22%3F%23%27%3C%C3%BC");
    }

    #[test]
    fn settings_lose_their_brackets_and_keep_their_values() {
        assert_eq!(in_words(&json!({"kind": "fixed_large", "a_b": 0.5, "none": null})), "fixed large, a b 0.5");
        assert_eq!(in_words(&json!([-1.0, 1.0])), "-1.0 to 1.0");
        assert_eq!(in_words(&json!([1, 3])), "1, 3");
        assert_eq!(in_words(&json!(["healthy", "tumour"])), "healthy, tumour");
        assert_eq!(in_words(&json!("my_file.bin")), "my_file.bin");
        assert_eq!(in_words(&json!({"none": null})), "");
    }
}
