//! hyper as the other side, and both of ours as a proxy.

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::*;

#[tokio::test]
async fn hyper_asks_us() {
    let (near, far) = tokio::io::duplex(1000);
    let how = Serving::default();
    let server = serve(near, &how, Rc::new(Handle::new()), echo);
    let client = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(far))
            .await
            .unwrap();
        let asks = async {
            for body in ["", "small", &"large".repeat(3000)] {
                let request = Request::post("/x")
                    .header("host", "a")
                    .body(Full::<Bytes>::from(body.to_owned()))
                    .unwrap();
                let response = sender.send_request(request).await.unwrap();
                assert_eq!(
                    text(response.into_body()).await.unwrap(),
                    format!("POST /x [{body}] 0")
                );
            }
            drop(sender);
        };
        tokio::join!(asks, async { connection.await.unwrap() });
    };
    let (served, ()) = tokio::join!(server, client);
    assert!(matches!(served.end, End::Closed), "{:?}", served.end);
}

#[tokio::test]
async fn we_ask_hyper() {
    let (near, far) = tokio::io::duplex(1000);
    let service = service_fn(async |request: Request<hyper::body::Incoming>| {
        let body = request.into_body().collect().await?.to_bytes();
        Ok::<_, hyper::Error>(Response::new(Full::<Bytes>::from(body)))
    });
    let server = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), service);
    let client = async {
        let home = Rc::new(RefCell::new(Vec::new()));
        let to = Rc::clone(&home);
        let give_back: GiveBack<DuplexStream> = Rc::new(move |connection| to.borrow_mut().push(connection));
        give_back(Connection::new(near, &Asking::default(), Rc::clone(&give_back)));
        for pieces in [
            vec![],
            vec!["small"],
            vec!["a", "b", "c"],
            vec![&*"large".repeat(3000)],
        ] {
            let parts = Request::post("/x")
                .header("host", "a")
                .body(())
                .unwrap()
                .into_parts()
                .0;
            let body = BodyExt::map_err(Frames::of(&pieces), std::io::Error::other);
            let connection = home.borrow_mut().pop().expect("the connection came home");
            let Ok(Answer::Response(response)) = connection.send(&parts, body, |_, _| ()).await else {
                panic!()
            };
            assert_eq!(text(response.into_body()).await.unwrap(), pieces.concat());
        }
        home.borrow_mut().clear();
        // The hook holds the pool and the pool nothing: the connection is gone, hyper ends.
    };
    let (served, ()) = tokio::join!(server, client);
    served.unwrap();
}

/// A client of hyper's, our server, our client, a server of hyper's: what a proxy is.
#[tokio::test]
async fn a_proxy_of_both_sides_passes_bodies_on() {
    let (front, client_io) = tokio::io::duplex(700);
    let (near, far) = tokio::io::duplex(500);
    let origin = service_fn(async |request: Request<hyper::body::Incoming>| {
        Ok::<_, hyper::Error>(Response::new(request.into_body()))
    });
    let origin = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), origin);
    let home = Rc::new(RefCell::new(Vec::new()));
    let to = Rc::downgrade(&home);
    let give_back: GiveBack<DuplexStream> = Rc::new(move |connection| {
        if let Some(home) = to.upgrade() {
            home.borrow_mut().push(connection);
        }
    });
    home.borrow_mut()
        .push(Connection::new(near, &Asking::default(), give_back));
    let service = async |request: Request<Incoming>, _: Interim| {
        let (parts, body) = request.into_parts();
        let connection = home.borrow_mut().pop().expect("the connection came home");
        let Ok(Answer::Response(response)) = connection.send(&parts, body, |_, _| ()).await else {
            panic!()
        };
        Reply::<_, ()>::Response(response)
    };
    let how = Serving::default();
    let proxy = async { serve(front, &how, Rc::new(Handle::new()), &service).await.end };
    let client = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(client_io))
            .await
            .unwrap();
        let asks = async {
            for (size, known) in [
                (0, true),
                (10, true),
                (100_000, true),
                (100_000, false),
                (1_000_000, true),
            ] {
                let body = Full::<Bytes>::from("y".repeat(size));
                let body = if known {
                    body.boxed()
                } else {
                    Frames::of(&[&"y".repeat(size)]).map_err(|_| panic!()).boxed()
                };
                let request = Request::post("/").header("host", "a").body(body).unwrap();
                let response = sender.send_request(request).await.unwrap();
                assert_eq!(text(response.into_body()).await.unwrap().len(), size);
            }
            drop(sender);
        };
        tokio::join!(asks, async { connection.await.unwrap() });
        home.borrow_mut().clear();
    };
    let (end, _, ()) = tokio::join!(proxy, origin, client);
    assert!(matches!(end, End::Closed), "{end:?}");
}
