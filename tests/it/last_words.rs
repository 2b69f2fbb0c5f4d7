//! What a server has said before its connection fails reaches its client, also where faults of bytes still hold it.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::kit::{
    Doc, Place, Proxy, Raw,
    origin::Server,
    raw::{End, reset},
};

/// How long the faults hold what they shape.
const HOLD: Duration = Duration::from_millis(600);

const SLOW: &str = "do: {latency: {add: 600ms, at: chunk}}";

const ANSWER: &str = "$5\r\nhello\r\n";

/// A server that answers whatever it is asked by this, and ends so.
fn server<F: Future<Output = ()> + Send + 'static>(
    says: &'static str,
    end: impl Fn(TcpStream) -> F + Send + Sync + Copy + 'static,
) -> (Place, Server) {
    let place = Place::new();
    let serving = place.serve(move |stream| async move {
        let mut raw = Raw::over(stream);
        raw.until("\r\n").await;
        raw.say(says).await;
        end(raw.into_stream()).await;
    });
    (place, serving)
}

async fn slow(doc: &Doc) -> Proxy {
    let proxy = Proxy::start(doc).await;
    proxy.inject("slow", SLOW).await;
    proxy
}

#[tokio::test]
async fn the_answer_of_a_database_comes_before_its_reset() {
    let (place, _serving) = server(ANSWER, reset);
    let proxy = slow(&Doc::redis(&[place.address])).await;
    let mut client = Raw::connect(proxy.address()).await;
    let begun = Instant::now();
    client.say("GET a\r\n").await;
    assert_eq!(client.rest().await, (ANSWER.to_owned(), End::Reset));
    assert!(begun.elapsed() >= HOLD);
}

#[tokio::test]
async fn the_answer_of_a_database_comes_to_a_client_that_writes_on() {
    let (place, _serving) = server(ANSWER, async |_| {});
    let proxy = slow(&Doc::redis(&[place.address])).await;
    let mut client = Raw::connect(proxy.address()).await;
    client.say("GET a\r\n").await;
    // The server says that it has gone to the first of them, and the next finds nobody.
    for _ in 0..3 {
        tokio::time::sleep(HOLD / 6).await;
        client.say("GET b\r\n").await;
    }
    assert_eq!(client.rest().await, (ANSWER.to_owned(), End::Closed));
}

#[tokio::test]
async fn as_much_of_a_body_as_came_comes_before_its_end() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of it";
    let (place, _serving) = server(half, async |_| {});
    let proxy = slow(&Doc::http(&[place.address])).await;
    let mut client = Raw::connect(proxy.address()).await;
    let begun = Instant::now();
    client.say("GET / HTTP/1.1\r\nhost: shop\r\n\r\n").await;
    client.head().await;
    assert_eq!(client.rest().await.0, "a\r\nhalf of it\r\n");
    assert!(begun.elapsed() >= HOLD);
    assert_eq!(proxy.access(1).await[0]["status"], 200);
}
