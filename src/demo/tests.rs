//! The demo as its users meet it: over real sockets, with a relay where the proxy will stand.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

use self::relay::Relay;
use super::*;

mod relay;

/// Waits for something to become true.
pub(super) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < deadline, "never happened: {what}");
        time::sleep(Duration::from_millis(5)).await;
    }
}

/// A demo with relays where the proxy's listeners will be.
struct House {
    demo: Demo,
    stop: CancellationToken,
    shop: Relay,
    orders_db: Relay,
    auth: Relay,
}

impl House {
    async fn open() -> Self {
        Self::of(Cast::default()).await
    }

    async fn of(cast: Cast) -> Self {
        let (shop, orders_db, auth) = (Relay::bind().await, Relay::bind().await, Relay::bind().await);
        let stop = CancellationToken::new();
        let fronts = Fronts {
            shop: shop.address,
            orders_db: orders_db.address,
            auth: auth.address,
        };
        let demo = Demo::start_behind(fronts, cast, 7, stop.clone()).await.unwrap();
        shop.leads_to(demo.addresses.app_source);
        orders_db.leads_to(demo.addresses.database);
        auth.leads_to(demo.addresses.auth_service);
        Self {
            demo,
            stop,
            shop,
            orders_db,
            auth,
        }
    }

    fn apps(&self) -> (SocketAddr, SocketAddr) {
        (self.demo.addresses.app_source, self.demo.addresses.app_replica)
    }
}

async fn ask(at: SocketAddr, method: Method, path: &str, body: Option<Value>) -> Response<Bytes> {
    let stream = TcpStream::connect(at).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "shop")
        .header("content-type", "application/json")
        .body(Full::<Bytes>::from(
            body.map_or(String::new(), |body| body.to_string()),
        ))
        .unwrap();
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

async fn get(at: SocketAddr, path: &str) -> Response<Bytes> {
    ask(at, Method::GET, path, None).await
}

async fn order(at: SocketAddr, item: &str) -> Response<Bytes> {
    let body = json!({"item": item, "quantity": 2});
    ask(at, Method::POST, "/orders", Some(body)).await
}

fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn the_source_takes_orders_and_the_replica_shows_them() {
    let house = House::open().await;
    let (app_source, app_replica) = house.apps();
    let made = order(app_source, "tea").await;
    assert_eq!(made.status(), StatusCode::CREATED);
    assert_eq!(made.headers()["x-app"], "app-source");
    assert!(made.headers().contains_key("x-version"));
    let place = made.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(json(&made)["item"], "tea");

    assert_eq!(json(&get(app_source, &place).await), json(&made));
    eventually("the order is on the replica", async || {
        let shown = get(app_replica, &place).await;
        shown.headers()["x-app"] == "app-replica" && shown.status() == 200 && json(&shown) == json(&made)
    })
    .await;
    let list = json(&get(app_replica, "/orders").await);
    assert_eq!(list.as_array().map(Vec::len), Some(20), "{list}");
    assert_eq!(list[0]["item"], "tea", "the newest comes first");
}

#[tokio::test]
async fn what_the_shop_does_not_do_it_says() {
    let house = House::open().await;
    let (app_source, app_replica) = house.apps();
    let check = async |answer: Response<Bytes>, status: u16, says: &str| {
        let error = json(&answer)["error"].to_string();
        assert_eq!(answer.status(), status, "{error}");
        assert!(error.contains(says), "{error}");
    };
    check(order(app_replica, "tea").await, 405, "replica").await;
    check(order(app_source, "").await, 422, "item").await;
    check(get(app_source, "/orders/999999").await, 404, "no such order").await;
    check(get(app_source, "/orders/first").await, 404, "no such order").await;
    check(get(app_source, "/elsewhere").await, 404, "no such page").await;
    check(
        ask(app_source, Method::DELETE, "/orders/1", None).await,
        405,
        "method",
    )
    .await;
    check(
        ask(app_source, Method::POST, "/orders", Some(json!({"item": 3}))).await,
        422,
        "item",
    )
    .await;
    let page = get(app_source, "/").await;
    assert!(String::from_utf8_lossy(page.body()).contains("app-source"));
}

#[tokio::test]
async fn a_cut_way_to_the_database_breaks_the_source_and_nothing_else_until_it_is_mended() {
    let house = House::open().await;
    let (app_source, app_replica) = house.apps();
    assert_eq!(
        order(app_source, "tea").await.status(),
        201,
        "a connection stands now"
    );

    house.orders_db.cut();
    for _ in 0..10 {
        let write = order(app_source, "tea").await;
        assert_eq!(write.status(), 500);
        assert_eq!(json(&write)["error"], "the database cannot be reached");
        assert_eq!(get(app_source, "/orders/1").await.status(), 500);
        assert_eq!(get(app_replica, "/orders/1").await.status(), 200);
        assert_eq!(get(app_source, "/healthz").await.status(), 200);
    }

    house.orders_db.leads_to(house.demo.addresses.database);
    assert_eq!(order(app_source, "tea").await.status(), 201);
    assert_eq!(get(app_source, "/orders/1").await.status(), 200);
}

