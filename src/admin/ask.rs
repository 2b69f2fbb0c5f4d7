//! What a request asks for: who asks, the parameters of path and query, and the body, read into types.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, header};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    clearance::{Clearance, Tell},
    refusal::{Kind, Refusal},
    tokens::Caller,
};
use crate::config;

/// A request, read.
#[derive(Clone, Debug)]
pub(super) struct Ask<P = Nothing, B = Nothing> {
    /// Who asks.
    pub(super) caller: Caller,
    /// The parameters of path and query.
    pub(super) at: P,
    /// The body.
    pub(super) body: B,
}

/// No parameters, or no body: whatever is sent all the same is an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// The name of a problem's file where there is none.
const REQUEST: &str = "request";

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const FORM: &str = "application/x-www-form-urlencoded";

/// A body that can be read.
pub(super) trait Body: Sized {
    /// The media types that it is read from, the best first.
    const MEDIA: &'static [&'static str];
    /// Reads a body of one of these types.
    fn take(media: &str, text: &str) -> Result<Self, Refusal>;
    /// What it looks like; `None` for no body.
    fn schema(generator: &mut SchemaGenerator) -> Option<Schema>;
}

impl Body for Nothing {
    const MEDIA: &'static [&'static str] = &[JSON, FORM];

    fn take(_: &str, text: &str) -> Result<Self, Refusal> {
        let empty = matches!(text.trim(), "" | "{}" | "null");
        empty.then_some(Self {}).ok_or_else(|| {
            Refusal::new(
                Kind::Malformed,
                "a body was sent where none is read",
                "send it without a body",
            )
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
}

/// A body of settings, as JSON or YAML, read as strictly as the document.
#[derive(Clone, Debug)]
pub(super) struct Settings<T>(pub(super) T);

impl<T: DeserializeOwned + JsonSchema> Body for Settings<T> {
    const MEDIA: &'static [&'static str] = &[JSON, YAML];

    fn take(_: &str, text: &str) -> Result<Self, Refusal> {
        read(text).map(Self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }
}

/// A body of a few plain fields, also as a form: Chaos Toolkit and `curl -d` send forms.
#[derive(Clone, Debug)]
pub(super) struct Fields<T>(pub(super) T);

impl<T: DeserializeOwned + JsonSchema> Body for Fields<T> {
    const MEDIA: &'static [&'static str] = &[JSON, YAML, FORM];

    fn take(media: &str, text: &str) -> Result<Self, Refusal> {
        if media != FORM {
            return read(text).map(Self);
        }
        serde_urlencoded::from_str(text).map(Self).map_err(|error| {
            Refusal::new(
                Kind::Invalid,
                format!("the form is wrong: {error}"),
                "see /api/openapi.json for its fields",
            )
        })
    }

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }
}

/// A body that is a text of its own, kept as it was written: the document.
#[derive(Clone, Debug)]
pub(super) struct Text(pub(super) String);

impl Body for Text {
    const MEDIA: &'static [&'static str] = &[YAML, JSON];

    fn take(_: &str, text: &str) -> Result<Self, Refusal> {
        Ok(Self(text.to_owned()))
    }

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        Some(
            schemars::json_schema!({"type": "object", "description": "the document; see `chaosproxy schema`"}),
        )
    }
}

fn read<T: DeserializeOwned + JsonSchema>(text: &str) -> Result<T, Refusal> {
    let text = if text.trim().is_empty() { "{}" } else { text };
    config::read(REQUEST, text).map_err(|problems| Refusal::problems("the body", problems))
}

/// Reads the body of a request.
pub(super) fn body<B: Body>(headers: &HeaderMap, bytes: &Bytes) -> Result<B, Refusal> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Refusal::new(Kind::Malformed, "the body is no UTF-8", "send text in UTF-8"))?;
    let declared = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media = declared.and_then(|value| value.split(';').next()).map(str::trim);
    match media {
        None if text.is_empty() => B::take(JSON, ""),
        Some(media) if B::MEDIA.iter().any(|known| known.eq_ignore_ascii_case(media)) => {
            B::take(&media.to_ascii_lowercase(), text)
        }
        other => Err(Refusal::new(
            Kind::MediaType,
            format!("a body of type `{}` is not read here", other.unwrap_or("none")),
            format!("send it with `Content-Type: {}`", B::MEDIA.join("` or `")),
        )),
    }
}

