//! JSON texts, their faults said in sentences that name the field, what it is and what it must be.
use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// Reads a value from a JSON text; a byte-order mark before it is passed over.
/// # Errors
/// The fault as a sentence, with its line.
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if text.trim_ascii().is_empty() {
        return Err("the file is empty".into());
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let found = serde_path_to_error::deserialize(&mut reader).map_err(|e| sentence(&e))?;
    reader.end().map_err(|e| syntax(&e))?;
    Ok(found)
}

/// Reads a value from JSON that is parsed already.
/// # Errors
/// The fault as a sentence.
pub(crate) fn from_value<T: DeserializeOwned>(value: &serde_json::Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|e| sentence(&e))
}

fn sentence(e: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let path = e.path().to_string();
    match e.inner().classify() {
        Category::Data => {
            let (text, line) = place(e.inner());
            line + &data(&text, if path == "." { "" } else { &path })
        }
        _ => syntax(e.inner()),
    }
}

/// The message without its place, and the line as the beginning of a sentence.
fn place(e: &serde_json::Error) -> (String, String) {
    let text = e.to_string();
    let end = format!(" at line {} column {}", e.line(), e.column());
    let line = if e.line() > 0 { format!("line {}: ", e.line()) } else { String::new() };
    (text.strip_suffix(&end).unwrap_or(&text).to_owned(), line)
}

/// What keeps a text from being JSON.
fn syntax(e: &serde_json::Error) -> String {
    let (text, line) = place(e);
    if e.is_eof() {
        return format!("{line}the file ends in the middle of its JSON");
    }
    let fault = match &*text {
        "expected value" => "a value is expected here (NaN and Infinity are no JSON)",
        "expected ident" => "true, false or null is misspelt",
        "key must be a string" => "a name in quotation marks is expected",
        "trailing characters" => "there is more text after the end of the JSON",
        "number out of range" => "a number is too large",
        other => other,
    };
    format!("{line}not JSON: {fault}")
}

/// A fault of a field's value; `path` is empty for the whole text.
fn data(text: &str, path: &str) -> String {
    let quoted = |text: &str| text.split('`').nth(1).unwrap_or_default().to_owned();
    let known = |text: &str| text.split_once(", expected ").map_or("", |(_, known)| known).replace("one of ", "");
    let inside = |path: &str| if path.is_empty() { String::new() } else { format!(" in `{path}`") };
    let subject = if path.is_empty() { "the whole".to_owned() } else { format!("`{path}`") };
    if text.starts_with("missing field") {
        return format!("the field `{}` is missing{}", quoted(text), inside(path));
    }
    if text.starts_with("duplicate field") {
        return format!("the field `{}` is there twice{}", quoted(text), inside(path));
    }
    if text.starts_with("unknown field") {
        let name = quoted(text);
        // The path may or may not end in the field that is at fault.
        let holder = path.strip_suffix(&name).map_or(path, |rest| rest.trim_end_matches('.'));
        return format!("there is no field `{name}`{}; known are {}", inside(holder), known(text));
    }
    if text.starts_with("unknown variant") {
        return format!("{subject} is `{}`, which is none of {}", quoted(text), known(text));
    }
    let wanted = || text.rsplit_once(", expected ").map(|(_, wanted)| needed(wanted)).unwrap_or_default();
    for kind in ["invalid type: ", "invalid value: "] {
        if let Some((found, _)) = text.strip_prefix(kind).and_then(|rest| rest.rsplit_once(", expected ")) {
            return format!("{subject} is {}, but {} is needed", given(found), wanted());
        }
    }
    if let Some((found, _)) = text.strip_prefix("invalid length ").and_then(|rest| rest.split_once(", expected ")) {
        // serde takes a list for an object of as many fields.
        return match wanted().as_str() {
            "an object" => format!("{subject} is a list, but an object is needed"),
            other => format!("{subject} has {found} entries, but {other} is needed"),
        };
    }
    if path.is_empty() { text.to_owned() } else { format!("{subject}: {text}") }
}

