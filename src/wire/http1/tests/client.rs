//! The side that asks.

use http::{Method, StatusCode};

use super::*;

fn head(method: Method, target: &str) -> http::request::Parts {
    Request::builder()
        .method(method)
        .uri(target)
        .header("host", "a")
        .body(())
        .unwrap()
        .into_parts()
        .0
}

async fn get(connection: Connection<DuplexStream>) -> Result<Answer<DuplexStream>, SendError<Full<Bytes>>> {
    connection
        .send(&head(Method::GET, "/"), Full::default(), |_, _| ())
        .await
}

fn response(answer: Answer<DuplexStream>) -> Response<Incoming> {
    match answer {
        Answer::Response(response) => response,
        Answer::Tunnel(..) => panic!("a tunnel"),
    }
}

/// What a backend's bytes make of a GET: status, body, and whether the connection came home.
async fn asked(backend: &str) -> Result<(u16, String, bool), String> {
    let (connection, mut far, home) = upstream();
    far.write_all(backend.as_bytes()).await.unwrap();
    if !backend.ends_with("...") {
        far.shutdown().await.unwrap();
    }
    let answer = get(connection)
        .await
        .map_err(|error| format!("{:?}: {error}", error.stage))?;
    let (parts, body) = response(answer).into_parts();
    let body = text(body).await.map_err(|error| format!("body: {error}"))?;
    let at_home = home.borrow().len() == 1;
    Ok((parts.status.as_u16(), body, at_home))
}

#[tokio::test]
async fn answers_are_read_and_the_connection_comes_home() {
    let check = async |backend: &str, status: u16, body: &str, at_home: bool| {
        assert_eq!(
            asked(backend).await,
            Ok((status, body.to_owned(), at_home)),
            "{backend:?}"
        );
    };
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        200,
        "abc",
        true,
    )
    .await;
    check("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", true).await;
    check("HTTP/1.1 204 No Content\r\n\r\n", 204, "", true).await;
    check(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        200,
        "abc",
        true,
    )
    .await;
    check("HTTP/1.1 200 OK\r\n\r\nabc", 200, "abc", false).await;
    check(
        "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        200,
        "abc",
        false,
    )
    .await;
    check(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
        200,
        "abc",
        false,
    )
    .await;
    // Bytes that nobody asked for would be taken for the next answer.
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n",
        200,
        "abc",
        false,
    )
    .await;
    check(
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        200,
        "",
        true,
    )
    .await;
}

#[tokio::test]
async fn failures_say_how_far_the_request_got() {
    let check = async |backend: &str, error: &str| {
        assert_eq!(asked(backend).await, Err(error.to_owned()), "{backend:?}");
    };
    let eof = "the connection was closed before the message ended";
    check("", &format!("Unanswered: {eof}")).await;
    check("HTTP/1.1 200", &format!("Answering: {eof}")).await;
    check("garbage", "Answering: the first line is malformed").await;
    check(
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "Answering: the status is malformed or unexpected",
    )
    .await;
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        &format!("body: {eof}"),
    )
    .await;
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(&format!("{chunked}3\r\nab"), &format!("body: {eof}")).await;
    check(
        &format!("{chunked}x\r\n"),
        "body: a chunk's size line is malformed",
    )
    .await;
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(65);
    check(&hints, "Answering: the status is malformed or unexpected").await;
}

#[tokio::test]
async fn a_dead_connection_is_known_before_it_is_used() {
    let (connection, far, _) = upstream();
    assert!(connection.is_alive());
    drop(far);
    assert!(!connection.is_alive());
    let error = get(connection).await.unwrap_err();
    assert!(error.stage == Stage::Unsent && error.body.is_some());
    let (connection, mut far, _) = upstream();
    far.write_all(b"HTTP/1.1 408 Late\r\n\r\n").await.unwrap();
    assert!(!connection.is_alive());
    assert_eq!(get(connection).await.unwrap_err().stage, Stage::Unsent);
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let (connection, mut far, home) = upstream();
    let backend = async {
        for _ in 0..3 {
            read_until(&mut far, "\r\n\r\n").await;
            far.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .await
                .unwrap();
        }
        far
    };
    let client = async {
        let mut connection = Some(connection);
        for uses in 1..=3 {
            let answer = get(connection.take().unwrap()).await.unwrap();
            assert_eq!(text(response(answer).into_body()).await.unwrap(), "ok");
            connection = home.borrow_mut().pop();
            assert_eq!(connection.as_ref().unwrap().uses(), uses);
        }
    };
    tokio::join!(backend, client);
}

#[tokio::test]
async fn an_early_answer_does_not_stop_the_request() {
    let (connection, mut far, home) = upstream();
    let large = "x".repeat(50_000);
    let backend = async {
        read_until(&mut far, "\r\n\r\n").await;
        far.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await
            .unwrap();
        let body = read_until(&mut far, "0\r\n\r\n").await;
        far.write_all(b"2\r\nok\r\n0\r\n\r\n").await.unwrap();
        (body, far)
    };
    let client = async {
        let body = Frames::of(&[&large, &large, &large]);
        let parts = head(Method::POST, "/");
        let body = BodyExt::map_err(body, std::io::Error::other);
        let answer = connection.send(&parts, body, |_, _| ()).await.unwrap();
        text(response(answer).into_body()).await.unwrap()
    };
    let ((body, _far), answer) = tokio::join!(backend, client);
    assert_eq!(body.matches('x').count(), 150_000);
    assert_eq!((answer.as_str(), home.borrow().len()), ("ok", 1));
}

