//! Bad input and failure: what a client gets when a backend is in trouble, and what the proxy does when it is itself.

use std::sync::Arc;

use rustix::process::Signal;
use tokio::{io::AsyncReadExt, sync::Semaphore};

use crate::kit::{
    Doc, H1, H2, Origin, Place, Proxy, Raw,
    client::{a_get, a_post, attempt, post},
    eventually, get,
    origin::text,
    within,
};

/// What a client gets from a backend that answers with these bytes and closes; then whether the next request is fine.
async fn answered_with(script: &'static [u8], status: u16, reason: &str) {
    let place = Place::new();
    let server = place.serve(move |mut stream| async move {
        let mut raw = [0; 4096];
        let _ = stream.read(&mut raw).await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, script).await;
    });
    let proxy = Proxy::start_single(&Doc::http(&[place.address])).await;
    let mut h1 = H1::connect(proxy.address()).await;
    let h2 = H2::connect(proxy.address()).await;
    for answer in [h1.ask(a_get("/")).await, h2.ask(a_get("/")).await] {
        assert_eq!(
            (answer.status, answer.reason()),
            (status, reason),
            "{:?}",
            String::from_utf8_lossy(script)
        );
    }
    let line = &proxy.access(1).await[0];
    assert_eq!(
        (&line["origin"], &line["backend"]),
        (&"proxy".into(), &"a".into()),
        "{line}"
    );
    server.stop().await;
    let _origin = Origin::named_at(&place, "fine again");
    assert_eq!(h1.get("/").await.text(), "fine again");
    assert_eq!(h2.get("/").await.text(), "fine again");
}

#[tokio::test]
async fn a_backend_that_says_nothing_or_nonsense_is_a_502() {
    answered_with(b"", 502, "upstream_reset").await;
    answered_with(b"HTTP/1.1 200", 502, "upstream_reset").await;
    answered_with(b"I am no web server\r\n\r\n", 502, "upstream_garbage").await;
    answered_with(b"HTTP/1.1 two hundred\r\n\r\n", 502, "upstream_garbage").await;
    answered_with(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        502,
        "upstream_garbage",
    )
    .await;
}

#[tokio::test]
async fn a_backend_that_sends_too_many_headers_is_a_502() {
    let place = Place::new();
    let _server = place.serve(async |stream| {
        let mut raw = Raw::over(stream);
        raw.head().await;
        let mut answer = "HTTP/1.1 200 OK\r\n".to_owned();
        for i in 0..2000 {
            answer.push_str(&format!("x-{i}: {}\r\n", "y".repeat(200)));
        }
        raw.try_say(answer + "\r\n").await;
    });
    let proxy = Proxy::start(&Doc::http(&[place.address])).await;
    let answer = get(proxy.address(), "/").await;
    assert_eq!((answer.status, answer.reason()), (502, "upstream_garbage"));
}

#[tokio::test]
async fn a_backend_that_is_down_is_a_502_until_it_is_back() {
    let place = Place::new();
    let proxy = Proxy::start(&Doc::http(&[place.address])).await;
    let mut client = H1::connect(proxy.address()).await;
    let answer = client.get("/").await;
    assert_eq!((answer.status, answer.reason()), (502, "connect_refused"));
    assert!(answer.text().contains("refused"), "{}", answer.text());
    proxy
        .logs(&["request failed", "connect_refused", "\"backend\":\"a\""])
        .await;
    let _origin = Origin::named_at(&place, "a");
    assert_eq!(client.get("/").await.text(), "a");
}

#[tokio::test]
async fn a_backend_without_an_address_is_a_502() {
    let text = "listeners: {public: {bind: 127.0.0.1:0, cluster: app}}\n\
                clusters: {app: {backends: [{address: \"nobody.invalid:80\"}]}}\n";
    let proxy = Proxy::setup().start(text).await;
    let answer = get(proxy.address(), "/").await;
    assert_eq!((answer.status, answer.reason()), (502, "resolve"));
}

