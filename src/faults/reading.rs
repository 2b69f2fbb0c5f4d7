//! Reads `do: {reset: {}}` and, for short, `do: reset`.

use std::{collections::BTreeMap, fmt, iter};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{
        self, MapAccess, Visitor,
        value::{MapAccessDeserializer, MapDeserializer},
    },
};

use super::Do;

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