#[tokio::test]
async fn only_a_body_that_nobody_has_read_can_be_sent_again() {
    let mut body = Incoming::from(Bytes::from_static(b"hi"));
    assert_eq!(body.buffered().as_deref(), Some(&b"hi"[..]));
    assert!(body.frame().await.is_some());
    assert!(body.buffered().is_none() && body.is_end_stream());
    assert_eq!(Incoming::empty().buffered(), Some(Bytes::new()));
}

#[tokio::test]
async fn a_backend_that_answers_and_stops_reading_is_heard() {
    let (connection, mut far, home) = upstream();
    far.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        .await
        .unwrap();
    drop(far);
    let large = "x".repeat(100_000);
    let body = BodyExt::map_err(Frames::of(&[&large]), std::io::Error::other);
    let answer = response(
        connection
            .send(&head(Method::POST, "/"), body, |_, _| ())
            .await
            .unwrap(),
    );
    assert_eq!(answer.status(), 413);
    assert_eq!(text(answer.into_body()).await.unwrap(), "no");
    assert!(home.borrow().is_empty());
}

#[tokio::test]
async fn an_answer_dropped_before_its_end_closes_the_connection() {
    let (connection, mut far, home) = upstream();
    far.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        .await
        .unwrap();
    drop(response(get(connection).await.unwrap()));
    read_until(&mut far, "\r\n\r\n").await;
    assert!(far.read_u8().await.is_err());
    assert!(home.borrow().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_body_waits_for_the_word_of_the_backend() {
    let expecting = || {
        let mut parts = head(Method::POST, "/");
        parts
            .headers
            .insert("expect", HeaderValue::from_static("100-continue"));
        parts
    };
    let (connection, mut far, _) = upstream();
    let mut heard = Vec::new();
    let backend = async {
        assert!(
            read_until(&mut far, "\r\n\r\n")
                .await
                .contains("content-length: 2")
        );
        far.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        assert_eq!(read_until(&mut far, "hi").await, "hi");
        far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        far
    };
    let parts = expecting();
    let client = connection.send(&parts, Full::<Bytes>::from("hi"), |status, _| heard.push(status));
    let (_far, answer) = tokio::join!(backend, client);
    assert!(answer.is_ok());
    assert_eq!(heard, [StatusCode::CONTINUE]);

    // A final answer instead: the body is never sent, and the connection, which is in doubt, not used again.
    let (connection, mut far, home) = upstream();
    far.write_all(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    let answer = connection
        .send(&expecting(), Full::<Bytes>::from("hi"), |_, _| ())
        .await
        .unwrap();
    assert_eq!(response(answer).status(), 417);
    assert!(read_until(&mut far, "hi").await.ends_with("\r\n\r\n"));
    assert!(home.borrow().is_empty());

    // Silence: the body goes out after a while.
    let (connection, mut far, _) = upstream();
    let backend = async {
        read_until(&mut far, "hi").await;
        far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        far
    };
    let parts = expecting();
    let (_far, answer) = tokio::join!(
        backend,
        connection.send(&parts, Full::<Bytes>::from("hi"), |_, _| ())
    );
    assert!(answer.is_ok());
}

#[tokio::test]
async fn an_upgrade_gives_the_stream_with_what_came_early() {
    let (connection, mut far, _) = upstream();
    far.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nearly")
        .await
        .unwrap();
    let mut parts = head(Method::GET, "/");
    parts.headers.insert("upgrade", HeaderValue::from_static("x"));
    let answer = connection
        .send(&parts, Full::<Bytes>::default(), |_, _| ())
        .await
        .unwrap();
    let Answer::Tunnel(head, _, early) = answer else {
        panic!("no tunnel")
    };
    assert_eq!((head.status().as_u16(), &early[..]), (101, &b"early"[..]));
}

#[tokio::test]
async fn a_request_body_that_fails_or_is_short_ends_the_exchange() {
    let (connection, _far, _) = upstream();
    let body = BodyExt::map_err(Frames::of(&["a"]).failing(), std::io::Error::other);
    let error = connection
        .send(&head(Method::POST, "/"), body, |_, _| ())
        .await
        .unwrap_err();
    assert!(
        matches!(error.cause, Error::Body(_)) && error.body.is_none(),
        "{error:?}"
    );
    let (connection, _far, _) = upstream();
    let mut parts = head(Method::POST, "/");
    parts
        .headers
        .insert("content-length", HeaderValue::from_static("2"));
    let body = BodyExt::map_err(Frames::of(&["a"]), std::io::Error::other);
    let error = connection.send(&parts, body, |_, _| ()).await.unwrap_err();
    assert!(matches!(error.cause, Error::Length));
}

#[tokio::test]
async fn head_and_first_piece_go_out_in_one_write() {
    let io = tokio_test_io();
    let (near, far) = io;
    let home: GiveBack<_> = Rc::new(|_| ());
    let connection = Connection::new(near, &Asking::default(), home);
    let parts = head(Method::POST, "/");
    let mut sending =
        std::pin::pin!(connection.send(&parts, Full::<Bytes>::from("x".repeat(9000)), |_, _| ()));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(sending.as_mut().poll(&mut cx).is_pending());
    assert_eq!(far.borrow().len(), 1, "writes");
}

/// A stream that never answers and counts writes.
fn tokio_test_io() -> (Counting, Rc<RefCell<Vec<usize>>>) {
    let writes = Rc::new(RefCell::new(Vec::new()));
    (Counting(Rc::clone(&writes)), writes)
}

struct Counting(Rc<RefCell<Vec<usize>>>);

impl tokio::io::AsyncRead for Counting {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Poll::Pending
    }
}

impl tokio::io::AsyncWrite for Counting {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.0.borrow_mut().push(bytes.len());
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let n = slices.iter().map(|slice| slice.len()).sum();
        self.0.borrow_mut().push(n);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