#[tokio::test]
async fn a_backend_that_never_accepts_is_a_504() {
    // 192.0.2.0/24 is for documentation: packets to it go nowhere, or are refused at once by a router.
    let doc = Doc::http(&["192.0.2.1:80".parse().unwrap()]).cluster("connect_timeout: 300ms");
    let proxy = Proxy::start(&doc).await;
    let answer = get(proxy.address(), "/").await;
    match answer.reason() {
        "connect_timeout" => assert_eq!(answer.status, 504),
        "unreachable" | "connect_refused" => assert_eq!(answer.status, 502),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_backend_that_resets_is_a_502_and_the_next_request_is_fine() {
    let place = Place::new();
    let server = place.serve(async |stream| {
        let mut raw = Raw::over(stream);
        raw.head().await;
        let stream = raw.into_stream();
        socket2::SockRef::from(&stream)
            .set_linger(Some(std::time::Duration::ZERO))
            .unwrap();
    });
    let proxy = Proxy::start(&Doc::http(&[place.address])).await;
    let mut client = H1::connect(proxy.address()).await;
    let answer = client.ask(a_post("/", "body")).await;
    assert_eq!((answer.status, answer.reason()), (502, "upstream_reset"));
    server.stop().await;
    let _origin = Origin::named_at(&place, "a");
    assert_eq!(client.get("/").await.text(), "a");
}

#[tokio::test]
async fn a_backend_that_closes_in_mid_body_breaks_the_answer_off() {
    let place = Place::new();
    let server = place.serve(async |stream| {
        let mut raw = Raw::over(stream);
        raw.head().await;
        raw.say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this much")
            .await;
    });
    let proxy = Proxy::start(&Doc::http(&[place.address])).await;
    assert!(
        attempt(proxy.address(), a_get("/")).await.is_err(),
        "half an answer must not look whole"
    );
    let h2 = H2::connect(proxy.address()).await;
    assert!(h2.send(a_get("/")).await.is_err());
    for line in proxy.access(2).await {
        assert_eq!(line["reason"], "upstream_reset");
        assert_eq!(line["sent"], "only this much".len(), "{line}");
    }
    server.stop().await;
    let _origin = Origin::named_at(&place, "a");
    assert_eq!(get(proxy.address(), "/").await.text(), "a");
    assert_eq!(h2.get("/").await.text(), "a");
}

#[tokio::test]
async fn a_backend_that_hangs_is_a_504_and_others_are_not_held_up() {
    let origin = Origin::new(async |request| match request.uri().path() {
        "/hang" => std::future::pending().await,
        _ => text(200, "fine"),
    });
    let proxy = Proxy::start_single(&Doc::http(&[origin.address]).cluster("answer_timeout: 500ms")).await;
    let hanging: Vec<_> = (0..20)
        .map(|_| tokio::spawn(get(proxy.address(), "/hang")))
        .collect();
    for _ in 0..20 {
        assert_eq!(get(proxy.address(), "/").await.text(), "fine");
    }
    for one in hanging {
        let answer = within("the limit", one).await.unwrap();
        assert_eq!((answer.status, answer.reason()), (504, "answer_timeout"));
    }
}

#[tokio::test]
async fn out_of_file_descriptors_the_proxy_keeps_serving_and_recovers() {
    let gate = Arc::new(Semaphore::new(0));
    let door = gate.clone();
    let origin = Origin::new(move |request| {
        let door = door.clone();
        async move {
            if request.uri().path() == "/wait" {
                door.acquire().await.unwrap().forget();
            }
            text(200, "fine")
        }
    });
    let doc = Doc::http(&[origin.address]);
    let mut proxy = Proxy::setup().most_files(96).start(doc.text()).await;
    let mut early = H1::connect(proxy.address()).await;
    assert_eq!(early.get("/").await.text(), "fine");
    let mut crowd = Vec::new();
    for _ in 0..200 {
        let mut raw = Raw::connect(proxy.address()).await;
        raw.try_say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        crowd.push(raw);
    }
    eventually("it has noticed", async || {
        proxy.has_logged(&["ulimit"]) || proxy.has_logged(&["Too many open files"])
    })
    .await;
    assert_eq!(early.get("/").await.text(), "fine", "who is connected is served");
    assert!(proxy.is_alive());
    for _ in 0..8 {
        // Descriptors are kept back for it.
        within("the admin API", proxy.show("/api/v1/status")).await;
    }
    drop(crowd);
    eventually("it accepts again", async || {
        attempt(proxy.address(), a_get("/"))
            .await
            .is_ok_and(|answer| answer.status == 200)
    })
    .await;
    gate.close();
}

#[tokio::test]
async fn a_port_in_use_is_named_and_nothing_stays_bound() {
    let taken = Place::new();
    let _listener = taken.listen();
    let free = Place::new();
    let free_address = free.address;
    drop(free);
    let text = format!(
        "listeners:\n  first: {{bind: \"{free_address}\", cluster: app}}\n  second: {{bind: \"{}\", cluster: app}}\n\
         clusters: {{app: {{backends: [{{address: \"127.0.0.1:1\"}}]}}}}\n",
        taken.address
    );
    let (child, _folder) = Proxy::setup().spawn(text);
    let output = within("its end", child.wait_with_output()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&taken.address.to_string()), "{said}");
    assert!(said.contains("in use"), "{said}");
}

#[tokio::test]
async fn a_broken_document_ends_with_status_2_and_every_error() {
    let text = "listeners:\n  public: {bind: 127.0.0.1:0, cluster: nobody, colour: blue}\n\
                clusters:\n  app: {backends: []}\n";
    let (child, _folder) = Proxy::setup().spawn(text);
    let output = within("its end", child.wait_with_output()).await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    for part in [
        "chaosproxy.yaml:2",
        "colour",
        "chaosproxy.yaml:4",
        "needs a backend",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("listening"), "{said}");
}

#[tokio::test]
async fn the_log_of_a_healthy_run_has_no_warning() {
    let origin = Origin::named("a");
    let mut proxy = Proxy::start(&Doc::http(&[origin.address])).await;
    for _ in 0..10 {
        assert_eq!(post(proxy.address(), "/", "x").await.status, 200);
    }
    proxy.signal(Signal::TERM);
    assert!(proxy.ended().await.success());
    for level in ["\"WARN\"", "\"ERROR\""] {
        assert!(!proxy.has_logged(&[level]), "{level}");
    }
}
