//! TCP listeners: bytes both ways, half-close, PROXY protocol.

use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::kit::{Doc, H1, Origin, Place, Proxy, Raw, eventually, noise, raw::End, within};

/// A server that sends back what it gets, and closes when its client has finished.
fn echo(place: &Place) -> crate::kit::origin::Server {
    place.serve(async |mut stream| {
        let (mut reader, mut writer) = stream.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
        let _ = writer.shutdown().await;
    })
}

#[tokio::test]
async fn bytes_pass_both_ways_as_they_come() {
    let place = Place::new();
    let _server = echo(&place);
    let proxy = Proxy::start(&Doc::tcp(&[place.address])).await;
    let mut raw = Raw::connect(proxy.address()).await;
    for line in ["one\n", "two\n", "three\n"] {
        raw.say(line).await;
        assert_eq!(raw.until("\n").await, line);
    }
}

#[tokio::test]
async fn each_side_may_finish_before_the_other() {
    let place = Place::new();
    let _server = place.serve(async |stream| {
        let mut raw = Raw::over(stream);
        // Speaks first, finishes last: the client's end is known before the answer is sent.
        raw.say("who are you?\n").await;
        let (name, end) = raw.rest().await;
        assert_eq!(end, End::Closed);
        raw.say(format!("hello, {name}")).await;
    });
    let proxy = Proxy::start(&Doc::tcp(&[place.address])).await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.until("who are you?\n").await;
    raw.say("chaos").await;
    raw.finish().await;
    assert_eq!(raw.rest().await, ("hello, chaos".to_owned(), End::Closed));
}

#[tokio::test]
async fn a_server_that_finishes_first_still_gets_what_the_client_has_to_say() {
    let place = Place::new();
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let _server = place.serve(move |stream| {
        let told = told.clone();
        async move {
            let mut raw = Raw::over(stream);
            raw.say("that was all from me").await;
            raw.finish().await;
            told.send(raw.rest().await.0).unwrap();
        }
    });
    let proxy = Proxy::start(&Doc::tcp(&[place.address])).await;
    let mut raw = Raw::connect(proxy.address()).await;
    assert_eq!(raw.rest().await, ("that was all from me".to_owned(), End::Closed));
    raw.say("but not from me").await;
    raw.finish().await;
    assert_eq!(within("the rest", heard.recv()).await.unwrap(), "but not from me");
}

#[tokio::test]
async fn a_reset_is_passed_on_as_a_reset() {
    let place = Place::new();
    let _server = place.serve(async |stream| {
        let mut raw = Raw::over(stream);
        raw.until("go\n").await;
        let stream = raw.into_stream();
        socket2::SockRef::from(&stream)
            .set_linger(Some(std::time::Duration::ZERO))
            .unwrap();
    });
    let proxy = Proxy::start(&Doc::tcp(&[place.address])).await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("go\n").await;
    assert_eq!(raw.rest().await, (String::new(), End::Reset));
}

#[tokio::test]
async fn bulk_comes_through_unchanged_in_both_directions_at_once() {
    const SIZE: usize = 64 << 20;
    let place = Place::new();
    let _server = echo(&place);
    let proxy = Proxy::start(&Doc::tcp(&[place.address])).await;
    let (mut reader, mut writer) = Raw::connect(proxy.address()).await.into_stream().into_split();
    let data = noise(SIZE, 3);
    let expected = Sha256::digest(&data);
    let sending = tokio::spawn(async move {
        writer.write_all(&data).await.unwrap();
        writer.shutdown().await.unwrap();
    });
    let (mut hash, mut buffer, mut length) = (Sha256::new(), vec![0; 64 << 10], 0);
    let reading = async {
        loop {
            match reader.read(&mut buffer).await.unwrap() {
                0 => return,
                n => {
                    hash.update(&buffer[..n]);
                    length += n;
                }
            }
        }
    };
    within("all bytes", reading).await;
    sending.await.unwrap();
    assert_eq!(length, SIZE);
    assert_eq!(hash.finalize(), expected);
    let line = &proxy.access(1).await[0];
    assert_eq!(
        (&line["received"], &line["sent"]),
        (&SIZE.into(), &SIZE.into()),
        "{line}"
    );
    assert_eq!(
        (&line["backend"], &line["origin"]),
        (&"a".into(), &"upstream".into())
    );
}

#[tokio::test]
async fn a_backend_that_refuses_is_passed_over_for_the_next() {
    let (down, up) = (Place::new(), Place::new());
    let _server = echo(&up);
    let proxy = Proxy::start_single(&Doc::tcp(&[down.address, up.address])).await;
    for _ in 0..4 {
        let mut raw = Raw::connect(proxy.address()).await;
        raw.say("hello\n").await;
        raw.until("hello\n").await;
    }
}

#[tokio::test]
async fn without_a_backend_the_client_is_reset() {
    let down = Place::new();
    let proxy = Proxy::start(&Doc::tcp(&[down.address])).await;
    assert_eq!(Raw::fate(proxy.address(), "").await, (String::new(), End::Reset));
    let line = &proxy.access(1).await[0];
    assert_eq!(
        (&line["reason"], &line["origin"]),
        (&"connect_refused".into(), &"proxy".into())
    );
}

