//! What a proxy does to a head on its way through: pure edits of a header map.

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri, Version,
    header::{self, Entry},
    request,
    uri::{Authority, PathAndQuery, Scheme},
};

use crate::{
    config::{Forwarded, ForwardedAs},
    units::Stream,
};

/// `Keep-Alive` and `Proxy-Connection` have no constant in the `http` crate; `X-Forwarded-*` neither.
static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Follows one request through every service's log.
pub static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Why the proxy itself answered; switched off by a listener's `headers.reason`.
pub static REASON: HeaderName = HeaderName::from_static("x-chaosproxy-reason");

/// Removes what belongs to one connection only (RFC 9110 section 7.6.1). `TE: trailers` stays, because the next hop
/// may send trailers only if it is told that they will arrive. Returns the protocol of an upgrade, if one is asked for.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let mut found = false;
    let mut connection = false;
    for name in headers.keys() {
        if *name == header::CONNECTION {
            connection = true;
        }
        found |= is_hop_by_hop(name);
    }
    if !found {
        return None;
    }
    let upgrade = if connection {
        strip_connection(headers)
    } else {
        None
    };
    let trailers = headers.get_all(header::TE).iter().any(|v| lists(v, "trailers"));
    for name in [
        &header::TRANSFER_ENCODING,
        &header::UPGRADE,
        &KEEP_ALIVE,
        &PROXY_CONNECTION,
        &header::TE,
    ] {
        headers.remove(name);
    }
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    upgrade
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    *name == header::CONNECTION
        || *name == header::TRANSFER_ENCODING
        || *name == header::TE
        || *name == header::UPGRADE
        || *name == KEEP_ALIVE
        || *name == PROXY_CONNECTION
}

/// Removes `Connection` and every header that it names.
fn strip_connection(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let upgrades = headers
        .get_all(header::CONNECTION)
        .iter()
        .any(|v| lists(v, "upgrade"));
    // Behind an upgrade to HTTP/2 requests would pass that no route, limit or fault has seen (RFC 9113 has done away with it).
    let upgrade = headers
        .get(header::UPGRADE)
        .filter(|to| upgrades && !lists(to, "h2c"))
        .cloned();
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // Dropping these at a client's word would let it blind the next hop (RFC 9110 section 7.6.1, last paragraph).
        .filter(|name| *name != header::TE && *name != header::HOST && *name != header::CONTENT_LENGTH)
        .collect();
    headers.remove(header::CONNECTION);
    for name in named {
        headers.remove(name);
    }
    upgrade
}

/// Whether a comma-separated value lists a token, in any case.
fn lists(value: &HeaderValue, token: &str) -> bool {
    value.to_str().is_ok_and(|text| {
        text.split(',').any(|item| {
            item.split(';')
                .next()
                .is_some_and(|t| t.trim().eq_ignore_ascii_case(token))
        })
    })
}

/// What the next hop is told about the client.
pub struct Client<'a> {
    /// The client's address.
    pub address: IpAddr,
    /// The same as the text of a header, made once per connection.
    pub text: &'a HeaderValue,
    /// Whether the client came over TLS.
    pub tls: bool,
}

/// Writes `X-Forwarded-*` or `Forwarded` (RFC 7239) as the policy says.
pub fn forward(headers: &mut HeaderMap, policy: Forwarded, kind: ForwardedAs, client: &Client<'_>) {
    let (classic, standard) = match kind {
        ForwardedAs::XForwarded => (true, false),
        ForwardedAs::Forwarded => (false, true),
        ForwardedAs::Both => (true, true),
    };
    if policy != Forwarded::Append {
        for name in [
            &X_FORWARDED_FOR,
            &X_FORWARDED_PROTO,
            &X_FORWARDED_HOST,
            &header::FORWARDED,
        ] {
            headers.remove(name);
        }
    }
    if policy == Forwarded::Drop {
        return;
    }
    if classic {
        append(headers, &X_FORWARDED_FOR, client.text.clone());
        if let Entry::Vacant(free) = headers.entry(&X_FORWARDED_PROTO) {
            free.insert(HeaderValue::from_static(if client.tls {
                "https"
            } else {
                "http"
            }));
        }
    }
    if standard {
        let element = forwarded_element(client, headers.get(header::HOST));
        append(headers, &header::FORWARDED, element);
    }
}

