//! A request whose answer must be as expected.

use std::collections::BTreeMap;

use http::{HeaderValue, Request, Uri, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::trouble::Trouble;
use crate::route::{
    OneOrMany, Statuses,
    name::{FieldName, FieldValue, Target, Verb},
};

/// How health checks name themselves, so that a backend's log tells them from traffic.
pub(super) const USER_AGENT: HeaderValue = HeaderValue::from_static("chaosproxy-health");

/// Sends a request; the answer must have an expected status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpProbe {
    /// The path, with its query where it has one. Default: `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Target>,
    /// The method. Default: `GET`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Verb>,
    /// The statuses that pass: `[200, "300-308"]`, `2xx`. Default: `2xx`.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub expect: OneOrMany<Statuses>,
    /// A text that must stand in the first 64 KiB of the answer. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The `Host` that is asked for. Default: the backend's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<FieldValue>,
    /// More headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<FieldName, FieldValue>,
}

impl HttpProbe {
    /// How much of the answer's body is read where a text is expected.
    pub const MOST_BODY: usize = 64 << 10;

    /// The request, in origin form; `address` is the backend's, for the `Host` header.
    pub fn request(&self, address: &str) -> Request<()> {
        let mut request = Request::new(());
        *request.uri_mut() = self
            .path
            .as_ref()
            .map_or(Uri::from_static("/"), |path| path.0.clone().into());
        if let Some(method) = &self.method {
            *request.method_mut() = method.0.clone();
        }
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, USER_AGENT);
        for (name, value) in &self.headers {
            headers.insert(name.0.clone(), value.0.clone());
        }
        let host = self
            .host
            .as_ref()
            .map(|host| host.0.clone())
            .or_else(|| address.parse().ok());
        headers.extend(host.map(|host| (header::HOST, host)));
        request
    }

    /// Whether the body has to be read to judge.
    pub const fn wants_body(&self) -> bool {
        self.text.is_some()
    }

    /// Judges an answer by its status and, where a text is expected, by the beginning of its body.
    pub fn judge(&self, status: u16, body: &[u8]) -> Result<(), Trouble> {
        let expected = if self.expect.is_empty() {
            (200..300).contains(&status)
        } else {
            self.expect.iter().any(|statuses| statuses.contains(status))
        };
        if !expected {
            return Err(Trouble::Status(status));
        }
        match self.text.as_deref().map(str::as_bytes) {
            Some(text) if !text.is_empty() && !body.windows(text.len()).any(|w| w == text) => {
                Err(Trouble::Text)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn probe(written: Value) -> HttpProbe {
        serde_json::from_value(written).unwrap()
    }

    #[test]
    fn the_request_is_what_was_written() {
        let written =
            json!({"path": "/healthz?deep=1", "method": "HEAD", "host": "shop", "headers": {"x-a": "1"}});
        let request = probe(written).request("10.0.0.1:80");
        assert_eq!(
            (request.method().as_str(), request.uri().to_string()),
            ("HEAD", "/healthz?deep=1".into())
        );
        assert_eq!(
            (&request.headers()["host"], &request.headers()["x-a"]),
            (&"shop".parse().unwrap(), &"1".parse().unwrap())
        );
        let plain = probe(json!({})).request("10.0.0.1:80");
        assert_eq!(
            (plain.uri().path(), &plain.headers()["host"]),
            ("/", &"10.0.0.1:80".parse().unwrap())
        );
    }

    #[test]
    fn answers_are_judged_by_status_and_text() {
        let check = |written: Value, status, body: &str, expected| {
            assert_eq!(
                probe(written.clone()).judge(status, body.as_bytes()),
                expected,
                "{written} {status} {body}"
            );
        };
        check(json!({}), 200, "", Ok(()));
        check(json!({}), 204, "", Ok(()));
        check(json!({}), 301, "", Err(Trouble::Status(301)));
        check(json!({"expect": [200, "300-308"]}), 302, "", Ok(()));
        check(json!({"expect": 200}), 204, "", Err(Trouble::Status(204)));
        check(json!({"text": "UP"}), 200, "{\"status\":\"UP\"}", Ok(()));
        check(json!({"text": "UP"}), 200, "{\"status\":\"DO", Err(Trouble::Text));
        check(json!({"text": "UP"}), 200, "", Err(Trouble::Text));
        check(json!({"text": "UP"}), 500, "UP", Err(Trouble::Status(500)));
    }
}