#[tokio::test]
async fn visitors_come_at_their_rate_and_feel_a_cut() {
    let house = House::open().await;
    let tally = house.demo.visit();
    // Looked at from time to time: this machine may be busy for a while.
    let (mut from, mut start) = (tally.snapshot(), Instant::now());
    eventually("visitors come at their rate", async || {
        let seen = tally.snapshot().since(&from);
        if seen.write.ok < 15 {
            return false;
        }
        assert_eq!((seen.read.failures(), seen.write.failures()), (0, 0));
        let comes = |sent: u64, per_second: f64| {
            let rate = sent as f64 / start.elapsed().as_secs_f64();
            (0.7..1.3).contains(&(rate / per_second))
        };
        let fits = comes(seen.read.sent, 40.0) && comes(seen.write.sent, 10.0);
        (from, start) = (tally.snapshot(), Instant::now());
        fits
    })
    .await;
    assert!(tally.snapshot().read.latency(0.5).unwrap() < Duration::from_secs(1));

    house.orders_db.cut();
    let before = tally.snapshot();
    eventually("visitors have failed", async || {
        tally.snapshot().since(&before).write.failures() >= 3
    })
    .await;
    let failed = tally.snapshot().since(&before).write.failed;
    assert!(failed.contains_key(&Failure::Status(500)), "{failed:?}");
}

#[tokio::test]
async fn a_way_to_the_auth_service_that_hangs_takes_every_thread_and_gives_them_back_when_it_is_mended() {
    let house = House::of(Cast {
        auth: true,
        ..Cast::default()
    })
    .await;
    let (app_source, app_replica) = house.apps();
    assert_eq!(get(app_replica, "/orders").await.status(), 200);

    house.auth.hang();
    // More than there are threads; each visitor is answered all the same.
    let asked: Vec<_> = (0..80)
        .map(|_| tokio::spawn(async move { get(app_replica, "/orders").await }))
        .collect();
    for answer in asked {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 500);
        assert!(json(&answer)["error"].to_string().contains("serving thread"));
    }
    assert_eq!(get(app_replica, "/healthz").await.status(), 200);

    house.auth.leads_to(house.demo.addresses.auth_service);
    assert_eq!(get(app_source, "/orders").await.status(), 200);
    eventually("the threads are back", async || {
        get(app_replica, "/orders").await.status() == 200
    })
    .await;
}

#[tokio::test]
async fn an_auth_service_that_cannot_be_reached_is_told() {
    let house = House::of(Cast {
        auth: true,
        ..Cast::default()
    })
    .await;
    house.auth.cut();
    let (app_source, _) = house.apps();
    let answer = get(app_source, "/orders").await;
    assert_eq!(answer.status(), 500);
    assert!(json(&answer)["error"].to_string().contains("auth service"));
}

#[tokio::test]
async fn monitoring_raises_an_alert_waits_for_ever_and_can_be_switched_off() {
    let house = House::of(Cast {
        auth: true,
        ..Cast::default()
    })
    .await;
    let monitor = house.demo.monitor().unwrap();
    house.orders_db.cut();
    assert!(monitor.alert().await);
    monitor.switch_off();
    eventually("it raises nothing any more", async || monitor.is_off()).await;
    assert!(House::open().await.demo.monitor().is_none());
}

#[tokio::test]
async fn everything_ends_when_it_is_told_to() {
    let house = House::open().await;
    let tally = house.demo.visit();
    eventually("visitors came", async || tally.snapshot().read.ok > 0).await;
    house.stop.cancel();
    time::timeout(Duration::from_secs(5), house.demo.ended())
        .await
        .expect("all tasks end");
    let Addresses {
        app_source,
        app_replica,
        database,
        replica,
        ..
    } = house.demo.addresses;
    for address in [app_source, app_replica, database, replica] {
        assert!(TcpStream::connect(address).await.is_err(), "{address}");
    }
}

#[tokio::test]
async fn visitors_find_nobody_and_say_so() {
    let house = House::open().await;
    house.shop.cut();
    let tally = house.demo.visit();
    eventually("readers failed", async || tally.snapshot().read.failures() > 3).await;
    let read = tally.snapshot().read;
    assert_eq!(read.ok_ratio(), Some(0.0));
    assert_eq!(read.latency(0.5), None, "no answer, no latency");
}

#[test]
fn a_port_that_is_taken_is_passed_over() {
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let passed_over_for = free_port(port).unwrap().local_addr().unwrap().port();
    assert_ne!(passed_over_for, port);
}

#[tokio::test]
async fn the_document_names_every_address_that_the_proxy_needs() {
    let cast = Cast {
        standby: true,
        ..Cast::default()
    };
    let demo = Demo::start(7, cast, CancellationToken::new()).await.unwrap();
    let document = demo.document();
    let at = &demo.addresses;
    for address in [
        at.shop,
        at.orders_db,
        at.auth,
        at.app_source,
        at.app_replica,
        at.standby,
        at.database,
        at.auth_service,
    ] {
        assert!(document.contains(&address.to_string()), "{address} in {document}");
    }
    let placeholder = [
        "SHOP",
        "ORDERS_DB",
        "AUTH",
        "APP_SOURCE",
        "APP_REPLICA",
        "STANDBY",
        "DATABASE",
    ]
    .into_iter()
    .find(|name| document.contains(name));
    assert_eq!(placeholder, None, "{document}");
}
