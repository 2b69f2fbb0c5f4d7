//! HTTP/1.1 on the client's side: framing, headers, limits, bodies both ways.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use http_body_util::BodyExt;
use tokio::{io::AsyncWriteExt, sync::mpsc};

use crate::kit::{
    Answer, Doc, H1, Origin, Place, Proxy, Raw,
    client::{a_get, a_post, request},
    eventually, get, noise,
    origin::{empty, piecemeal, text, whole},
    raw::End,
    within,
};

/// A raw origin that answers each connection with one text, after the head of the request has come.
fn scripted(place: &Place, answer: &'static str) -> crate::kit::origin::Server {
    place.serve(move |stream| async move {
        let mut raw = Raw::over(stream);
        raw.head().await;
        raw.say(answer).await;
    })
}

#[tokio::test]
async fn a_request_reaches_the_backend_and_its_answer_the_client() {
    let origin = Origin::new(async |request| {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let mut answer = text(201, [b"got ", &body[..]].concat());
        answer.headers_mut().insert("x-shelf", "7".parse().unwrap());
        answer
    });
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let mut client = H1::connect(proxy.address()).await;

    let answer = client.ask(a_post("/orders?express=yes", "three apples")).await;

    assert_eq!(answer.status, 201);
    assert_eq!(answer.text(), "got three apples");
    assert_eq!(answer.header("x-shelf"), "7");
    let seen = origin.last();
    assert_eq!(
        (seen.method, seen.uri.to_string().as_str()),
        (Method::POST, "/orders?express=yes")
    );
    assert_eq!(seen.headers["host"], "shop.test");
    assert_eq!(seen.headers["content-length"], "12");
}

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    let origin = Origin::named("a");
    let proxy = Proxy::start_single(&Doc::http(&[origin.address])).await;
    let mut client = H1::connect(proxy.address()).await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.status, 200);
    }
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::new(async |request| text(200, request.uri().path().to_owned()));
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let one = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say(one("/first") + &one("/second") + &one("/third")).await;
    raw.until("/first").await;
    raw.until("/second").await;
    raw.until("/third").await;
}

#[tokio::test]
async fn an_http_1_0_client_gets_an_answer_and_a_close() {
    let origin = Origin::named("a");
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let heard = Raw::ask(proxy.address(), "GET / HTTP/1.0\r\n\r\n").await;
    assert!(
        heard.starts_with("HTTP/1.1 200") || heard.starts_with("HTTP/1.0 200"),
        "{heard}"
    );
    assert!(heard.ends_with("\r\n\r\na"), "{heard}");
    assert!(!heard.contains("chunked"), "{heard}");
}

#[tokio::test]
async fn a_long_body_streams_both_ways_at_the_same_time() {
    let origin = Origin::echo();
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let (mut sender, body) = piecemeal();
    let mut client = H1::connect(proxy.address()).await;
    let response = client
        .begin(request(Method::POST, "/echo").body(body).unwrap())
        .await
        .unwrap();
    let mut body = response.into_body();
    for turn in 0..50 {
        let piece = noise(10_000, turn);
        sender.send_data(piece.clone()).await.unwrap();
        let mut back = Vec::new();
        while back.len() < piece.len() {
            let frame = within("an echo", body.frame()).await.unwrap().unwrap();
            back.extend_from_slice(&frame.into_data().unwrap());
        }
        assert_eq!(back, piece, "turn {turn}");
    }
    drop(sender);
    assert!(within("the end", body.frame()).await.is_none());
}

#[tokio::test]
async fn a_slow_reader_holds_the_backend_back_instead_of_filling_memory() {
    const WHOLE: usize = 256 << 20;
    let (told, mut written) = mpsc::unbounded_channel();
    let place = Place::new();
    let _server = place.serve(move |mut stream| {
        let told = told.clone();
        async move {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {WHOLE}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let piece = vec![b'x'; 64 << 10];
            for _ in 0..WHOLE / piece.len() {
                if stream.write_all(&piece).await.is_err() {
                    return;
                }
                let _ = told.send(piece.len());
            }
        }
    });
    let proxy = Proxy::start(&Doc::http(&[place.address])).await;
    let before = proxy.memory();
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    raw.head().await;
    // The client reads nothing more; the origin soon cannot write any more.
    let mut sent = 0;
    while let Ok(Some(n)) = tokio::time::timeout(Duration::from_millis(500), written.recv()).await {
        sent += n;
    }
    assert!(sent < WHOLE / 4, "{sent} bytes were taken from the backend");
    let grown = proxy.memory().saturating_sub(before);
    assert!(grown < 32 << 20, "the proxy grew by {grown} bytes");
}

