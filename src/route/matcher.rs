//! What an exchange must look like: [`Match`] as written, [`Matcher`] compiled, [`Facts`] about an exchange.
//!
//! Every condition must hold. A matcher allocates nothing and asks what is cheap to know first.

use std::{collections::BTreeMap, net::IpAddr};

use http::{HeaderName, Method, header, request};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    many::OneOrMany,
    name::{FieldName, Verb},
    pattern::{GrpcPattern, HostPattern, Network, PathPattern, Pattern},
};

/// What an exchange must look like, as written: every key that is there must hold, and a list holds when one of its items
/// does. Without a key it holds for everything. A TCP connection has no request, so only `client` and `tls_name` can hold
/// for it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// The client's address: `10.0.0.0/8`, or one address.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub client: OneOrMany<Network>,
    /// The name that the client asked for in the TLS handshake (SNI): `*.example.com`.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub tls_name: OneOrMany<HostPattern>,
    /// The request's method: `POST`, or `[POST, PUT]`.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub method: OneOrMany<Verb>,
    /// The request's path: `*` is any run within a segment, `**` any run; `/orders/**` holds for `/orders` too.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub path: OneOrMany<PathPattern>,
    /// The gRPC service or method: `orders.v1.Orders`, `orders.v1.Orders/Place`.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub grpc: OneOrMany<GrpcPattern>,
    /// The request's host without its port: `shop.example.com`, `*.example.com`.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub host: OneOrMany<HostPattern>,
    /// The client's software, from the `User-Agent` header: `curl/*`.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    pub user_agent: OneOrMany<Pattern>,
    /// Headers by name: `x-user: "test-*"`. `"*"` asks that the header is there, `"!*"` that it is not, `"!test-*"` that it
    /// has no such value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub header: BTreeMap<FieldName, Pattern>,
    /// Parameters of the query by name, compared as they were sent: `debug: "1"`. `"*"` and `"!*"` as for headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, Pattern>,
}

/// What is known about an exchange when it begins; a TCP connection has no head.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The client's address.
    pub client: IpAddr,
    /// The name that the client asked for in the TLS handshake.
    pub tls_name: Option<&'a str>,
    /// The request's head.
    pub head: Option<&'a request::Parts>,
}

/// A match, compiled: conditions that must all hold, the cheapest first.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    conditions: Box<[Condition]>,
}

/// One condition. A new matcher is a field above, a variant here, and a line in `compile` and `holds`.
#[derive(Clone, Debug)]
enum Condition {
    Client(OneOrMany<Network>),
    Method(OneOrMany<Verb>),
    TlsName(OneOrMany<HostPattern>),
    Path(OneOrMany<PathPattern>),
    Grpc(OneOrMany<GrpcPattern>),
    Host(OneOrMany<HostPattern>),
    UserAgent(OneOrMany<Pattern>),
    Header(HeaderName, Pattern),
    Query(Box<str>, Pattern),
}

impl Match {
    /// Whether nothing is asked, so that everything holds.
    pub fn is_empty(&self) -> bool {
        self.compile().is_empty()
    }

    /// Puts the conditions in the order in which they are cheap to ask.
    pub fn compile(&self) -> Matcher {
        fn list<T: Clone>(
            items: &OneOrMany<T>,
            condition: fn(OneOrMany<T>) -> Condition,
        ) -> Option<Condition> {
            (!items.is_empty()).then(|| condition(items.clone()))
        }
        let lists = [
            list(&self.client, Condition::Client),
            list(&self.method, Condition::Method),
            list(&self.tls_name, Condition::TlsName),
            list(&self.path, Condition::Path),
            list(&self.grpc, Condition::Grpc),
            list(&self.host, Condition::Host),
            list(&self.user_agent, Condition::UserAgent),
        ];
        let headers = self
            .header
            .iter()
            .map(|(name, pattern)| Condition::Header(name.0.clone(), pattern.clone()));
        let query = self
            .query
            .iter()
            .map(|(name, pattern)| Condition::Query(name.as_str().into(), pattern.clone()));
        Matcher {
            conditions: lists.into_iter().flatten().chain(headers).chain(query).collect(),
        }
    }
}

impl Matcher {
    /// Whether nothing is asked, so that everything holds.
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether every condition holds.
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        self.conditions.iter().all(|condition| condition.holds(facts))
    }
}

