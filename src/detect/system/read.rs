//! A system read from JSON.
use super::System;
use crate::json;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

/// By its method, so that a fault names the setting.
impl<'de> Deserialize<'de> for System {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut settings = serde_json::Map::<String, Value>::deserialize(from)?;
        let method = settings.remove("method");
        let method = method.as_ref().and_then(Value::as_str);
        let method = method.ok_or_else(|| D::Error::custom("the field `method` is missing, or no text"))?;
        let settings = Value::Object(settings);
        let read = match System::named(method).map_err(D::Error::custom)? {
            System::AnoDdpm(_) => json::from_value(&settings).map(System::AnoDdpm),
            System::Pddpm(_) => json::from_value(&settings).map(System::Pddpm),
            System::AdvRad(_) => json::from_value(&settings).map(System::AdvRad),
            System::Dte(_) => json::from_value(&settings).map(System::Dte),
            System::Wolleb(_) => json::from_value(&settings).map(System::Wolleb),
            System::Pinaya(_) => json::from_value(&settings).map(System::Pinaya),
            System::DiffAd(_) => json::from_value(&settings).map(System::DiffAd),
            System::Xu(_) => json::from_value(&settings).map(System::Xu),
            System::Ddad(_) => json::from_value(&settings).map(System::Ddad),
        };
        read.map_err(D::Error::custom)
    }
}
