//! A connection as its owner and others see it: cut, closed, sniffed, counted, and served by hyper.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::*;
use crate::net::testing::{connection, listener, secured};

/// hyper's upgrades want `Send`, and a handle goes to whoever lifts a fault.
const fn is_send<T: Send>() {}
const _: () = (
    is_send::<Stream>(),
    is_send::<Reader>(),
    is_send::<Writer>(),
    is_send::<Handle>(),
)
    .0;

#[tokio::test]
async fn a_reset_reaches_the_peer_as_a_reset_and_wakes_the_reader() {
    let (mut client, mut server) = connection().await;
    let handle = server.handle();
    let owner = async move { server.read_u8().await.unwrap_err().kind() };
    let other = async {
        tokio::task::yield_now().await;
        handle.reset();
        client.read_u8().await.unwrap_err().kind()
    };
    let both = (io::ErrorKind::ConnectionReset, io::ErrorKind::ConnectionReset);
    assert_eq!(tokio::join!(owner, other), both);
    assert!(handle.is_cut());
}

#[tokio::test]
async fn a_reset_wakes_a_writer_that_nobody_reads_from() {
    let (client, mut server) = connection().await;
    let handle = server.handle();
    let flood = async move { while server.write_all(&[0; 65536]).await.is_ok() {} };
    let other = async {
        let mut seen = u64::MAX;
        while seen != handle.sent() {
            seen = handle.sent();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        handle.reset();
    };
    tokio::join!(flood, other);
    drop(client);
}

#[tokio::test]
async fn a_reset_works_through_tls_too() {
    let (mut client, mut server) = secured().await;
    client.handle().reset();
    assert_eq!(
        server.read_u8().await.unwrap_err().kind(),
        io::ErrorKind::ConnectionReset
    );
    assert_eq!(
        client.read_u8().await.unwrap_err().kind(),
        io::ErrorKind::ConnectionReset
    );
}

#[tokio::test]
async fn a_close_sends_what_was_written_and_then_the_end() {
    let (mut client, mut server) = connection().await;
    server.write_all(b"last words").await.unwrap();
    server.handle().close();
    let mut heard = String::new();
    client.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "last words");
    assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_close_says_the_end_in_tls_before_the_fin() {
    let (mut client, mut server) = secured().await;
    server.write_all(b"hello").await.unwrap();
    server.flush().await.unwrap();
    let handle = server.handle();
    let (mut reader, _writer) = server.into_split();
    handle.close();
    let mut heard = Vec::new();
    // Without it this is an error: the end was not to be expected.
    client.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"hello");
    assert!(reader.read_u8().await.is_err());
}

#[tokio::test]
async fn a_handle_keeps_no_connection_open() {
    let (mut client, server) = connection().await;
    let handle = server.handle();
    drop(server);
    assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    assert!(!handle.is_open());
    handle.reset();
    assert!(!handle.is_cut(), "there was nothing left to cut");
}

#[tokio::test]
async fn bytes_are_counted_beyond_the_connections_end() {
    let (mut client, mut server) = connection().await;
    let handle = server.handle();
    client.write_all(&[0; 700]).await.unwrap();
    server.read_exact(&mut [0; 700]).await.unwrap();
    server.write_all(&[0; 30]).await.unwrap();
    drop(server);
    assert_eq!((handle.received(), handle.sent()), (700, 30));
}

#[tokio::test]
async fn idle_means_that_nothing_moves_either_way() {
    let (mut client, mut server) = connection().await;
    let handle = server.handle();
    let limit = Duration::from_millis(80);
    let begun = tokio::time::Instant::now();
    let busy = async {
        for _ in 0..20 {
            client.write_u8(1).await.unwrap();
            server.read_u8().await.unwrap();
            tokio::time::sleep(limit / 10).await;
        }
    };
    tokio::select! {
        () = handle.idle(limit) => panic!("idle after {:?} of traffic", begun.elapsed()),
        () = busy => {}
    }
    handle.idle(limit).await;
}

#[tokio::test]
async fn http2_is_told_by_its_preface_however_it_is_cut() {
    async fn check(pieces: &[&[u8]], http2: bool) {
        let (mut client, mut server) = connection().await;
        let sending = async {
            for piece in pieces {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            client.shutdown().await.unwrap();
        };
        let (found, ()) = tokio::join!(server.speaks_http2(), sending);
        assert_eq!(found.unwrap(), http2, "{pieces:?}");
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, pieces.concat());
    }
    check(&[PREFACE, b"frames"], true).await;
    check(&[b"P", b"RI * HTTP", b"/2.0\r\n\r\nSM\r\n\r\n"], true).await;
    check(&[b"POST / HTTP/1.1\r\n\r\n"], false).await;
    check(&[b"PRI * HTTP/1.1\r\n\r\n"], false).await;
    check(&[b"P", b"UT /"], false).await;
    check(&[b"PRI"], false).await;
    check(&[], false).await;
}

#[tokio::test]
async fn bytes_put_back_come_first_in_the_order_they_came() {
    let (mut client, mut server) = connection().await;
    client.write_all(b"three").await.unwrap();
    server.unread(Bytes::from_static(b"two "));
    server.unread(Bytes::from_static(b"one "));
    let mut all = [0; 13];
    server.read_exact(&mut all).await.unwrap();
    assert_eq!(&all, b"one two three");
}

#[tokio::test]
async fn both_ends_know_their_addresses() {
    let (client, server) = connection().await;
    assert_eq!(server.peer(), client.local_addr().unwrap());
    assert_eq!(server.local(), client.peer_addr().ok());
}

#[tokio::test]
async fn an_ipv4_client_of_an_ipv6_listener_has_its_ipv4_address() {
    let Ok(listener) = tokio::net::TcpListener::bind("[::]:0").await else {
        return;
    };
    let port = listener.local_addr().unwrap().port();
    let client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (tcp, peer) = listener.accept().await.unwrap();
    let server = Stream::new(tcp, peer);
    assert_eq!(server.peer(), client.local_addr().unwrap());
    assert_eq!(server.local(), client.peer_addr().ok());
}

#[tokio::test]
async fn hyper_serves_and_asks_over_it() {
    use http_body_util::{BodyExt, Full};
    use hyper::{Request, Response, service::service_fn};

    let listener = listener().await;
    let address = listener.local_addr().unwrap();
    let serve = async {
        let (tcp, peer) = listener.accept().await.unwrap();
        let answer = service_fn(|_| async {
            Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::from("hello")))
        });
        hyper::server::conn::http1::Builder::new()
            .serve_connection(Stream::new(tcp, peer), answer)
            .await
            .unwrap();
    };
    let ask = async {
        let stream = Stream::new(TcpStream::connect(address).await.unwrap(), address);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        let asking = async {
            for _ in 0..3 {
                sender.ready().await.unwrap();
                let answer = sender
                    .send_request(Request::new(Full::<Bytes>::default()))
                    .await
                    .unwrap();
                assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");
            }
            drop(sender);
        };
        tokio::join!(async { connection.await.unwrap() }, asking);
    };
    tokio::join!(serve, ask);
}