impl Condition {
    fn holds(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::Client(networks) => networks.iter().any(|network| network.holds(facts.client)),
            Self::TlsName(names) => facts
                .tls_name
                .is_some_and(|name| names.iter().any(|pattern| pattern.holds(name))),
            _ => facts.head.is_some_and(|head| self.holds_for(head)),
        }
    }

    fn holds_for(&self, head: &request::Parts) -> bool {
        let path = head.uri.path();
        match self {
            Self::Method(verbs) => verbs.iter().any(|verb| verb.0 == head.method),
            Self::Path(paths) => paths.iter().any(|pattern| pattern.holds(path)),
            Self::Grpc(calls) => is_grpc(head) && calls.iter().any(|pattern| pattern.holds(path)),
            Self::Host(hosts) => {
                host(head).is_some_and(|host| hosts.iter().any(|pattern| pattern.holds(host)))
            }
            Self::UserAgent(patterns) => patterns
                .iter()
                .any(|pattern| pattern.holds(header_values(head, &header::USER_AGENT))),
            Self::Header(name, pattern) => pattern.holds(header_values(head, name)),
            Self::Query(name, pattern) => pattern.holds(query_values(head, name)),
            Self::Client(_) | Self::TlsName(_) => false,
        }
    }
}

/// The host that a request asks for, without its port: of its target where that names one (absolute form, HTTP/2), of its
/// `Host` header otherwise.
pub fn host(head: &request::Parts) -> Option<&str> {
    let written = match head.uri.host() {
        Some(host) => return Some(host),
        None => head.headers.get(header::HOST)?.to_str().ok()?,
    };
    // The colons of `[::1]` are no port's.
    let name_ends = written.rfind(']').unwrap_or(0);
    match written[name_ends..].find(':') {
        Some(colon) => Some(&written[..name_ends + colon]),
        None => Some(written),
    }
}

/// Whether a request is a gRPC call.
pub fn is_grpc(head: &request::Parts) -> bool {
    let content_type = head.headers.get(header::CONTENT_TYPE);
    head.method == Method::POST && content_type.is_some_and(|v| v.as_bytes().starts_with(b"application/grpc"))
}

fn header_values<'a>(head: &'a request::Parts, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    head.headers
        .get_all(name)
        .into_iter()
        .map(http::HeaderValue::as_bytes)
}

