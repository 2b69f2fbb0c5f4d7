//! JSON as Toxiproxy's clients expect it to be read: keys in any case, the last of several counts, `null` keeps the default,
//! what nobody knows is ignored, and so is whatever follows the first value.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::reply::Refusal;

/// The fields of an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Map<String, Value>);

/// Reads the first value of a body.
pub(super) fn value(body: &[u8]) -> Result<Value, Refusal> {
    let text = String::from_utf8_lossy(body);
    let mut values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    match values.next() {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) if error.is_eof() => Err(Refusal::bad("unexpected EOF")),
        Some(Err(error)) => Err(Refusal::bad(error)),
        None => Err(Refusal::bad("EOF")),
    }
}

impl Fields {
    /// Reads the object that a body is; `null` is one without fields.
    pub(super) fn read(body: &[u8]) -> Result<Self, Refusal> {
        Self::of(value(body)?)
    }

    /// The object that a value is.
    pub(super) fn of(value: Value) -> Result<Self, Refusal> {
        match value {
            Value::Object(fields) => Ok(Self(fields)),
            Value::Null => Ok(Self::default()),
            other => Err(Refusal::bad(format!("an object is needed, not {}", kind(&other)))),
        }
    }

    /// A field that is there and not null.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let mut named = self.0.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.rfind(|(_, value)| !value.is_null()).map(|(_, value)| value)
    }

    /// The keys as they are written.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        self.typed(name, "a string", |value| value.as_str().map(str::to_owned))
    }

    /// A yes or no.
    pub(super) fn truth(&self, name: &str) -> Result<Option<bool>, Refusal> {
        self.typed(name, "true or false", Value::as_bool)
    }

    /// A whole number, written as one: `1e3` is none.
    pub(super) fn whole(&self, name: &str) -> Result<Option<i64>, Refusal> {
        self.typed(name, "a whole number of at most 64 bits", Value::as_i64)
    }

    /// A number.
    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, Refusal> {
        self.typed(name, "a number", Value::as_f64)
    }

    /// An object.
    pub(super) fn object(&self, name: &str) -> Result<Option<Self>, Refusal> {
        self.typed(name, "an object", |value| value.as_object().cloned().map(Self))
    }

    /// A list.
    pub(super) fn list(&self, name: &str) -> Result<Option<Vec<Value>>, Refusal> {
        self.typed(name, "a list", |value| value.as_array().cloned())
    }

    /// A value in a grammar of the document.
    pub(super) fn grammar<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        serde_json::from_value(value.clone())
            .map(Some)
            .map_err(|error| Refusal::bad(format!("`{name}`: {error}")).about(name))
    }

    fn typed<T>(
        &self,
        name: &str,
        wanted: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let wrong = || Refusal::bad(format!("`{name}` must be {wanted}, not {}", kind(value))).about(name);
        read(value).map(Some).ok_or_else(wrong)
    }
}

/// What a value is, in words.
pub(super) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "true or false".to_owned(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &str) -> String {
        Fields::read(body.as_bytes()).unwrap_err().message
    }

    #[test]
    fn keys_have_any_case_the_last_counts_and_null_counts_as_absent() {
        let fields = Fields::read(br#"{"NAME": "a", "name": "b", "listen": null} and more"#).unwrap();
        assert_eq!(fields.text("name").unwrap().as_deref(), Some("b"));
        assert_eq!(fields.text("listen").unwrap(), None);
        assert_eq!(
            Fields::read(b"null").unwrap().text("name").unwrap(),
            None,
            "null is empty"
        );
    }

    #[test]
    fn what_is_no_object_is_told_apart() {
        assert_eq!(message(" "), "bad request body: EOF");
        assert_eq!(message("{\"name\":"), "bad request body: unexpected EOF");
        assert!(message("nope").starts_with("bad request body: "));
        assert_eq!(message("[]"), "bad request body: an object is needed, not a list");
        assert!(message(&"[".repeat(100_000)).starts_with("bad request body: "));
    }

    #[test]
    fn whole_numbers_are_written_as_such() {
        let whole = |number: &str| {
            let body = format!("{{\"n\": {number}}}");
            Fields::read(body.as_bytes()).unwrap().whole("n").ok().flatten()
        };
        assert_eq!(whole("-5"), Some(-5));
        assert_eq!(whole("9223372036854775807"), Some(i64::MAX));
        for wrong in [
            "100.5",
            "1e3",
            "1.0",
            "9223372036854775808",
            "\"1\"",
            "true",
            "[1]",
        ] {
            assert_eq!(whole(wrong), None, "{wrong}");
        }
    }
}