#[tokio::test]
async fn a_slow_backend_holds_the_uploading_client_back() {
    const WHOLE: usize = 256 << 20;
    let place = Place::new();
    let _server = place.serve(async |stream| {
        let mut raw = Raw::over(stream);
        raw.head().await;
        std::future::pending::<()>().await;
    });
    let proxy = Proxy::start(&Doc::http(&[place.address])).await;
    let before = proxy.memory();
    let mut stream = Raw::connect(proxy.address()).await.into_stream();
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {WHOLE}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![b'x'; 64 << 10];
    let mut sent = 0;
    while let Ok(wrote) = tokio::time::timeout(Duration::from_millis(500), stream.write(&piece)).await {
        sent += wrote.unwrap();
        assert!(sent < WHOLE / 4, "{sent} bytes were taken from the client");
    }
    let grown = proxy.memory().saturating_sub(before);
    assert!(grown < 32 << 20, "the proxy grew by {grown} bytes");
}

#[tokio::test]
async fn trailers_are_passed_on() {
    let origin = Origin::new(async |request| {
        let collected = request.into_body().collect().await.unwrap();
        let mut trailers = HeaderMap::new();
        let came = collected.trailers().and_then(|t| t.get("x-sum")).cloned();
        trailers.insert("x-sum", came.unwrap_or("nothing".parse().unwrap()));
        let (mut sender, body) = piecemeal();
        tokio::spawn(async move {
            sender.send_data("ok".into()).await.unwrap();
            sender.send_trailers(trailers).await.unwrap();
        });
        Response::builder().header("trailer", "x-sum").body(body).unwrap()
    });
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say(
        "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nabc\r\n0\r\nx-sum: 294\r\n\r\n",
    )
    .await;
    let heard = raw.until("0\r\n").await + &raw.until("\r\n\r\n").await;
    assert!(heard.contains("x-sum: 294\r\n"), "{heard}");
}

#[tokio::test]
async fn expect_100_continue_is_answered_before_the_body_is_sent() {
    let origin = Origin::new(async |request| {
        let body = request.into_body().collect().await.unwrap();
        text(200, body.to_bytes())
    });
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        .await;
    assert_eq!(raw.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    raw.say("hello").await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    raw.until("hello").await;
}

#[tokio::test]
async fn a_backend_that_refuses_an_expectation_spares_the_client_the_upload() {
    let origin = Origin::new(async |_| text(403, "not you"));
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 500000\r\n\r\n")
        .await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
}

#[tokio::test]
async fn early_hints_are_passed_on_before_the_answer() {
    let place = Place::new();
    let _server = scripted(
        &place,
        "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let proxy = Proxy::start(&Doc::http(&[place.address])).await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let hints = raw.head().await;
    assert!(hints.starts_with("HTTP/1.1 103"), "{hints}");
    assert!(
        hints.to_lowercase().contains("link: </style.css>; rel=preload"),
        "{hints}"
    );
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(raw.exactly(2).await, b"ok");
}

#[tokio::test]
async fn an_answer_to_head_has_a_length_and_no_body() {
    let origin = Origin::new(async |request| match *request.method() {
        Method::HEAD => Response::builder()
            .header("content-length", "5")
            .body(empty())
            .unwrap(),
        _ => text(200, "hello"),
    });
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await;
    let head = raw.head().await.to_lowercase();
    assert!(head.contains("content-length: 5"), "{head}");
    let second = raw.head().await;
    assert!(
        second.starts_with("HTTP/1.1 200"),
        "what follows is the next answer: {second}"
    );
    assert_eq!(raw.exactly(5).await, b"hello");
}

#[tokio::test]
async fn answers_204_and_304_have_no_body_and_keep_the_connection() {
    let origin = Origin::new(async |request| match request.uri().path() {
        "/204" => Response::builder().status(204).body(empty()).unwrap(),
        "/304" => Response::builder()
            .status(304)
            .header("etag", "\"1\"")
            .body(empty())
            .unwrap(),
        _ => text(200, "hello"),
    });
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let mut client = H1::connect(proxy.address()).await;
    for (path, status) in [("/204", 204), ("/304", 304), ("/", 200), ("/204", 204)] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.text(), if status == 200 { "hello" } else { "" });
    }
}

