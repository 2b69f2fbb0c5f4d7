//! TLS on both sides: names, client certificates, reloads, origination, and handshakes under faults.

use tokio_rustls::rustls;

use crate::kit::{
    Doc, H1, H2, Origin, Place, Proxy,
    certificates::{Authority, Certificate, shown},
    eventually, get,
};

const TLS: &str = "tls: {certificate: one.pem, key: one.key}";

/// A proxy with this TLS setting and these files beside its document.
async fn proxy_with(doc: Doc, setting: &str, files: &[(&str, String)]) -> Proxy {
    let setup = files.iter().fold(Proxy::setup(), |setup, (name, text)| {
        setup.file(name, text.clone())
    });
    setup.start(doc.listener(setting).text()).await
}

fn pair(name: &str, certificate: &Certificate) -> [(String, String); 2] {
    [
        (format!("{name}.pem"), certificate.pem.clone()),
        (format!("{name}.key"), certificate.key.clone()),
    ]
}

fn files(pairs: &[[(String, String); 2]]) -> Vec<(&str, String)> {
    pairs
        .iter()
        .flatten()
        .map(|(name, text)| (name.as_str(), text.clone()))
        .collect()
}

#[tokio::test]
async fn alpn_decides_which_http_is_spoken() {
    let (authority, origin) = (Authority::new(), Origin::named("a"));
    let certificate = authority.issue("shop.test");
    let pairs = [pair("one", &certificate)];
    let proxy = proxy_with(Doc::http(&[origin.address]), TLS, &files(&pairs)).await;
    let connect = async |protocols: &[&str]| {
        let client = authority.client(None, protocols);
        client.connect(proxy.address(), "shop.test").await.unwrap()
    };
    let h2 = connect(&["h2", "http/1.1"]).await;
    assert_eq!(h2.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(H2::over(h2).await.get("/").await.text(), "a");
    let h1 = connect(&["http/1.1"]).await;
    assert_eq!(H1::over(h1).await.get("/").await.text(), "a");
    let silent = connect(&[]).await;
    assert_eq!(H1::over(silent).await.get("/").await.text(), "a");
    assert_eq!(origin.last().header("x-forwarded-proto"), "https");
}

#[tokio::test]
async fn the_name_that_is_asked_for_chooses_the_certificate() {
    let (authority, origin) = (Authority::new(), Origin::named("a"));
    let (one, two) = (authority.issue("one.test"), authority.issue("*.two.test"));
    let pairs = [pair("one", &one), pair("two", &two)];
    let setting = "tls: {certificate: one.pem, key: one.key, more: [{certificate: two.pem, key: two.key}]}";
    let proxy = proxy_with(Doc::http(&[origin.address]), setting, &files(&pairs)).await;
    let client = authority.client(None, &[]);
    let check = async |name: &str, expected: &Certificate| {
        let stream = client.connect(proxy.address(), name).await.unwrap();
        assert_eq!(shown(&stream), expected.der(), "{name}");
    };
    check("one.test", &one).await;
    check("a.two.test", &two).await;
    let unknown = client.connect(proxy.address(), "three.test").await.unwrap_err();
    assert!(
        unknown.to_string().contains("not valid for name"),
        "the first is shown: {unknown}"
    );
}

#[tokio::test]
async fn a_client_certificate_is_required_or_optional() {
    let (authority, origin) = (Authority::new(), Origin::named("a"));
    let (server, own) = (authority.issue("shop.test"), authority.issue("client.test"));
    let stranger = Authority::new().issue("stranger.test");
    let mut pairs = vec![pair("one", &server)];
    pairs.push([
        ("ca.pem".into(), authority.pem()),
        ("unused".into(), String::new()),
    ]);
    for (kind, without) in [("required", false), ("optional", true)] {
        let setting = format!(
            "tls: {{certificate: one.pem, key: one.key, client_ca: ca.pem, client_certificate: {kind}}}"
        );
        let proxy = proxy_with(Doc::http(&[origin.address]), &setting, &files(&pairs)).await;
        // In TLS 1.3 a client learns only from its first read that the server did not want it.
        let serves = async |certificate: Option<&Certificate>| {
            let client = authority.client(certificate, &[]);
            let Ok(stream) = client.connect(proxy.address(), "shop.test").await else {
                return false;
            };
            let asked = crate::kit::client::a_get("/");
            H1::over(stream).await.send(asked).await.is_ok()
        };
        assert!(serves(Some(&own)).await, "{kind}: one of the authority's");
        assert!(!serves(Some(&stranger)).await, "{kind}: somebody else's");
        assert_eq!(serves(None).await, without, "{kind}: none");
    }
}

#[tokio::test]
async fn certificates_are_reloaded_without_dropping_a_connection() {
    let (authority, origin) = (Authority::new(), Origin::named("a"));
    let (old, new) = (authority.issue("shop.test"), authority.issue("shop.test"));
    let pairs = [pair("one", &old)];
    let proxy = proxy_with(Doc::http(&[origin.address]), TLS, &files(&pairs)).await;
    let client = authority.client(None, &[]);
    let connect = async || client.connect(proxy.address(), "shop.test").await.unwrap();
    let standing = connect().await;
    assert_eq!(shown(&standing), old.der());
    let mut standing = H1::over(standing).await;
    for (name, text) in pair("one", &new) {
        std::fs::write(proxy.folder().join(name), text).unwrap();
    }
    proxy.signal(rustix::process::Signal::HUP);
    eventually("the new one is shown", async || {
        shown(&connect().await) == new.der()
    })
    .await;
    assert_eq!(standing.get("/").await.text(), "a");
}

#[tokio::test]
async fn a_reload_with_a_key_that_does_not_fit_is_refused() {
    let (authority, origin) = (Authority::new(), Origin::named("a"));
    let (old, new) = (authority.issue("shop.test"), authority.issue("shop.test"));
    let pairs = [pair("one", &old)];
    let proxy = proxy_with(Doc::http(&[origin.address]), TLS, &files(&pairs)).await;
    std::fs::write(proxy.folder().join("one.pem"), &new.pem).unwrap();
    proxy.signal(rustix::process::Signal::HUP);
    eventually("it was refused", async || {
        proxy.metric("chaosproxy_reloads_total", &["refused"]).await == 1.0
    })
    .await;
    let client = authority.client(None, &[]);
    let stream = client.connect(proxy.address(), "shop.test").await.unwrap();
    assert_eq!(shown(&stream), old.der());
}

#[tokio::test]
async fn what_is_no_tls_is_turned_away_and_others_are_served() {
    let (authority, origin) = (Authority::new(), Origin::named("a"));
    let pairs = [pair("one", &authority.issue("shop.test"))];
    let proxy = proxy_with(Doc::http(&[origin.address]), TLS, &files(&pairs)).await;
    crate::kit::Raw::fate(proxy.address(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let client = authority.client(None, &[]);
    let stream = client.connect(proxy.address(), "shop.test").await.unwrap();
    assert_eq!(H1::over(stream).await.get("/").await.text(), "a");
    let failed = proxy.metric("chaosproxy_tls_handshakes_failed_total", &[]).await;
    assert_eq!(failed, 1.0);
    assert_eq!(origin.requests(), 1);
}

/// A server that speaks TLS and answers `fine`, in the version of HTTP that is agreed on.
fn secure(
    place: &Place,
    authority: &Authority,
    certificate: &Certificate,
    ask: bool,
    protocol: &str,
) -> crate::kit::origin::Server {
    let acceptor = authority.server(certificate, ask, &[protocol]);
    place.serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let h2 = stream.get_ref().1.alpn_protocol() == Some(&b"h2"[..]);
            let service = hyper::service::service_fn(async |_| {
                Ok::<_, std::convert::Infallible>(crate::kit::text(200, "fine"))
            });
            let io = hyper_util::rt::TokioIo::new(stream);
            if h2 {
                let executor = hyper_util::rt::TokioExecutor::new();
                let _ = hyper::server::conn::http2::Builder::new(executor)
                    .serve_connection(io, service)
                    .await;
            } else {
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(io, service)
                    .await;
            }
        }
    })
}

