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
        session: None,
        command: None,
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
    let check = |written: Value, expected| assert_eq!(holds(written.clone(), &order), expected, "{written}");
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
    let check = |grpc: &str, expected| assert_eq!(holds(json!({"grpc": grpc}), &call), expected, "{grpc}");
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
            session: None,
            command: None,
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