#[tokio::test]
async fn an_answer_that_comes_before_the_upload_has_ended_reaches_the_client() {
    let place = Place::new();
    let _server = scripted(
        &place,
        "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!",
    );
    let proxy = Proxy::start(&Doc::http(&[place.address])).await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\nbeginning")
        .await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
    raw.until("no!").await;
}

#[tokio::test]
async fn an_answer_without_a_length_ends_with_its_connection() {
    let place = Place::new();
    let _server = scripted(&place, "HTTP/1.1 200 OK\r\n\r\nuntil the end");
    let proxy = Proxy::start(&Doc::http(&[place.address])).await;
    assert_eq!(get(proxy.address(), "/").await.text(), "until the end");
}

#[tokio::test]
async fn headers_of_one_hop_stay_on_it() {
    let origin = Origin::new(async |_| {
        Response::builder()
            .header("connection", "x-inner")
            .header("x-inner", "secret")
            .header("keep-alive", "timeout=5")
            .header("proxy-authenticate", "Basic")
            .header("x-outer", "fine")
            .body(whole("ok"))
            .unwrap()
    });
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let mut client = H1::connect(proxy.address()).await;
    let ask = a_request_with(&[
        ("connection", "x-hop, keep-alive"),
        ("x-hop", "mine"),
        ("keep-alive", "300"),
        ("proxy-connection", "keep-alive"),
        ("te", "trailers, gzip"),
        ("x-kept", "yes"),
    ]);
    let answer = client.ask(ask).await;
    let seen = origin.last();
    for gone in ["x-hop", "keep-alive", "proxy-connection", "upgrade"] {
        assert!(!seen.headers.contains_key(gone), "{gone}: {:?}", seen.headers);
    }
    assert_eq!((seen.header("x-kept"), seen.header("te")), ("yes", "trailers"));
    for gone in ["x-inner", "keep-alive"] {
        assert!(!answer.headers.contains_key(gone), "{gone}: {:?}", answer.headers);
    }
    assert_eq!(answer.header("x-outer"), "fine");
}

fn a_request_with(headers: &[(&str, &str)]) -> http::Request<crate::kit::Body> {
    let mut builder = request(Method::GET, "/");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(empty()).unwrap()
}

/// What the backend saw of a request with these headers, through a listener with this setting.
async fn seen_through(setting: &str, headers: &[(&str, &str)]) -> (crate::kit::origin::Seen, Answer) {
    let origin = Origin::named("a");
    let proxy = Proxy::start(&Doc::http(&[origin.address]).listener(setting)).await;
    let mut client = H1::connect(proxy.address()).await;
    let answer = client.ask(a_request_with(headers)).await;
    (origin.last(), answer)
}

#[tokio::test]
async fn via_names_the_proxy_in_both_directions_where_it_is_given_a_name() {
    let (seen, answer) = seen_through("headers: {via: edge}", &[("via", "1.0 fred")]).await;
    assert_eq!(seen.header("via"), "1.0 fred, 1.1 edge");
    assert_eq!(answer.header("via"), "1.1 edge");
    let (seen, answer) = seen_through("headers: {}", &[]).await;
    assert_eq!((seen.header("via"), answer.header("via")), ("", ""));
}