/// Reads the parameters of path and query into one type.
pub(super) fn parameters<P: DeserializeOwned>(pairs: &[(String, String)], query: &str) -> Result<P, Refusal> {
    let wrong = |error: &dyn std::fmt::Display| {
        Refusal::new(
            Kind::Malformed,
            format!("the parameters are wrong: {error}"),
            "see /api/openapi.json for the parameters",
        )
    };
    let path = serde_urlencoded::to_string(pairs).map_err(|error| wrong(&error))?;
    serde_urlencoded::from_str(&format!("{path}&{query}")).map_err(|error| wrong(&error))
}

/// An answer that can be sent.
pub(super) trait Answer: Tell {
    /// Its media type.
    const MEDIA: &'static str;
    /// What it looks like, where that can be said.
    fn schema(generator: &mut SchemaGenerator) -> Option<Schema>;
    /// Sends it.
    fn send(self) -> Response;
}

impl<T: Serialize + JsonSchema + Tell> Answer for axum::Json<T> {
    const MEDIA: &'static str = JSON;

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }

    fn send(self) -> Response {
        self.into_response()
    }
}

/// A text of some media type.
pub(super) trait Page: Tell {
    /// The media type.
    const MEDIA: &'static str;
    /// The text.
    fn text(self) -> String;
}

/// A page is an answer whose schema nobody needs.
#[derive(Clone, Debug)]
pub(super) struct Paged<T>(pub(super) T);

impl<T: Page> Tell for Paged<T> {
    fn told(self, clearance: Clearance) -> Self {
        Self(self.0.told(clearance))
    }
}

impl<T: Page> Answer for Paged<T> {
    const MEDIA: &'static str = T::MEDIA;

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }

    fn send(self) -> Response {
        ([(header::CONTENT_TYPE, T::MEDIA)], self.0.text()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Weight {
        weight: u32,
    }

    fn headers(media: Option<&'static str>) -> HeaderMap {
        media
            .map(|media| (header::CONTENT_TYPE, HeaderValue::from_static(media)))
            .into_iter()
            .collect()
    }

    #[test]
    fn the_same_fields_read_from_json_yaml_and_form() {
        let check = |media, text: &'static str| {
            let read = body::<Fields<Weight>>(&headers(media), &Bytes::from_static(text.as_bytes()));
            assert_eq!(read.unwrap().0, Weight { weight: 3 }, "{text}");
        };
        check(Some("application/json"), r#"{"weight": 3}"#);
        check(Some("application/JSON; charset=utf-8"), r#"{"weight": 3}"#);
        check(Some("application/yaml"), "weight: 3");
        check(Some("application/x-www-form-urlencoded"), "weight=3");
    }

    #[test]
    fn what_is_not_read_is_refused() {
        let status = |media, text: &'static str| {
            let read = body::<Settings<Weight>>(&headers(media), &Bytes::from_static(text.as_bytes()));
            read.unwrap_err().status
        };
        assert_eq!(status(Some("application/x-www-form-urlencoded"), "weight=3"), 415);
        assert_eq!(status(Some("text/plain"), r#"{"weight": 3}"#), 415);
        assert_eq!(status(None, r#"{"weight": 3}"#), 415);
        assert_eq!(status(Some("application/json"), "{"), 422);
        assert_eq!(status(Some("application/json"), ""), 422);
    }

    #[test]
    fn a_wrong_body_is_shown_with_its_place() {
        let wrong = Bytes::from_static(br#"{"weigth": 3}"#);
        let refusal = body::<Settings<Weight>>(&headers(Some("application/json")), &wrong).unwrap_err();
        assert!(
            refusal
                .problems
                .iter()
                .any(|p| p.place.is_some_and(|place| place.column == 2)),
            "{refusal:?}"
        );
    }

    #[test]
    fn path_and_query_are_one_set_of_parameters() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct At {
            name: String,
            revision: Option<u64>,
        }
        let read = |query| parameters::<At>(&[("name".to_owned(), "a b&c".to_owned())], query);
        assert_eq!(
            read("revision=3").unwrap(),
            At {
                name: "a b&c".to_owned(),
                revision: Some(3)
            }
        );
        assert_eq!(read("revision=x").unwrap_err().status, 400);
    }
}
