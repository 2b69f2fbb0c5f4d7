//! What the head of an answer shows of having passed this proxy.

use http::{HeaderMap, HeaderValue, Version};
use jiff::Timestamp;

use super::headers;
use crate::snapshot::{Listener, Route};

/// Marks an answer as passed on, and edits it as its route says.
pub(super) fn passed_on(
    headers: &mut HeaderMap,
    version: Version,
    listener: &Listener,
    route: Option<&Route>,
) {
    if let Some(via) = &listener.settings.headers.via {
        headers::via(headers, version, via);
    }
    if let Some(route) = route {
        route.settings.answer_headers.apply(headers);
    }
}

/// Now, as a backend that has a clock says it (RFC 9110 section 6.6.1).
pub(super) fn date() -> HeaderValue {
    let text = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}
