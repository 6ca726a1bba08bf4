//! Lists that a program wrote into a config as Python prints them, such as `"('DownBlock2D', 'AttnDownBlock2D')"` or `"[1, 2, 4]"`.
use serde_json::{Map, Value};

/// Makes lists of all texts that are such a list.
pub(super) fn unquoted(map: Map<String, Value>) -> Map<String, Value> {
    let one = |value: Value| match &value {
        Value::String(text) => list(text).unwrap_or(value),
        _ => value,
    };
    map.into_iter().map(|(key, value)| (key, one(value))).collect()
}

/// A list of names, numbers and truth values in brackets; none of anything else, nested lists included.
fn list(text: &str) -> Option<Value> {
    let text = text.trim();
    let inner = [('(', ')'), ('[', ']')].iter().find_map(|&(a, b)| text.strip_prefix(a)?.strip_suffix(b))?;
    let mut fields: Vec<&str> = inner.split(',').map(str::trim).collect();
    // Python's tuple of one ends in a comma.
    if fields.last() == Some(&"") {
        fields.pop();
    }
    fields.into_iter().map(item).collect::<Option<Vec<Value>>>().filter(|all| !all.is_empty()).map(Value::Array)
}

fn item(field: &str) -> Option<Value> {
    let quoted = ['\'', '"'].iter().find_map(|&q| field.strip_prefix(q)?.strip_suffix(q));
    match (quoted, field) {
        (Some(name), _) => (!name.contains(['\'', '"', '\\'])).then(|| Value::from(name)),
        (None, "True" | "true") => Some(Value::Bool(true)),
        (None, "False" | "false") => Some(Value::Bool(false)),
        (None, "None" | "null") => Some(Value::Null),
        (None, number) => serde_json::from_str::<serde_json::Number>(number).ok().map(Value::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_python_prints_is_read_as_the_list_that_it_was() {
        for (text, wanted) in [
            ("('DownBlock2D', 'AttnDownBlock2D')", json!(["DownBlock2D", "AttnDownBlock2D"])),
            ("[\"DownBlock2D\"]", json!(["DownBlock2D"])),
            ("('DownBlock2D',)", json!(["DownBlock2D"])),
            (" [1, 2, 4] ", json!([1, 2, 4])),
            ("(False, True)", json!([false, true])),
            ("[0.5, None]", json!([0.5, null])),
        ] {
            assert_eq!(list(text), Some(wanted), "{text}");
        }
        for text in ["", "()", "DownBlock2D", "[[1], 2]", "('a, b')", "[1, 2", "['it's']", "(x, y)", "1,2,4"] {
            assert_eq!(list(text), None, "{text}");
        }
        let map = json!({"a": "(1, 2)", "b": "plain", "c": [3]});
        assert_eq!(
            Value::Object(unquoted(map.as_object().unwrap().clone())),
            json!({"a": [1, 2], "b": "plain", "c": [3]})
        );
    }
}