/// A proxy before a TLS server, believing an authority, with further files.
async fn towards(place: &Place, tls: &str, protocol: &str, files: &[(&str, String)]) -> Proxy {
    let doc = Doc::http(&[place.address])
        .cluster(format!("tls: {tls}"))
        .cluster(format!("protocol: {protocol}"));
    proxy_with(doc, "limits: {}", files).await
}

#[tokio::test]
async fn backends_are_spoken_to_over_tls_and_verified() {
    let (authority, other) = (Authority::new(), Authority::new());
    let certificate = authority.issue("inner.test");
    let roots = [("ca.pem", authority.pem()), ("other.pem", other.pem())];
    for (protocol, alpn) in [("http1", "http/1.1"), ("http2", "h2")] {
        let place = Place::new();
        let _server = secure(&place, &authority, &certificate, false, alpn);
        let check = async |tls: &str, expected: (u16, &str)| {
            let proxy = towards(&place, tls, protocol, &roots).await;
            let answer = get(proxy.address(), "/").await;
            assert_eq!((answer.status, answer.reason()), expected, "{protocol} {tls}");
        };
        check("{roots: ca.pem, server_name: inner.test}", (200, "")).await;
        check("{roots: ca.pem, server_name: else.test}", (502, "tls_handshake")).await;
        check(
            "{roots: other.pem, server_name: inner.test}",
            (502, "tls_handshake"),
        )
        .await;
        check("{verify: false}", (200, "")).await;
    }
}