/// Joins to the list in the first line, as recipients that read only one line expect.
fn append(headers: &mut HeaderMap, name: &HeaderName, value: HeaderValue) {
    match headers.entry(name) {
        Entry::Vacant(free) => {
            free.insert(value);
        }
        Entry::Occupied(mut taken) => {
            let mut joined = Vec::new();
            for old in taken.iter() {
                joined.extend_from_slice(old.as_bytes());
                joined.extend_from_slice(b", ");
            }
            joined.extend_from_slice(value.as_bytes());
            if let Ok(joined) = HeaderValue::from_bytes(&joined) {
                taken.insert(joined);
            }
        }
    }
}

/// One element of `Forwarded` (RFC 7239 section 4): an IPv6 address stands in brackets and quotes.
fn forwarded_element(client: &Client<'_>, host: Option<&HeaderValue>) -> HeaderValue {
    let mut text = match client.address {
        IpAddr::V4(ip) => format!("for={ip}"),
        IpAddr::V6(ip) => format!("for=\"[{ip}]\""),
    };
    if let Some(host) = host
        .and_then(|h| h.to_str().ok())
        .filter(|h| !h.contains(['"', '\\']))
    {
        text.push_str(";host=\"");
        text.push_str(host);
        text.push('"');
    }
    text.push_str(if client.tls { ";proto=https" } else { ";proto=http" });
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("for=unknown"))
}

/// Makes a target that names the host (RFC 9112 section 3.2.2, or HTTP/2's `:authority`) one that does not, and the host
/// a header: the form in which routes, faults and backends see a request.
pub fn to_origin_form(head: &mut request::Parts) {
    if let Some(authority) = head.uri.authority() {
        // What the target says goes before what the header says (RFC 9112 section 3.2.2).
        if let Ok(host) = HeaderValue::from_str(without_user(authority.as_str())) {
            head.headers.insert(header::HOST, host);
        }
        let target = head.uri.path_and_query().cloned();
        head.uri = target.map_or_else(|| Uri::from_static("/"), Uri::from);
    }
    head.version = Version::HTTP_11;
}

fn without_user(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// Asks for another host.
pub fn set_host(head: &mut request::Parts, host: &str) {
    if let Ok(host) = HeaderValue::from_str(host) {
        head.headers.insert(header::HOST, host);
    }
}

/// Makes a head one that HTTP/2 can send: the host goes into the target.
pub fn to_absolute_form(head: &mut request::Parts, tls: bool) {
    let authority = head.headers.remove(header::HOST);
    let authority = authority.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let mut target = std::mem::take(&mut head.uri).into_parts();
    target.scheme = Some(if tls { Scheme::HTTPS } else { Scheme::HTTP });
    target.authority = Some(authority.unwrap_or_else(|| Authority::from_static("localhost")));
    target
        .path_and_query
        .get_or_insert(PathAndQuery::from_static("/"));
    head.uri = Uri::from_parts(target).unwrap_or_default();
    head.version = Version::HTTP_2;
}

/// Adds the proxy to `Via` (RFC 9110 section 7.6.3).
pub fn via(headers: &mut HeaderMap, version: Version, name: &str) {
    let version = match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    };
    if let Ok(value) = HeaderValue::try_from(format!("{version} {name}")) {
        append(headers, &header::VIA, value);
    }
}

/// A fresh number for `X-Request-Id`: 128 random bits in hexadecimal.
pub fn request_id(stream: &mut Stream) -> HeaderValue {
    let mut text = [0; 32];
    for half in text.as_chunks_mut::<16>().0 {
        let bits = stream.bits();
        half[..8].copy_from_slice(&digits(bits as u32));
        half[8..].copy_from_slice(&digits((bits >> 32) as u32));
    }
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("0"))
}

