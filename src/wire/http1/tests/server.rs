//! The side that is asked.

use std::future::pending;

use http::StatusCode;

use super::*;

const OK: &str = "HTTP/1.1 200 OK\r\n";

fn answer(body: &str) -> String {
    format!("{OK}content-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let sent = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\
                POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
                POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\nt: v\r\n\r\n\
                \r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n";
    let (got, end) = talk(patient(), sent.as_bytes(), echo).await;
    let expected = [
        answer("GET /1 [] 0"),
        answer("POST /2 [abc] 0"),
        answer("POST /3 [def] 1"),
        answer("GET /4 [] 0"),
    ];
    assert_eq!(got, expected.concat());
    assert!(matches!(end, End::Closed), "{end:?}");
}

#[tokio::test]
async fn close_is_answered_and_honoured() {
    let sent = "GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
    let (got, _) = talk(patient(), sent.as_bytes(), echo).await;
    assert_eq!(
        got,
        format!("{OK}content-length: 11\r\nconnection: close\r\n\r\nGET /1 [] 0")
    );
}

#[tokio::test]
async fn http_1_0_lives_on_only_where_it_asks() {
    let (got, _) = talk(patient(), b"GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n", echo).await;
    assert_eq!(
        got,
        format!("{OK}content-length: 10\r\nconnection: close\r\n\r\nGET / [] 0")
    );
    let sent = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n";
    let (got, _) = talk(patient(), sent, echo).await;
    let kept = format!("{OK}content-length: 10\r\nconnection: keep-alive\r\n\r\nGET / [] 0");
    assert_eq!(
        got,
        format!("{kept}{OK}content-length: 10\r\nconnection: close\r\n\r\nGET / [] 0")
    );
}

#[tokio::test]
async fn flawed_requests_are_answered_and_end_the_connection() {
    let check = async |sent: &str, status: u16, flaw: Flaw| {
        let (got, end) = talk(patient(), sent.as_bytes(), echo).await;
        assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{flaw:?}: {got}");
        assert!(got.contains("\r\nconnection: close\r\n"), "{got}");
        assert!(
            matches!(end, End::Refused(found) if found == flaw),
            "{flaw:?}: {end:?}"
        );
    };
    check("nonsense\r\n\r\n", 400, Flaw::FirstLine).await;
    check("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, Flaw::Host).await;
    check("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, Flaw::Version).await;
    check("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501, Flaw::Connect).await;
    check(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        501,
        Flaw::TransferCoding,
    )
    .await;
    check(
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n",
        417,
        Flaw::Expectation,
    )
    .await;
    check(
        &format!("GET /{} HTTP/1.1\r\n", "a".repeat(17_000)),
        414,
        Flaw::TargetTooLong,
    )
    .await;
    check(
        &format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(130)),
        431,
        Flaw::HeadTooLarge,
    )
    .await;
}

#[tokio::test]
async fn a_body_with_a_flaw_fails_at_its_reader_and_ends_the_connection() {
    let sent = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\nGET / HTTP/1.1\r\n";
    let (got, _) = talk(
        patient(),
        sent.as_bytes(),
        async |request: Request<Incoming>, _| {
            let error = request.into_body().collect().await.err().unwrap();
            Reply::<_, ()>::Response(Response::new(Full::<Bytes>::from(error.to_string())))
        },
    )
    .await;
    let body = "a chunk is longer than its size";
    assert_eq!(
        got,
        format!("{OK}content-length: 31\r\nconnection: close\r\n\r\n{body}")
    );
}

#[tokio::test]
async fn a_body_cut_in_the_middle_is_an_error() {
    for sent in [
        "Content-Length: 9\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nab",
    ] {
        let sent = format!("POST / HTTP/1.1\r\nHost: a\r\n{sent}");
        let (got, end) = talk(patient(), sent.as_bytes(), echo).await;
        assert_eq!(got, "");
        assert!(matches!(end, End::Abort(())), "{end:?}");
    }
}

#[tokio::test]
async fn the_client_is_told_to_go_on_when_its_body_is_wanted() {
    let (near, mut far) = tokio::io::duplex(1024);
    let how = Serving::default();
    let server = serve(near, &how, Rc::new(Handle::new()), echo);
    let client = async {
        far.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(
            read_until(&mut far, "\r\n\r\n").await,
            "HTTP/1.1 100 Continue\r\n\r\n"
        );
        far.write_all(b"hi").await.unwrap();
        assert_eq!(read_until(&mut far, "[hi] 0").await, answer("POST / [hi] 0"));
        drop(far);
    };
    tokio::join!(server, client);
}

#[tokio::test]
async fn a_body_that_nobody_wanted_is_never_asked_for() {
    let sent = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    let (got, _) = talk(patient(), sent, async |_, _| {
        Reply::<_, ()>::Response(
            Response::builder()
                .status(403)
                .body(Full::<Bytes>::default())
                .unwrap(),
        )
    })
    .await;
    assert_eq!(
        got,
        "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
}

#[tokio::test]
async fn interim_answers_come_first() {
    let service = async |_, interim: Interim| {
        let link = HeaderMap::from_iter([(http::header::LINK, HeaderValue::from_static("</a>"))]);
        assert!(interim.send(StatusCode::EARLY_HINTS, &link));
        assert!(
            !interim.send(StatusCode::CONTINUE, &HeaderMap::new()),
            "nobody waits for it"
        );
        assert!(
            !interim.send(StatusCode::OK, &HeaderMap::new()),
            "no interim status"
        );
        tokio::task::yield_now().await;
        Reply::<_, ()>::Response(Response::new(Full::<Bytes>::default()))
    };
    let (got, _) = talk(patient(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", service).await;
    assert_eq!(
        got,
        format!("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n{OK}content-length: 0\r\n\r\n")
    );
}

#[tokio::test]
async fn an_unread_body_is_thrown_away_up_to_its_limit() {
    let ignore = async |request: Request<Incoming>, _: Interim| {
        Reply::<_, ()>::Response(Response::new(Full::<Bytes>::from(request.uri().to_string())))
    };
    let body = "x".repeat(20_000);
    let sent = format!(
        "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n{body}GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
    );
    let (got, _) = talk(patient(), sent.as_bytes(), ignore).await;
    assert_eq!(got, answer("/1") + &answer("/2"));
    let strict = Serving {
        unread: 1000,
        ..patient()
    };
    let (got, end) = talk(strict, sent.as_bytes(), ignore).await;
    assert_eq!(got, answer("/1"));
    assert!(matches!(end, End::Closed));
}

#[tokio::test]
async fn an_upgrade_hands_the_stream_over_with_what_came_early() {
    let (near, mut far) = tokio::io::duplex(1024);
    let sent = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nearly";
    far.write_all(sent).await.unwrap();
    let served = serve(
        near,
        &Serving::default(),
        Rc::new(Handle::new()),
        async |_: Ask, _| {
            let head = Response::builder()
                .status(101)
                .header("connection", "upgrade")
                .header("upgrade", "x");
            Reply::<Full<Bytes>, _>::Tunnel(head.body(()).unwrap(), "then")
        },
    )
    .await;
    assert!(
        matches!(&served.end, End::Tunnel("then", early) if early == "early"),
        "{:?}",
        served.end
    );
    let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    assert_eq!(read_until(&mut far, "\r\n\r\n").await, head);
    let mut io = served.io;
    io.write_all(b"late").await.unwrap();
    assert_eq!(read_until(&mut far, "late").await, "late");
}

#[tokio::test]
async fn a_failing_body_is_cut_after_what_it_gave() {
    let (got, end) = talk(patient(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", async |_, _| {
        Reply::<_, ()>::Response(Response::new(Frames::of(&["abc"]).failing()))
    })
    .await;
    assert_eq!(got, format!("{OK}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"));
    assert!(matches!(end, End::Cut));
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_exchange() {
    let (near, mut far) = tokio::io::duplex(1024);
    far.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let handle = Rc::new(Handle::new());
    let how = Serving::default();
    let server = serve(near, &how, Rc::clone(&handle), async |_: Ask, _| {
        pending::<Reply<Full<Bytes>, ()>>().await
    });
    let client = async {
        while handle.phase() != Phase::Exchange {
            tokio::task::yield_now().await;
        }
        drop(far);
    };
    let (served, ()) = tokio::join!(server, client);
    assert!(
        matches!(served.end, End::Gone(Phase::Exchange, None)),
        "{:?}",
        served.end
    );
}

/// Serves while `owner` looks at the handle.
async fn watched(sent: &str, wait_for: Phase, order: impl FnOnce(&Handle)) -> (String, End<()>) {
    let (near, mut far) = tokio::io::duplex(1024);
    far.write_all(sent.as_bytes()).await.unwrap();
    let (handle, how) = (Rc::new(Handle::new()), Serving::default());
    let server = async {
        let service = async |_: Ask, _| {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            Reply::<Full<Bytes>, ()>::Response(Response::new(Full::default()))
        };
        serve(near, &how, Rc::clone(&handle), service).await.end
    };
    let owner = async {
        tokio::task::yield_now().await;
        while handle.phase() != wait_for {
            tokio::task::yield_now().await;
        }
        order(&handle);
        let mut got = String::new();
        far.read_to_string(&mut got).await.unwrap();
        got
    };
    let (end, got) = tokio::join!(server, owner);
    (got, end)
}

#[tokio::test]
async fn the_owner_ends_a_connection_in_any_phase() {
    let (got, end) = watched("", Phase::Idle, Handle::drain).await;
    assert_eq!(got, "");
    assert!(matches!(end, End::Closed));
    let (got, end) = watched("", Phase::Idle, Handle::expire).await;
    assert_eq!(got, "");
    assert!(matches!(end, End::Expired(Phase::Idle)));
    let (got, end) = watched("GET / HT", Phase::Head, Handle::expire).await;
    assert!(got.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{got}");
    assert!(matches!(end, End::Expired(Phase::Head)));
    let whole = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let (got, end) = watched(whole, Phase::Exchange, Handle::drain).await;
    assert_eq!(got, format!("{OK}content-length: 0\r\nconnection: close\r\n\r\n"));
    assert!(matches!(end, End::Closed));
    let (got, end) = watched(whole, Phase::Exchange, Handle::expire).await;
    assert_eq!(got, "");
    assert!(matches!(end, End::Expired(Phase::Exchange)));
}

#[tokio::test]
async fn trailers_go_to_those_who_want_them() {
    let service =
        async |_, _| Reply::<_, ()>::Response(Response::new(Frames::of(&["a"]).trailer("grpc-status", "0")));
    let head = format!("{OK}transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n");
    let (got, _) = talk(
        patient(),
        b"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n",
        service,
    )
    .await;
    assert_eq!(got, format!("{head}grpc-status: 0\r\n\r\n"));
    let (got, _) = talk(patient(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", service).await;
    assert_eq!(got, format!("{head}\r\n"));
}

#[tokio::test]
async fn what_is_pipelined_during_an_exchange_waits_its_turn() {
    let (near, mut far) = tokio::io::duplex(1024);
    let how = Serving::default();
    let service = async |request: Request<Incoming>, _: Interim| {
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        Reply::<_, ()>::Response(Response::new(Full::<Bytes>::from(request.uri().to_string())))
    };
    let server = serve(near, &how, Rc::new(Handle::new()), service);
    let client = async {
        for target in ["/1", "/2", "/3"] {
            far.write_all(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
                .await
                .unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(
            read_until(&mut far, "/3").await,
            answer("/1") + &answer("/2") + &answer("/3")
        );
        drop(far);
    };
    let (served, ()) = tokio::join!(server, client);
    assert!(matches!(served.end, End::Closed), "{:?}", served.end);
}

#[tokio::test]
async fn a_body_kept_beyond_its_exchange_is_dead() {
    let kept = RefCell::new(None);
    let sent = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let service = async |request: Request<Incoming>, interim: Interim| {
        let (parts, body) = request.into_parts();
        let mut status = 200;
        match kept.take() {
            None => *kept.borrow_mut() = Some((body, interim)),
            Some((body, interim)) => {
                assert!(matches!(BodyExt::collect(body).await, Err(Error::Over)));
                assert!(!interim.send(StatusCode::EARLY_HINTS, &parts.headers));
                status = 201;
            }
        }
        Reply::<_, ()>::Response(
            Response::builder()
                .status(status)
                .body(Full::<Bytes>::default())
                .unwrap(),
        )
    };
    let (got, _) = talk(patient(), sent.as_bytes(), service).await;
    assert!(
        got.starts_with(OK) && got.contains("HTTP/1.1 201 Created"),
        "{got}"
    );
}
