//! However the bytes come, the messages are the same.

use proptest::prelude::*;

use super::*;

/// Runs a future that only needs memory.
fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Cuts bytes at these places.
fn pieces(bytes: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len().max(1))).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2)
        .map(|w| bytes[w[0]..w[1]].to_vec())
        .filter(|piece| !piece.is_empty())
        .collect()
}

async fn trickle(io: &mut DuplexStream, pieces: Vec<Vec<u8>>) {
    for piece in pieces {
        io.write_all(&piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    io.shutdown().await.unwrap();
}

const REQUESTS: &str = "\r\nGET /1 HTTP/1.1\r\nHost: a\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaa\r\n\r\n\
    POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
    POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nt: 1\r\nu: 2\r\n\r\n\
    GET http://b/4 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n\
    GET /5 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";

const RESPONSES: [&str; 4] = [
    "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nt: 1\r\n\r\n",
    "HTTP/1.0 404 No\r\n\r\nuntil the end",
    "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
];

async fn served(pieces: Vec<Vec<u8>>) -> String {
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let how = patient();
    let server = serve(near, &how, Rc::new(Handle::new()), echo);
    let client = async {
        trickle(&mut far, pieces).await;
        let mut got = String::new();
        far.read_to_string(&mut got).await.unwrap();
        got
    };
    // The stream is dropped with what was served, so that the client sees its end.
    let server = async { drop(server.await) };
    tokio::join!(server, client).1
}

async fn asked(pieces: Vec<Vec<u8>>) -> String {
    let (connection, mut far, home) = upstream();
    let parts = Request::get("/")
        .header("host", "a")
        .body(())
        .unwrap()
        .into_parts()
        .0;
    let mut interims = 0;
    let client = async {
        let answer = connection
            .send(&parts, Full::<Bytes>::default(), |_, _| interims += 1)
            .await;
        let Ok(Answer::Response(response)) = answer else {
            panic!("{answer:?}")
        };
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap();
        let trailers = body.trailers().cloned();
        format!(
            "{} {:?} {:?} {trailers:?}",
            parts.status,
            parts.headers,
            body.to_bytes()
        )
    };
    let (read, ()) = tokio::join!(client, trickle(&mut far, pieces));
    format!("{read} {interims} {}", home.borrow().len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn requests(cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20)) {
        let whole = block_on(served(vec![REQUESTS.as_bytes().to_vec()]));
        prop_assert_eq!(whole.matches("HTTP/1.1 200").count(), 4, "{}", whole);
        prop_assert_eq!(whole.matches("HTTP/1.1 400").count(), 1, "{}", whole);
        prop_assert_eq!(block_on(served(pieces(REQUESTS.as_bytes(), &cuts))), whole);
    }

    #[test]
    fn responses(which in 0..4_usize, cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10)) {
        let bytes = RESPONSES[which].as_bytes();
        prop_assert_eq!(block_on(asked(pieces(bytes, &cuts))), block_on(asked(vec![bytes.to_vec()])));
    }

    #[test]
    fn bodies_pass_whole(sizes in prop::collection::vec(0..30_000_usize, 0..5), window in 1..5000_usize) {
        block_on(async {
            let (near, far) = tokio::io::duplex(window);
            let how = Serving::default();
            let server = serve(near, &how, Rc::new(Handle::new()), async |request: Request<Incoming>, _: Interim| {
                Reply::<_, ()>::Response(Response::new(request.into_body()))
            });
            let client = async {
                let sent: Vec<_> = sizes.iter().map(|&n| "z".repeat(n)).collect();
                let frames = Frames::of(&sent.iter().map(String::as_str).collect::<Vec<_>>());
                let connection = Connection::new(far, &Asking::default(), Rc::new(|_| ()));
                let parts = Request::post("/").header("host", "a").body(()).unwrap().into_parts().0;
                let body = BodyExt::map_err(frames, std::io::Error::other);
                let answer = connection.send(&parts, body, |_, _| ()).await;
                let Ok(Answer::Response(response)) = answer else { panic!("{answer:?}") };
                assert_eq!(text(response.into_body()).await.unwrap().len(), sizes.iter().sum::<usize>());
            };
            tokio::join!(server, client);
        });
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), start in 0..4_usize) {
        let start = ["", "GET / HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"][start];
        fuzz(&[start.as_bytes(), &bytes].concat());
    }
}