fn query_values<'a>(head: &'a request::Parts, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let pairs = head.uri.query().into_iter().flat_map(|query| query.split('&'));
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(move |(key, _)| *key == name)
        .map(|(_, value)| value.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::Request;
    use serde_json::{Value, json};

    use super::*;

    fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> request::Parts {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn holds(written: Value, head: &request::Parts) -> bool {
        let matcher = serde_json::from_value::<Match>(written).unwrap().compile();
        matcher.holds(&Facts {
            client: "10.1.2.3".parse().unwrap(),
            tls_name: Some("Shop.example.com"),
            head: Some(head),
        })
    }

    #[test]
    fn every_matcher_says_yes_and_no() {
        let order = head(
            "POST",
            "/orders/7?debug=1&flag&tag=a&tag=b",
            &[
                ("Host", "Shop.Example.com:8080"),
                ("X-User", "test-7"),
                ("x-list", "a"),
                ("x-list", "b"),
                ("user-agent", "curl/8.5"),
            ],
        );
        let check =
            |written: Value, expected| assert_eq!(holds(written.clone(), &order), expected, "{written}");
        check(json!({}), true);
        check(json!({"method": "post"}), true);
        check(json!({"method": ["PUT", "POST"]}), true);
        check(json!({"method": ["PUT", "GET"]}), false);
        check(json!({"path": "/orders/**"}), true);
        check(json!({"path": ["/carts/*", "/orders/*"]}), true);
        check(json!({"path": "/orders"}), false);
        check(json!({"host": "shop.example.COM"}), true);
        check(json!({"host": "*.example.com"}), true);
        check(json!({"host": "*.example.org"}), false);
        check(json!({"tls_name": "shop.*"}), true);
        check(json!({"tls_name": "cart.*"}), false);
        check(json!({"client": "10.0.0.0/8"}), true);
        check(json!({"client": ["192.168.0.0/16", "10.1.2.3"]}), true);
        check(json!({"client": "10.1.2.4"}), false);
        check(json!({"header": {"x-user": "test-*"}}), true);
        check(json!({"header": {"X-USER": "test-7"}}), true);
        check(json!({"header": {"x-user": "!test-*"}}), false);
        check(json!({"header": {"x-user": "*"}}), true);
        check(json!({"header": {"x-user": "!*"}}), false);
        check(json!({"header": {"x-other": "*"}}), false);
        check(json!({"header": {"x-other": "!*"}}), true);
        check(json!({"header": {"x-other": "!test-*"}}), true);
        check(json!({"header": {"x-list": "b"}}), true);
        check(json!({"header": {"x-list": "!b"}}), false);
        check(json!({"header": {"x-user": "test-*", "x-list": "c"}}), false);
        check(json!({"query": {"debug": "1"}}), true);
        check(json!({"query": {"flag": "*", "tag": "b"}}), true);
        check(json!({"query": {"absent": "*"}}), false);
        check(json!({"query": {"absent": "!*"}}), true);
        check(json!({"user_agent": ["wget/*", "curl/*"]}), true);
        check(json!({"user_agent": "wget/*"}), false);
        check(json!({"grpc": "*"}), false);
        check(
            json!({"method": "POST", "path": "/orders/**", "client": "192.168.0.0/16"}),
            false,
        );
    }

    #[test]
    fn a_grpc_call_is_known_by_its_service_and_method() {
        let call = head(
            "POST",
            "http://shop/orders.v1.Orders/Place",
            &[("content-type", "application/grpc+proto")],
        );
        let check =
            |grpc: &str, expected| assert_eq!(holds(json!({"grpc": grpc}), &call), expected, "{grpc}");
        check("orders.v1.Orders", true);
        check("orders.v1.Orders/Place", true);
        check("orders.v1.Orders/Get*", false);
        check("orders.*", true);
        check("*/Place", true);
        check("*", true);
        check("orders.v2.*", false);
    }

    #[test]
    fn the_host_comes_from_the_target_or_the_header_and_leaves_its_port() {
        let check = |target: &str, header: &str, expected: Option<&str>| {
            assert_eq!(
                host(&head("GET", target, &[("host", header)])),
                expected,
                "{target} {header}"
            );
        };
        check("/", "a.example", Some("a.example"));
        check("/", "a.example:80", Some("a.example"));
        check("/", "[::1]:80", Some("[::1]"));
        check("/", "[::1]", Some("[::1]"));
        check("http://b.example:81/", "a.example", Some("b.example"));
        check("/", "", Some(""));
        assert_eq!(host(&head("GET", "/", &[])), None);
    }

    #[test]
    fn a_connection_without_a_request_is_matched_by_client_and_name_only() {
        let check = |written: Value, expected| {
            let matcher = serde_json::from_value::<Match>(written.clone())
                .unwrap()
                .compile();
            let facts = Facts {
                client: Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped().into(),
                tls_name: None,
                head: None,
            };
            assert_eq!(matcher.holds(&facts), expected, "{written}");
        };
        check(json!({}), true);
        check(json!({"client": "10.0.0.0/8"}), true);
        check(json!({"tls_name": "*"}), false);
        check(json!({"path": "/**"}), false);
        check(json!({"header": {"x-user": "!*"}}), false);
    }

    #[test]
    fn what_is_no_match_is_refused_with_the_way_to_mend_it() {
        let check = |written: Value, mend: &str| {
            let error = serde_json::from_value::<Match>(written).unwrap_err().to_string();
            assert!(error.contains(mend), "{error}");
        };
        check(json!({"path": "orders"}), "`/orders`");
        check(json!({"path": "/orders?x=1"}), "`query`");
        check(json!({"host": "shop:80"}), "leave the port out");
        check(json!({"host": "http://shop/"}), "`*.example.com`");
        check(json!({"client": "10.0.0"}), "`10.0.0.0/8`");
        check(json!({"method": []}), "leave the key out");
        check(json!({"method": "A B"}), "`GET`");
        check(json!({"header": {"x user": "*"}}), "`x-user`");
        check(json!({"grpc": "a/b/c"}), "`package.Service/Method`");
        check(json!({"verb": "GET"}), "unknown field");
    }

    #[test]
    fn what_is_written_reads_back() {
        let written = json!({
            "client": ["10.0.0.0/8", "::1"], "tls_name": "a.b", "method": ["GET", "PUT"], "path": "/a/**",
            "grpc": "a.B/C", "host": "*.b", "user_agent": "x*", "header": {"x-a": "!*"}, "query": {"b": "*"},
        });
        let read = serde_json::from_value::<Match>(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), written);
        assert!(Match::default().is_empty() && !read.is_empty());
    }
}