#[tokio::test]
async fn a_connection_on_which_nothing_moves_is_ended() {
    let place = Place::new();
    let _server = echo(&place);
    let proxy = Proxy::start(&Doc::tcp(&[place.address]).cluster("idle_timeout: 300ms")).await;
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say("hello").await;
    assert_eq!(raw.rest().await, ("hello".to_owned(), End::Closed));
}

#[tokio::test]
async fn a_proxy_protocol_header_that_comes_in_says_who_the_client_is() {
    let origin = Origin::named("a");
    let proxy = Proxy::start(&Doc::http(&[origin.address]).listener("proxy_protocol: true")).await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let v1 = format!("PROXY TCP4 203.0.113.7 192.0.2.1 5000 80\r\n{request}");
    assert!(Raw::ask(proxy.address(), &v1).await.starts_with("HTTP/1.1 200"));
    assert_eq!(origin.last().header("x-forwarded-for"), "203.0.113.7");
    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
    v2.extend([198, 51, 100, 9, 192, 0, 2, 1, 0x13, 0x88, 0, 80]);
    v2.extend(request.as_bytes());
    let mut raw = Raw::connect(proxy.address()).await;
    raw.say(&v2).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
    assert_eq!(origin.last().header("x-forwarded-for"), "198.51.100.9");
    let without = Raw::ask(proxy.address(), request).await;
    assert_eq!(without, "", "who does not say who it is for is not served");
    let lines = proxy.access(2).await;
    assert!(
        lines.iter().any(|line| line["client"] == "203.0.113.7:5000"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_backend_is_told_the_client_by_proxy_protocol() {
    for (version, check) in [("v1", v1 as fn(&[u8]) -> bool), ("v2", v2)] {
        let place = Place::new();
        let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let _server = place.serve(move |mut stream| {
            let told = told.clone();
            async move {
                let mut head = Vec::new();
                while !head.ends_with(b"hello\n") {
                    assert!(stream.read_buf(&mut head).await.unwrap() > 0);
                }
                told.send(head).unwrap();
            }
        });
        let doc = Doc::tcp(&[place.address]).cluster(format!("proxy_protocol: {version}"));
        let proxy = Proxy::start(&doc).await;
        let mut raw = Raw::connect(proxy.address()).await;
        raw.say("hello\n").await;
        let head = within("the head", heard.recv()).await.unwrap();
        assert!(check(&head), "{version}: {head:?}");
    }
}

fn v1(head: &[u8]) -> bool {
    head.starts_with(b"PROXY TCP4 127.0.0.1 127.0.0.1 ")
}

fn v2(head: &[u8]) -> bool {
    head.starts_with(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01")
}

#[tokio::test]
async fn a_connection_with_proxy_protocol_is_not_shared_between_clients() {
    let place = Place::new();
    let server = place.serve(async |stream| {
        let mut raw = Raw::over(stream);
        raw.until("\r\n").await;
        loop {
            raw.head().await;
            raw.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        }
    });
    let doc = Doc::http(&[place.address]).cluster("proxy_protocol: v1");
    let proxy = Proxy::start_single(&doc).await;
    for _ in 0..3 {
        assert_eq!(H1::connect(proxy.address()).await.get("/").await.text(), "ok");
    }
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn open_connections_are_counted_and_let_go() {
    let place = Place::new();
    let _server = echo(&place);
    let proxy = Proxy::start(&Doc::tcp(&[place.address])).await;
    let mut all = Vec::new();
    for _ in 0..5 {
        let mut raw = Raw::connect(proxy.address()).await;
        raw.say("x\n").await;
        raw.until("x\n").await;
        all.push(raw);
    }
    assert_eq!(proxy.backend("a").await["active"], 5);
    drop(all);
    eventually("none is left", async || proxy.backend("a").await["active"] == 0).await;
}

#[tokio::test]
async fn those_that_connect_again_and_again_are_named() {
    let place = Place::new();
    let _server = echo(&place);
    let proxy = Proxy::start(&Doc::tcp(&[place.address]).listener("proxy_protocol: true")).await;
    for (client, times) in [("10.0.0.7", 5), ("10.0.0.9", 2)] {
        for _ in 0..times {
            let mut raw = Raw::connect(proxy.address()).await;
            raw.say(format!("PROXY TCP4 {client} 10.0.0.1 4711 5432\r\nhello\n"))
                .await;
            assert_eq!(raw.until("\n").await, "hello\n");
        }
    }
    let status = proxy.show("/api/v1/status").await;
    let expected = serde_json::json!([
        {"address": "10.0.0.7", "connections": 5},
        {"address": "10.0.0.9", "connections": 2},
    ]);
    assert_eq!(status["listeners"][0]["busiest_clients"], expected);
    let name = "chaosproxy_client_connections_total";
    assert_eq!(proxy.metric(name, &["public", "10.0.0.7"]).await, 5.0);
}
