//! The keys that a type requires, from its schema: serde's derived code names only the first that is missing.

use std::{cell::OnceCell, marker::PhantomData};

use schemars::{JsonSchema, schema_for};
use serde_json::Value;

/// The schema of a type, made when it is first asked for.
pub(super) struct Required<T> {
    schema: OnceCell<Value>,
    of: PhantomData<T>,
}

impl<T: JsonSchema> Required<T> {
    pub(super) fn new() -> Self {
        Self {
            schema: OnceCell::new(),
            of: PhantomData,
        }
    }

    /// The keys which a part of this name requires, if they include the one that is known to be; otherwise another type
    /// has taken the name, and that one is all that is known.
    pub(super) fn keys(&self, part: &str, known: &str) -> Vec<String> {
        let schema = self.schema.get_or_init(|| schema_for!(T).to_value());
        let is_root = schema["title"] == part;
        let rule = if is_root { schema } else { &schema["$defs"][part] };
        let keys = rule["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let keys: Vec<_> = keys.map(str::to_owned).collect();
        if keys.iter().any(|key| key == known) {
            keys
        } else {
            vec![known.to_owned()]
        }
    }
}
