//! The settings behind a result, which the records of a run have in common.
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::cell::RefCell;
use std::ops::Deref;
use std::sync::{Arc, Weak};

/// A detector's settings as JSON. Those that equal the last that were made on the same thread share its memory, so that a run of
/// many images holds its settings once.
#[derive(Clone, Debug)]
pub struct Parameters(Arc<Value>);

thread_local! {
    static LAST: RefCell<Weak<Value>> = const { RefCell::new(Weak::new()) };
}

impl From<Value> for Parameters {
    fn from(value: Value) -> Self {
        LAST.with_borrow_mut(|last| match last.upgrade().filter(|known| **known == value) {
            Some(known) => Parameters(known),
            None => {
                let new = Arc::new(value);
                *last = Arc::downgrade(&new);
                Parameters(new)
            }
        })
    }
}

impl Deref for Parameters {
    type Target = Value;
    fn deref(&self) -> &Value {
        &self.0
    }
}

impl PartialEq for Parameters {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl PartialEq<Value> for Parameters {
    fn eq(&self, other: &Value) -> bool {
        *self.0 == *other
    }
}

impl Serialize for Parameters {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(out)
    }
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Value::deserialize(from).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn equal_settings_are_held_once_and_read_as_they_were_written() {
        let text = r#"[{"lambda":250},{"lambda":250},{"lambda":100},{"lambda":100}]"#;
        let read: Vec<Parameters> = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        let same = |a: usize, b: usize| Arc::ptr_eq(&read[a].0, &read[b].0);
        assert!(same(0, 1) && same(2, 3) && !same(1, 2));
        assert_eq!(read[0], Parameters::from(json!({"lambda": 250})));
        assert_ne!(read[0], read[2]);
        assert_eq!(read[3]["lambda"], 100);
    }
}