#[tokio::test]
async fn who_asked_is_told_as_the_policy_says() {
    let came = [
        ("x-forwarded-for", "10.9.9.9"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=10.9.9.9"),
    ];
    let check = async |setting: &str, classic: &str, proto: &str, standard: &str| {
        let (seen, _) = seen_through(setting, &came).await;
        assert_eq!(seen.header("x-forwarded-for"), classic, "{setting}");
        assert_eq!(seen.header("x-forwarded-proto"), proto, "{setting}");
        assert_eq!(seen.header("forwarded"), standard, "{setting}");
    };
    let ours = "for=127.0.0.1;host=\"shop.test\";proto=http";
    let both = format!("for=10.9.9.9, {ours}");
    check(
        "headers: {forwarded: append}",
        "10.9.9.9, 127.0.0.1",
        "https",
        "for=10.9.9.9",
    )
    .await;
    check("headers: {forwarded: replace}", "127.0.0.1", "http", "").await;
    check("headers: {forwarded: drop}", "", "", "").await;
    check(
        "headers: {forwarded: append, forwarded_as: forwarded}",
        "10.9.9.9",
        "https",
        &both,
    )
    .await;
    check(
        "headers: {forwarded: replace, forwarded_as: both}",
        "127.0.0.1",
        "http",
        ours,
    )
    .await;
}

#[tokio::test]
async fn every_request_has_an_id_that_the_client_may_choose() {
    let (seen, _) = seen_through("headers: {}", &[("x-request-id", "mine-1")]).await;
    assert_eq!(seen.header("x-request-id"), "mine-1");
    let (seen, _) = seen_through("headers: {}", &[]).await;
    assert!(
        seen.header("x-request-id").len() >= 16,
        "{:?}",
        seen.header("x-request-id")
    );
    let (seen, _) = seen_through("headers: {request_id: replace}", &[("x-request-id", "mine-1")]).await;
    assert_ne!(seen.header("x-request-id"), "mine-1");
    let (seen, _) = seen_through("headers: {request_id: pass}", &[]).await;
    assert_eq!(seen.header("x-request-id"), "");
}

#[tokio::test]
async fn the_host_is_kept_or_rewritten_per_cluster() {
    let origin = Origin::named("a");
    let kept = Proxy::start(&Doc::http(&[origin.address])).await;
    get(kept.address(), "/").await;
    assert_eq!(origin.last().header("host"), "shop.test");
    let rewritten = Proxy::start(&Doc::http(&[origin.address]).cluster("host: rewrite")).await;
    get(rewritten.address(), "/").await;
    assert_eq!(origin.last().header("host"), origin.address.to_string());
}

#[tokio::test]
async fn a_route_changes_path_host_and_headers() {
    let origin = Origin::named("a");
    let doc = Doc::http(&[origin.address])
        .route("rewrite: {host: inner.test, strip_prefix: /api, add_prefix: /v2}")
        .route("request_headers: {set: {x-tenant: blue}, remove: [cookie]}")
        .route("answer_headers: {set: {x-frame-options: DENY}, remove: [date]}");
    let proxy = Proxy::start(&doc).await;
    let mut client = H1::connect(proxy.address()).await;
    let asked = request(Method::GET, "/api/users?id=1").header("cookie", "a=b");
    let answer = client.ask(asked.body(empty()).unwrap()).await;
    let seen = origin.last();
    assert_eq!(seen.uri, "/v2/users?id=1");
    assert_eq!(
        (
            seen.header("host"),
            seen.header("x-tenant"),
            seen.header("cookie")
        ),
        ("inner.test", "blue", "")
    );
    assert_eq!(
        (answer.header("x-frame-options"), answer.header("date")),
        ("DENY", "")
    );
}

#[tokio::test]
async fn the_host_in_an_absolute_target_goes_before_the_header() {
    let origin = Origin::named("a");
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("GET http://real.test/path?q=1 HTTP/1.1\r\nHost: other.test\r\n\r\n")
        .await;
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
    let seen = origin.last();
    assert_eq!(
        (seen.header("host"), seen.uri.to_string().as_str()),
        ("real.test", "/path?q=1")
    );
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_is_refused() {
    let origin = Origin::named("a");
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let check = async |what: &str, request: &str, status: &str| {
        let heard = Raw::ask(proxy.address(), request).await;
        assert!(
            heard.starts_with(&format!("HTTP/1.1 {status}")),
            "{what}: {heard}"
        );
    };
    check("no host", "GET / HTTP/1.1\r\n\r\n", "400").await;
    check("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400").await;
    check(
        "length and chunks",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
    )
    .await;
    check(
        "two lengths",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "400",
    )
    .await;
    check(
        "an unknown coding",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        "501",
    )
    .await;
    check(
        "a space before the colon",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "400",
    )
    .await;
    check("a folded line", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", "400").await;
    check("no HTTP", "hello there\r\n\r\n", "400").await;
    check("a later version", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", "505").await;
    assert_eq!(origin.requests(), 0, "the backend saw none of it");
}

#[tokio::test]
async fn heads_beyond_the_limits_are_refused_with_431() {
    let origin = Origin::named("a");
    let doc = Doc::http(&[origin.address]).listener("limits: {header_size: 2KiB, headers: 10}");
    let proxy = Proxy::start(&doc).await;
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(4000));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(20));
    for request in [long, many] {
        let heard = Raw::ask(proxy.address(), &request).await;
        assert!(heard.starts_with("HTTP/1.1 431"), "{heard}");
    }
    assert_eq!(get(proxy.address(), "/").await.status, 200);
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_refused_with_413() {
    let origin = Origin::echo();
    let proxy = Proxy::start(&Doc::http(&[origin.address]).listener("limits: {body: 1KiB}")).await;
    let mut client = H1::connect(proxy.address()).await;
    assert_eq!(client.ask(a_post("/", vec![b'x'; 1024])).await.status, 200);
    let declared = H1::connect(proxy.address())
        .await
        .ask(a_post("/", vec![b'x'; 1025]))
        .await;
    assert_eq!(declared.status, 413);
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n{}\r\n0\r\n\r\n",
        "x".repeat(2048)
    );
    let heard = Raw::ask(proxy.address(), &chunked).await;
    assert!(heard.starts_with("HTTP/1.1 413"), "{heard}");
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_is_answered_408() {
    let origin = Origin::named("a");
    let doc = Doc::http(&[origin.address]).listener("timeouts: {client_header: 300ms}");
    let proxy = Proxy::start(&doc).await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("GET / HTTP/1.1\r\nHo").await;
    let (heard, end) = raw.rest().await;
    assert!(heard.starts_with("HTTP/1.1 408"), "{heard}");
    assert_eq!(end, End::Closed);
}

#[tokio::test]
async fn a_body_that_stops_coming_is_answered_408() {
    let silent = Place::new();
    let _server = silent.serve(async |stream| {
        let mut raw = Raw::over(stream);
        raw.rest().await;
    });
    let doc = Doc::http(&[silent.address]).listener("timeouts: {client_body_idle: 300ms}");
    let proxy = Proxy::start(&doc).await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf";
    let heard = Raw::ask(proxy.address(), request).await;
    assert!(heard.starts_with("HTTP/1.1 408"), "{heard}");
}

#[tokio::test]
async fn a_body_that_stops_coming_under_an_answer_breaks_the_answer_off() {
    let origin = Origin::echo();
    let doc = Doc::http(&[origin.address]).listener("timeouts: {client_body_idle: 300ms}");
    let proxy = Proxy::start(&doc).await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    let heard = Raw::ask(proxy.address(), request).await;
    assert!(heard.contains("half") && !heard.contains("0\r\n\r\n"), "{heard}");
}

#[tokio::test]
async fn a_client_that_never_sends_the_rest_of_an_answered_request_is_let_go() {
    let place = Place::new();
    let _server = scripted(&place, "HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!");
    let proxy = Proxy::start(&Doc::http(&[place.address])).await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
        .await;
    raw.until("no!").await;
    let (more, _) = raw.rest().await;
    assert_eq!(more, "");
}

#[tokio::test]
async fn chunks_that_cannot_be_read_are_answered_400() {
    let origin = Origin::named("a");
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    eventually("the backend was asked", async || origin.requests() == 1).await;
    raw.say("zz\r\nhello\r\n").await;
    let (heard, _) = raw.rest().await;
    assert!(heard.starts_with("HTTP/1.1 400"), "{heard}");
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time() {
    let origin = Origin::named("a");
    let doc = Doc::http(&[origin.address]).listener("timeouts: {keep_alive_idle: 300ms}");
    let proxy = Proxy::start(&doc).await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (heard, end) = raw.rest().await;
    assert!(
        heard.starts_with("HTTP/1.1 200") && heard.ends_with('a'),
        "{heard}"
    );
    assert_eq!(end, End::Closed);
}

#[tokio::test]
async fn a_route_that_takes_too_long_is_answered_504() {
    let origin = Origin::new(async |_| std::future::pending().await);
    let check = async |doc: Doc, reason: &str| {
        let proxy = Proxy::start(&doc).await;
        let answer = get(proxy.address(), "/").await;
        assert_eq!((answer.status, answer.reason()), (504, reason));
    };
    check(
        Doc::http(&[origin.address]).route("timeout: 200ms"),
        "request_timeout",
    )
    .await;
    check(
        Doc::http(&[origin.address]).cluster("answer_timeout: 200ms"),
        "answer_timeout",
    )
    .await;
    check(
        Doc::http(&[origin.address]).listener("timeouts: {request: 200ms}"),
        "request_timeout",
    )
    .await;
}

#[tokio::test]
async fn an_answer_whose_body_stands_still_is_broken_off() {
    let place = Place::new();
    let _server = place.serve(async |stream| {
        let mut raw = Raw::over(stream);
        raw.head().await;
        raw.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            .await;
        raw.rest().await;
    });
    let proxy = Proxy::start(&Doc::http(&[place.address]).cluster("idle_timeout: 300ms")).await;
    let mut client = H1::connect(proxy.address()).await;
    assert!(client.send(a_get("/")).await.is_err());
    let line = &proxy.access(1).await[0];
    assert_eq!(line["reason"], "answer_timeout");
}

#[tokio::test]
async fn what_no_route_matches_is_answered_404_by_the_proxy() {
    let origin = Origin::named("a");
    let proxy = Proxy::start(&Doc::http(&[origin.address]).route("match: {path: /shop/**}")).await;
    let mut client = H1::connect(proxy.address()).await;
    assert_eq!(client.get("/shop/cart").await.status, 200);
    let answer = client.get("/elsewhere").await;
    assert_eq!((answer.status, answer.reason()), (404, "no_route"));
    let lines = proxy.access(2).await;
    assert_eq!(
        (&lines[0]["origin"], &lines[1]["origin"]),
        (&"upstream".into(), &"proxy".into())
    );
}

#[tokio::test]
async fn a_client_that_leaves_frees_the_backend() {
    let (gone, mut left) = mpsc::unbounded_channel();
    let place = Place::new();
    let _server = place.serve(move |stream| {
        let gone = gone.clone();
        async move {
            let mut raw = Raw::over(stream);
            raw.head().await;
            let _ = gone.send("asked");
            raw.rest().await;
            let _ = gone.send("left alone");
        }
    });
    let proxy = Proxy::start(&Doc::http(&[place.address])).await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(within("the request", left.recv()).await, Some("asked"));
    drop(raw);
    assert_eq!(within("the end", left.recv()).await, Some("left alone"));
    assert_eq!(proxy.access(1).await[0]["reason"], "client_gone");
}

#[tokio::test]
async fn more_connections_than_allowed_wait_until_one_ends() {
    let origin = Origin::named("a");
    let doc = Doc::http(&[origin.address]).listener("limits: {connections: 1}");
    let proxy = Proxy::start_single(&doc).await;
    let mut first = H1::connect(proxy.address()).await;
    assert_eq!(first.get("/").await.status, 200);
    let mut second = Raw::connect(proxy.address()).await;
    second.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(first.get("/").await.status, 200);
    assert_eq!(second.peek(), b"", "the second waits in the system's queue");
    drop(first);
    assert!(second.head().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn each_request_leaves_one_line_in_the_access_log() {
    let origin = Origin::named("a");
    let proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    let mut client = H1::connect(proxy.address()).await;
    client.ask(a_post("/orders?x=1", Bytes::from("12345"))).await;
    let line = &proxy.access(1).await[0];
    let expected = [
        ("listener", "public".into()),
        ("method", "POST".into()),
        ("path", "/orders?x=1".into()),
        ("status", 200.into()),
        ("received", 5.into()),
        ("sent", 1.into()),
        ("backend", "a".into()),
        ("attempts", 1.into()),
        ("origin", "upstream".into()),
    ];
    for (key, value) in expected {
        let value: serde_json::Value = value;
        assert_eq!(line[key], value, "{key} of {line}");
    }
    assert!(line["request_id"].is_string(), "{line}");
    eventually("the counter says so too", async || {
        let labels = ["class=\"2xx\"", "origin=\"upstream\""];
        proxy.metric("chaosproxy_requests_total", &labels).await == 1.0
    })
    .await;
}
