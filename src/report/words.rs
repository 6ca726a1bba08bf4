//! Settings as people read them.
use serde_json::Value;

/// A setting without JSON's brackets and quotes: `simplex, octaves 6, persistence 0.8`. What is not set is left out.
pub fn in_words(value: &Value) -> String {
    let plain = |name: &str| name.replace('_', " ");
    match value {
        Value::Null => String::new(),
        Value::String(s) => s.clone(),
        Value::Array(list) => list.iter().map(in_words).collect::<Vec<_>>().join(" to "),
        Value::Object(map) => {
            let kind = map.get("kind").map(|k| plain(&in_words(k)));
            let rest = map.iter().filter(|(k, v)| *k != "kind" && !v.is_null());
            let rest = rest.map(|(k, v)| format!("{} {}", plain(k), in_words(v)));
            kind.into_iter().chain(rest).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_lose_their_brackets_and_keep_their_values() {
        assert_eq!(in_words(&json!({"kind": "fixed_large", "a_b": 0.5, "none": null})), "fixed large, a b 0.5");
        assert_eq!(in_words(&json!([-1.0, 1.0])), "-1.0 to 1.0");
        assert_eq!(in_words(&json!("my_file.bin")), "my_file.bin");
        assert_eq!(in_words(&json!({"none": null})), "");
    }
}