/// What stands in the text.
fn given(found: &str) -> String {
    match found.split_once(' ').unwrap_or((found, "")) {
        ("map", _) | ("struct", _) => "an object".into(),
        ("sequence", _) => "a list".into(),
        ("null", _) | ("unit", _) | ("Option", _) => "null".into(),
        ("string", text) => format!("the text {text}"),
        ("boolean", value) => value.trim_matches('`').into(),
        ("integer", value) | ("number", value) => format!("the number {}", value.trim_matches('`')),
        ("floating", value) => format!("the number {}", value.trim_start_matches("point ").trim_matches('`')),
        _ => found.into(),
    }
}

/// What must stand there.
fn needed(wanted: &str) -> String {
    let count = |text: &str| text.rsplit(' ').next().unwrap_or_default().to_owned();
    match wanted {
        "f32" | "f64" => "a number".into(),
        "usize" | "u8" | "u16" | "u32" | "u64" => "a whole number from 0 up".into(),
        "isize" | "i8" | "i16" | "i32" | "i64" => "a whole number".into(),
        "a boolean" => "true or false".into(),
        "a string" | "path string" | "string" | "variant identifier" => "a text".into(),
        "a sequence" => "a list".into(),
        "a map" => "an object".into(),
        w if w.starts_with("struct") || w.contains("tagged enum") || w.starts_with("enum") => "an object".into(),
        w if w.starts_with("an array of length") || w.starts_with("a tuple of size") => {
            format!("a list of {}", count(w))
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Table {
        rows: Vec<Row>,
        range: [f32; 2],
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Row {
        score: f64,
        #[serde(default)]
        seeds: u64,
    }

    #[test]
    fn faults_are_sentences() {
        let fault = |text: &str| parse::<Table>(text.as_bytes()).unwrap_err();
        let row = |row: &str| fault(&format!("{{\"rows\": [{{\"score\": 1}},\n{row}], \"range\": [0, 1]}}"));
        for (found, wanted) in [
            (row("{\"score\": null}"), "line 2: `rows[1].score` is null, but a number is needed"),
            (row("{\"score\": \"x\"}"), "line 2: `rows[1].score` is the text \"x\", but a number is needed"),
            (row("{\"score\": {}}"), "line 2: `rows[1].score` is an object, but a number is needed"),
            (row("{}"), "line 2: the field `score` is missing in `rows[1]`"),
            (row("{\"score\": 1, \"score\": 2}"), "line 2: the field `score` is there twice in `rows[1]`"),
            (row("{\"sore\": 1}"), "line 2: there is no field `sore` in `rows[1]`; known are `score` or `seeds`"),
            (
                row("{\"score\": 1, \"seeds\": -2}"),
                "line 2: `rows[1].seeds` is the number -2, but a whole number from 0 up is needed",
            ),
            (row("3"), "line 2: `rows[1]` is the number 3, but an object is needed"),
            (row("{\"score\": NaN}"), "line 2: not JSON: a value is expected here (NaN and Infinity are no JSON)"),
            (fault("{\"rows\": [], \"range\": [1]}"), "line 1: `range` has 1 entries, but a list of 2 is needed"),
            (fault("{\"rows\": [],\n"), "line 2: the file ends in the middle of its JSON"),
            (fault("\u{feff} \n"), "the file is empty"),
            (fault("[]"), "line 1: the whole is a list, but an object is needed"),
        ] {
            assert!(found.starts_with(wanted), "{found}\nnot\n{wanted}");
        }
        assert!(parse::<Table>("\u{feff}{\"rows\": [], \"range\": [0, 1]}".as_bytes()).is_ok());
        let more = parse::<Table>(b"{\"rows\": [], \"range\": [0, 1]} x").unwrap_err();
        assert!(more.contains("more text after the end"), "{more}");
        let value = serde_json::json!({"rows": [{"score": []}], "range": [0, 1]});
        assert_eq!(from_value::<Table>(&value).unwrap_err(), "`rows[0].score` is a list, but a number is needed");
    }
}