/// Eight hexadecimal digits, the lowest first: all at once, since every request needs some.
const fn digits(bits: u32) -> [u8; 8] {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let mut nibbles = bits as u64;
    nibbles = (nibbles | nibbles << 16) & 0x0000_ffff_0000_ffff;
    nibbles = (nibbles | nibbles << 8) & 0x00ff_00ff_00ff_00ff;
    nibbles = (nibbles | nibbles << 4) & (ONES * 0x0f);
    // Sixteen is reached by ten plus six: those are letters, which lie further from the digits.
    let letters = ((nibbles + ONES * 6) >> 4) & ONES;
    (nibbles + ONES * b'0' as u64 + letters * (b'a' - b'0' - 10) as u64).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (
                    name.parse::<HeaderName>().unwrap(),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        headers.keys().map(HeaderName::as_str).collect()
    }

    #[test]
    fn what_belongs_to_one_connection_is_removed_and_the_rest_stays() {
        let check = |lines: &[(&str, &str)], left: &[&str]| {
            let mut headers = map(lines);
            strip_hop_by_hop(&mut headers);
            assert_eq!(names(&headers), left, "{lines:?}");
        };
        check(&[("host", "a"), ("accept", "*/*")], &["host", "accept"]);
        check(
            &[
                ("host", "a"),
                ("connection", "close, x-secret"),
                ("x-secret", "1"),
            ],
            &["host"],
        );
        check(
            &[("keep-alive", "timeout=5"), ("proxy-connection", "x"), ("a", "1")],
            &["a"],
        );
        check(
            &[("transfer-encoding", "chunked"), ("trailer", "x-sum")],
            &["trailer"],
        );
        check(
            &[("connection", "host, content-length"), ("host", "a")],
            &["host"],
        );
    }

    #[test]
    fn a_number_is_written_in_hexadecimal() {
        for bits in [0, 1, 0x9abc_def0, 0x0123_4567, u32::MAX] {
            let written: String = format!("{bits:08x}").chars().rev().collect();
            assert_eq!(std::str::from_utf8(&digits(bits)), Ok(&*written));
        }
        let mut stream = crate::units::Dice::new(1).stream(1, 1);
        let (one, other) = (request_id(&mut stream), request_id(&mut stream));
        assert!(one != other && one.len() == 32);
    }

    #[test]
    fn te_keeps_only_trailers() {
        let mut headers = map(&[("te", "gzip;q=0.5, trailers"), ("connection", "te")]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers["te"], "trailers");
        let mut headers = map(&[("te", "gzip")]);
        strip_hop_by_hop(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn an_upgrade_is_seen_only_when_the_connection_names_it() {
        let mut asked = map(&[("connection", "Upgrade"), ("upgrade", "websocket")]);
        assert_eq!(strip_hop_by_hop(&mut asked).unwrap(), "websocket");
        assert!(asked.is_empty());
        assert!(strip_hop_by_hop(&mut map(&[("upgrade", "h2c")])).is_none());
    }

    #[test]
    fn the_client_is_told_as_the_policy_says() {
        let text = HeaderValue::from_static("10.0.0.9");
        let client = Client {
            address: "10.0.0.9".parse().unwrap(),
            text: &text,
            tls: true,
        };
        let check = |policy, kind, expected: &[(&str, &str)]| {
            let sent = [
                ("host", "shop"),
                ("x-forwarded-for", "1.1.1.1"),
                ("forwarded", "for=1.1.1.1"),
            ];
            let mut headers = map(&sent);
            forward(&mut headers, policy, kind, &client);
            headers.remove("host");
            assert_eq!(headers, map(expected), "{policy:?} {kind:?}");
        };
        use {Forwarded as P, ForwardedAs as K};
        let element = "for=10.0.0.9;host=\"shop\";proto=https";
        check(P::Drop, K::Both, &[]);
        check(
            P::Replace,
            K::XForwarded,
            &[("x-forwarded-for", "10.0.0.9"), ("x-forwarded-proto", "https")],
        );
        check(P::Replace, K::Forwarded, &[("forwarded", element)]);
        check(
            P::Append,
            K::Both,
            &[
                ("x-forwarded-for", "1.1.1.1, 10.0.0.9"),
                ("x-forwarded-proto", "https"),
                ("forwarded", &format!("for=1.1.1.1, {element}")),
            ],
        );
    }
}