#[tokio::test]
async fn a_backend_may_ask_for_a_client_certificate() {
    let authority = Authority::new();
    let (server, own) = (authority.issue("inner.test"), authority.issue("proxy.test"));
    let place = Place::new();
    let _server = secure(&place, &authority, &server, true, "http/1.1");
    let files = [
        ("ca.pem", authority.pem()),
        ("own.pem", own.pem),
        ("own.key", own.key),
    ];
    let with = "{roots: ca.pem, server_name: inner.test, client: {certificate: own.pem, key: own.key}}";
    let proxy = towards(&place, with, "http1", &files).await;
    assert_eq!(get(proxy.address(), "/").await.text(), "fine");
    let proxy = towards(
        &place,
        "{roots: ca.pem, server_name: inner.test}",
        "http1",
        &files,
    )
    .await;
    assert_eq!(get(proxy.address(), "/").await.status, 502);
}

#[tokio::test]
async fn tls_faults_show_clients_a_certificate_that_is_no_good() {
    let (authority, origin) = (Authority::new(), Origin::named("a"));
    let pairs = [pair("one", &authority.issue("shop.test"))];
    let proxy = proxy_with(Doc::http(&[origin.address]), TLS, &files(&pairs)).await;
    let client = authority.client(None, &[]);
    for kind in ["expired", "wrong_name", "untrusted"] {
        proxy.inject("bad", &format!("do: {{tls: {kind}}}")).await;
        let error = client.connect(proxy.address(), "shop.test").await.unwrap_err();
        let inner = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        assert!(
            matches!(inner, Some(rustls::Error::InvalidCertificate(_))),
            "{kind}: {error:?}"
        );
        proxy.lift("bad").await;
        let stream = client.connect(proxy.address(), "shop.test").await.unwrap();
        assert_eq!(
            H1::over(stream).await.get("/").await.text(),
            "a",
            "{kind} is lifted"
        );
    }
}

#[tokio::test]
async fn a_handshake_that_hangs_goes_on_when_its_fault_is_lifted() {
    let (authority, origin) = (Authority::new(), Origin::named("a"));
    let pairs = [pair("one", &authority.issue("shop.test"))];
    let proxy = proxy_with(Doc::http(&[origin.address]), TLS, &files(&pairs)).await;
    proxy.inject("stuck", "do: {tls: hang}").await;
    let (client, address) = (authority.client(None, &[]), proxy.address());
    let waiting = tokio::spawn(async move { client.connect(address, "shop.test").await.is_ok() });
    eventually("it hangs", async || {
        proxy.show("/api/v1/faults/stuck").await["hits"] == 1
    })
    .await;
    assert!(!waiting.is_finished());
    proxy.lift("stuck").await;
    assert!(crate::kit::within("the handshake", waiting).await.unwrap());
}

#[tokio::test]
async fn tls_faults_stand_before_backends_too() {
    let authority = Authority::new();
    let certificate = authority.issue("inner.test");
    let place = Place::new();
    let _server = secure(&place, &authority, &certificate, false, "http/1.1");
    let roots = [("ca.pem", authority.pem())];
    let proxy = towards(
        &place,
        "{roots: ca.pem, server_name: inner.test}",
        "http1",
        &roots,
    )
    .await;
    assert_eq!(get(proxy.address(), "/").await.text(), "fine");
    proxy
        .inject("bad", "where: {cluster: app}, do: {tls: expired}")
        .await;
    let answer = get(proxy.address(), "/").await;
    assert_eq!((answer.status, answer.reason()), (502, "tls_handshake"));
    // Workers write their lines each by itself, so their order is not that of the requests.
    let lines = proxy.access(2).await;
    let refused = lines.iter().find(|line| line["status"] == 502).unwrap();
    assert_eq!(refused["origin"], "injected");
    proxy.lift("bad").await;
    assert_eq!(get(proxy.address(), "/").await.text(), "fine");
}
