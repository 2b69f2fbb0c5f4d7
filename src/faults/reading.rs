//! How settings are read where the derived way is not enough: the short form of a kind, and quantities that must not be 0.

use std::{collections::BTreeMap, fmt, iter};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{
        self, MapAccess, Visitor,
        value::{MapAccessDeserializer, MapDeserializer},
    },
};

use schemars::{Schema, json_schema};
use serde_json::Value;

use super::{Do, catalogue};
use crate::units::{ByteSize, Span};

impl Serialize for Do {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Do {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Kind)
    }
}

struct Kind;

impl<'de> Visitor<'de> for Kind {
    type Value = Do;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one kind of fault with its settings, as in `latency: {add: 300ms}`")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Do, A::Error> {
        Do::deserialize(MapAccessDeserializer::new(map))
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Do, E> {
        let bare = MapDeserializer::new(iter::once((name, BTreeMap::<&str, &str>::new())));
        Do::deserialize(MapAccessDeserializer::new(bare))
    }
}

/// Adds the short form to the schema: kinds whose settings may all be left out.
pub(super) fn add_short_form(schema: &mut Schema) {
    let is_whole = |kind: &&str| serde_json::from_value::<Do>(Value::from(*kind)).is_ok();
    let names: Vec<&str> = catalogue().iter().map(|doc| doc.kind).filter(is_whole).collect();
    let short = json_schema!({
        "description": "A kind whose settings are all left out.", "type": "string", "enum": names,
    });
    if let Some(forms) = schema.get_mut("oneOf").and_then(Value::as_array_mut) {
        forms.push(short.into());
    }
}

/// Reads a size that must not be 0.
pub(super) fn some_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    match ByteSize::deserialize(deserializer)? {
        ByteSize(0) => Err(de::Error::custom("`0B` is too little: write at least `1B`")),
        size => Ok(size),
    }
}

/// The same where it may be left out.
pub(super) fn maybe_some_bytes<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<ByteSize>, D::Error> {
    some_bytes(deserializer).map(Some)
}

/// Reads a text that is looked for: where it is left out is said by leaving it out.
pub(super) fn some_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Err(de::Error::custom(
            "an empty text stands nowhere: write one, or leave this out",
        ));
    }
    Ok(text)
}

/// Reads a time that must not be 0.
pub(super) fn some_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    match Span::deserialize(deserializer)? {
        Span::ZERO => Err(de::Error::custom("`0s` is too short: write it as `30s`")),
        span => Ok(span),
    }
}
