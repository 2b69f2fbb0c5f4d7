//! A call to the gRPC health service (grpc/doc/health-checking.md), written by hand: two messages of one field.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{http::USER_AGENT, trouble::Trouble};

/// Calls `grpc.health.v1.Health/Check`; the service must be serving.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GrpcProbe {
    /// The service that is asked about. Default: the server as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// What the status of `HealthCheckResponse` means; index 1 is the only good one.
const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/// The flag and the length before each message (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;

impl GrpcProbe {
    /// The most of an answer that is read: a good one has 7 bytes.
    pub const MOST: usize = 1 << 10;

    /// The request; HTTP/2 needs `authority`, the backend's address.
    pub fn request(&self, authority: &str) -> Request<Bytes> {
        let mut request = Request::new(self.message());
        *request.method_mut() = Method::POST;
        let uri = Uri::builder()
            .scheme("http")
            .authority(authority)
            .path_and_query("/grpc.health.v1.Health/Check")
            .build();
        *request.uri_mut() = uri.unwrap_or(Uri::from_static("/grpc.health.v1.Health/Check"));
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, USER_AGENT);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        request
    }

    /// `HealthCheckRequest { service = 1 }`.
    fn message(&self) -> Bytes {
        let service = self.service.as_deref().unwrap_or_default().as_bytes();
        let mut field = BytesMut::new();
        if !service.is_empty() {
            field.put_u8(0x0a); // field 1, length-delimited
            put_varint(&mut field, service.len());
            field.put_slice(service);
        }
        let mut message = BytesMut::with_capacity(PREFIX + field.len());
        message.put_u8(0);
        message.put_u32(u32::try_from(field.len()).unwrap_or(u32::MAX));
        message.put_slice(&field);
        message.freeze()
    }

    /// Judges a whole answer: HTTP status, body, and the headers or trailers that hold `grpc-status`.
    pub fn judge(&self, status: u16, body: &[u8], trailers: &HeaderMap) -> Result<(), Trouble> {
        if status != 200 {
            return Err(Trouble::Status(status));
        }
        let code = trailers
            .get("grpc-status")
            .and_then(|code| code.to_str().ok()?.parse().ok());
        match code {
            Some(0) => {}
            Some(code) => return Err(Trouble::Grpc(code)),
            None => return Err(Trouble::Broken("no grpc-status".into())),
        }
        match serving_status(body) {
            Some(1) => Ok(()),
            Some(status) => Err(Trouble::NotServing(STATUSES.get(status).unwrap_or(&STATUSES[0]))),
            None => Err(Trouble::Broken("no HealthCheckResponse".into())),
        }
    }
}

/// Field 1 of a `HealthCheckResponse`; `None` where the bytes are no whole, uncompressed message.
fn serving_status(body: &[u8]) -> Option<usize> {
    let (prefix, message) = body.split_at_checked(PREFIX)?;
    let length = u32::from_be_bytes(prefix[1..].try_into().ok()?);
    if prefix[0] != 0 || usize::try_from(length) != Ok(message.len()) {
        return None;
    }
    match message {
        [] => Some(0), // a field with its default value is left out
        [0x08, status] if *status < 0x80 => Some(usize::from(*status)),
        _ => None,
    }
}

fn put_varint(out: &mut BytesMut, mut n: usize) {
    while n >= 0x80 {
        out.put_u8((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.put_u8((n & 0x7f) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_a_health_check_request() {
        let check = |service: Option<&str>, expected: &[u8]| {
            let probe = GrpcProbe {
                service: service.map(Into::into),
            };
            assert_eq!(probe.request("a:1").body(), expected, "{service:?}");
        };
        check(None, &[0, 0, 0, 0, 0]);
        check(Some("shop"), b"\x00\x00\x00\x00\x06\x0a\x04shop");
        let long = GrpcProbe {
            service: Some("s".repeat(200)),
        };
        assert_eq!(
            &long.request("a:1").body()[..8],
            &[0, 0, 0, 0, 203, 0x0a, 0xc8, 0x01]
        );
        assert_eq!(
            long.request("a:1").uri(),
            "http://a:1/grpc.health.v1.Health/Check"
        );
    }

    #[test]
    fn answers_are_judged_good_bad_and_half() {
        let check = |status: u16, body: &[u8], code: &str, expected: Result<(), Trouble>| {
            let mut trailers = HeaderMap::new();
            if !code.is_empty() {
                trailers.insert("grpc-status", code.parse().unwrap());
            }
            let verdict = GrpcProbe::default().judge(status, body, &trailers);
            assert_eq!(verdict, expected, "{status} {body:?} {code}");
        };
        let broken = |what: &str| Err(Trouble::Broken(what.into()));
        check(200, &[0, 0, 0, 0, 2, 8, 1], "0", Ok(()));
        check(
            200,
            &[0, 0, 0, 0, 2, 8, 2],
            "0",
            Err(Trouble::NotServing("NOT_SERVING")),
        );
        check(
            200,
            &[0, 0, 0, 0, 2, 8, 3],
            "0",
            Err(Trouble::NotServing("SERVICE_UNKNOWN")),
        );
        check(
            200,
            &[0, 0, 0, 0, 2, 8, 99],
            "0",
            Err(Trouble::NotServing("UNKNOWN")),
        );
        check(200, &[0, 0, 0, 0, 0], "0", Err(Trouble::NotServing("UNKNOWN")));
        check(200, &[], "5", Err(Trouble::Grpc(5)));
        check(200, &[], "12", Err(Trouble::Grpc(12)));
        check(503, &[], "", Err(Trouble::Status(503)));
        check(200, &[0, 0, 0, 0, 2, 8, 1], "", broken("no grpc-status"));
        check(200, &[0, 0, 0, 0, 2, 8], "0", broken("no HealthCheckResponse"));
        check(200, &[0, 0, 0], "0", broken("no HealthCheckResponse"));
        check(200, &[1, 0, 0, 0, 2, 8, 1], "0", broken("no HealthCheckResponse"));
        check(
            200,
            &[0, 0, 0, 0, 2, 8, 0x81],
            "0",
            broken("no HealthCheckResponse"),
        );
        check(200, b"<html>", "x", broken("no grpc-status"));
    }
}
