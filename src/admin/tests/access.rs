//! Who may come in, what is refused, and how that is said.

use super::*;
use crate::admin::{Role, clearance::Secrecy};

pub(super) const TOKENS: &str = "\
tokens:
  - {name: ada, role: facilitator, token: facilitator-token}
  - {name: room, role: responder, token: responders-token}
  - {name: wall, role: observer, token: observers-token-}
";

pub(super) fn guarded() -> Proxy {
    proxy_with(Guard::new(
        Vec::new(),
        Some(Tokens::read("tokens.yaml", TOKENS).unwrap()),
    ))
}

async fn status_with(proxy: &Proxy, token: &str, method: Method, path: &str) -> u16 {
    let mut request = request(method, path);
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    // The head is enough: a stream of events has no end.
    let request = request.body(Body::empty()).unwrap();
    proxy
        .router
        .clone()
        .oneshot(request)
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn each_role_may_do_its_part() {
    let proxy = guarded();
    let drain = "/api/v1/backends/app/app-a/drain";
    let table = [
        ("", Method::GET, "/api/v1/status", 401),
        ("no-such-token-at-all", Method::GET, "/api/v1/status", 401),
        ("observers-token-", Method::GET, "/api/v1/status", 200),
        ("observers-token-", Method::GET, "/metrics", 200),
        ("observers-token-", Method::POST, drain, 403),
        ("responders-token", Method::POST, drain, 200),
        ("responders-token", Method::POST, "/api/v1/panic", 200),
        ("responders-token", Method::POST, "/api/v1/panic/reset", 403),
        ("facilitator-token", Method::POST, "/api/v1/panic/reset", 200),
        ("", Method::GET, "/healthz", 200),
        ("", Method::GET, "/readyz", 200),
        ("", Method::GET, "/metrics", 401),
        ("", Method::GET, "/", 401),
    ];
    for (token, method, path, expected) in table {
        assert_eq!(
            status_with(&proxy, token, method.clone(), path).await,
            expected,
            "{token} {method} {path}"
        );
    }
}

#[tokio::test]
async fn each_role_may_use_what_is_for_it_and_nothing_above() {
    let tokens = [
        (Role::Observer, "observers-token-"),
        (Role::Responder, "responders-token"),
        (Role::Facilitator, "facilitator-token"),
    ];
    for endpoint in endpoints() {
        let Some(needed) = endpoint.role else { continue };
        // A panic of the one before is nobody's business.
        let proxy = guarded();
        let path = endpoint.path.replace(['{', '}'], "");
        for (role, token) in tokens {
            let status = status_with(&proxy, token, endpoint.method.clone(), &path).await;
            let barred = status == 403;
            let sealed = endpoint.secrecy == Secrecy::Kept && role == Role::Responder;
            assert_eq!(
                barred,
                role < needed || sealed,
                "{} {path} as {}: {status}",
                endpoint.method,
                role.name()
            );
        }
    }
}

#[tokio::test]
async fn observers_change_nothing_but_what_is_written_down() {
    // A tool's signal is a line in the journal, too.
    let is_note = |path: &str| path.starts_with("/api/v1/webhooks/");
    let theirs = endpoints().into_iter().filter(|endpoint| {
        endpoint.method != Method::GET && endpoint.role.is_none_or(|role| role == Role::Observer)
    });
    let theirs: Vec<_> = theirs
        .map(|endpoint| endpoint.path)
        .filter(|path| !is_note(path))
        .collect();
    assert_eq!(theirs, ["/api/v1/drill/note", "/api/v1/drill/rate"]);
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_misdirected() {
    let rebound = Request::get("/api/v1/status").header(header::HOST, "evil.example:8474");
    let reply = proxy().ask(rebound.body(Body::empty()).unwrap()).await;
    assert_eq!(
        (reply.status.as_u16(), reply.media.as_str()),
        (421, "application/problem+json")
    );
    assert_eq!(reply.json()["type"], "urn:chaosproxy:misdirected");
    assert!(reply.json()["mend"].as_str().unwrap().contains("admin.names"));
}

#[tokio::test]
async fn a_form_on_another_site_cannot_press_a_button() {
    let forged = request(Method::POST, "/api/v1/panic")
        .header(header::ORIGIN, "https://evil.example")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let proxy = proxy();
    assert_eq!(proxy.ask(forged.body(Body::empty()).unwrap()).await.status, 403);
    assert!(proxy.desk.control.panicked().is_none());
}

#[tokio::test]
async fn what_is_not_there_says_where_to_look() {
    let proxy = proxy();
    let reply = proxy.get("/api/v2/status").await;
    assert_eq!(reply.status, 404);
    assert!(
        reply.json()["mend"]
            .as_str()
            .unwrap()
            .contains("/api/openapi.json")
    );
    let reply = proxy.post("/api/v1/status", &json!({})).await;
    assert_eq!(
        (reply.status, reply.json()["type"].clone()),
        (
            StatusCode::METHOD_NOT_ALLOWED,
            json!("urn:chaosproxy:method-not-allowed")
        )
    );
}

#[tokio::test]
async fn a_body_has_a_limit_and_a_type() {
    let proxy = proxy();
    let large = request(Method::POST, "/api/v1/faults").header(header::CONTENT_TYPE, "application/json");
    assert_eq!(
        proxy
            .ask(large.body(Body::from(vec![b' '; 3 << 20])).unwrap())
            .await
            .status,
        413
    );
    let form = request(Method::POST, "/api/v1/faults")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    assert_eq!(
        proxy.ask(form.body(Body::from("faults=x")).unwrap()).await.status,
        415
    );
}

#[tokio::test]
async fn nothing_is_kept_and_nothing_is_guessed() {
    let request = request(Method::GET, "/").body(Body::empty()).unwrap();
    let response = proxy().router.oneshot(request).await.unwrap();
    let field = |name| response.headers().get(name).unwrap().to_str().unwrap();
    assert_eq!(field(header::CACHE_CONTROL), "no-store");
    assert_eq!(field(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    assert!(field(header::CONTENT_SECURITY_POLICY).starts_with("default-src 'none'; style-src 'sha256-"));
}

/// Asks as somebody with this token, and waits for the whole answer.
async fn get_as(proxy: &Proxy, token: &str, path: &str) -> Reply {
    let request = request(Method::GET, path).header(header::AUTHORIZATION, format!("Bearer {token}"));
    proxy.ask(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_responder_sees_a_plain_balancer_and_others_see_what_is_broken() {
    let proxy = guarded();
    let fault = json!({"faults": {"slow-shop": {"where": {"cluster": "app"}, "do": {"latency": {"add": "1ms"}}, "for": "1m"}}});
    let set = request(Method::POST, "/api/v1/faults")
        .header(header::AUTHORIZATION, "Bearer facilitator-token")
        .header(header::CONTENT_TYPE, "application/json");
    let set = proxy.ask(set.body(Body::from(fault.to_string())).unwrap()).await;
    assert_eq!(set.status, 200, "{}", set.text);
    for path in [
        "/",
        "/metrics",
        "/api/v1/status",
        "/api/v1/config",
        "/api/v1/clusters",
        "/api/v1/faults",
    ] {
        for (token, knows) in [
            ("facilitator-token", true),
            ("observers-token-", true),
            ("responders-token", false),
        ] {
            let reply = get_as(&proxy, token, path).await;
            let names = matches!(path, "/" | "/metrics" | "/api/v1/status" | "/api/v1/faults");
            assert_eq!(
                reply.text.contains("slow-shop"),
                knows && names,
                "{token} {path}: {}",
                reply.text
            );
        }
    }
    let sealed = get_as(&proxy, "responders-token", "/api/v1/faults").await;
    assert_eq!(
        (sealed.status.as_u16(), &sealed.json()["type"]),
        (403, &json!("urn:chaosproxy:sealed"))
    );
    let plain = get_as(&proxy, "responders-token", "/metrics").await.text;
    assert!(
        plain.contains("chaosproxy_backend_healthy") && !plain.contains("generation"),
        "{plain}"
    );
    assert_eq!(get_as(&proxy, "responders-token", "/proxies").await.status, 403);
}

#[tokio::test]
async fn toxiproxys_clients_are_refused_in_their_form() {
    let proxy = proxy();
    let check = async |host: &str, path: &str, size: usize, status: u16| {
        let request = Request::post(path).header(header::HOST, host);
        let reply = proxy
            .ask(request.body(Body::from(" ".repeat(size) + "[]")).unwrap())
            .await;
        assert_eq!(reply.status.as_u16(), status, "{path} {size}: {}", reply.text);
        if status != 201 {
            assert_eq!(reply.media, "text/plain; charset=utf-8");
            let told = reply.json();
            assert_eq!(
                (&told["status"], told.as_object().unwrap().len()),
                (&json!(status), 2)
            );
            assert!(told["error"].as_str().unwrap().len() > 20, "{told}");
        }
    };
    check("localhost", "/proxies", 2 << 20, 413).await;
    check("localhost", "/populate", 2 << 20, 201).await;
    check("localhost", "/populate", 17 << 20, 413).await;
    check("evil.example", "/reset", 0, 421).await;
}
