//! Toxiproxy's numbers: who got which bytes, for as long as the process lives.

use std::net::SocketAddr;

use http::Method;
use serde_json::{Value, json};

use crate::kit::{Place, Proxy, Raw, eventually, origin::Server};

/// Where the proxy listens and leads to.
type Way = (SocketAddr, SocketAddr);

/// A process in the place of toxiproxy-server, whose proxy `redis` is changed under its numbers.
struct Numbers(Proxy);

impl Numbers {
    async fn start() -> Self {
        Self(Proxy::in_place(&["-proxy-metrics"]).await)
    }

    /// Asks the API.
    async fn change(&self, method: Method, path: &str, body: Value) {
        let answer = self
            .0
            .api(method, path, "application/json", body.to_string())
            .await;
        assert!(answer.status < 300, "{}", answer.text());
    }

    async fn create(&self, (listener, upstream): Way) {
        let body = json!({"name": "redis", "listen": listener.to_string(), "upstream": upstream.to_string()});
        self.change(Method::POST, "/proxies", body).await;
    }

    async fn update(&self, body: Value) {
        self.change(Method::PATCH, "/proxies/redis", body).await;
    }

    async fn delete(&self) {
        self.change(Method::DELETE, "/proxies/redis", Value::Null).await;
    }

    /// What the page says of a way, for both directions and what was received and sent: nothing, if not the same.
    async fn of(&self, (listener, upstream): Way) -> Vec<u64> {
        let page = self.0.api(Method::GET, "/metrics", "", "").await;
        let labels = format!("listener=\"{listener}\",proxy=\"redis\",upstream=\"{upstream}\"}} ");
        let page = page.text();
        let values = page
            .lines()
            .filter_map(|line| line.split_once(&labels)?.1.parse().ok());
        values.collect()
    }

    /// What they are now, as soon as a change is answered.
    async fn are(&self, expected: &[(Way, u64)]) {
        for (way, bytes) in expected {
            assert_eq!(self.of(*way).await, [*bytes; 4], "{way:?}");
        }
    }

    /// What they become a moment after a connection has ended.
    async fn come_to(&self, expected: &[(Way, u64)]) {
        for (way, bytes) in expected {
            let what = format!("{bytes} on {way:?}");
            eventually(&what, async || self.of(*way).await == [*bytes; 4]).await;
        }
        self.are(expected).await;
    }
}

/// A server that sends back what it gets.
async fn echo() -> (Place, Server) {
    let place = Place::new();
    let server = place.serve(async |mut stream| {
        let (mut reader, mut writer) = stream.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
    });
    (place, server)
}

/// A connection on which five bytes have gone there and back.
async fn passed(address: SocketAddr) -> Raw {
    let mut raw = Raw::connect(address).await;
    raw.say("five\n").await;
    raw.until("five\n").await;
    raw
}

#[tokio::test]
async fn its_numbers_outlive_a_proxy_and_stay_with_the_server_that_got_the_bytes() {
    let ((a, _on_a), (b, _on_b), here) = (echo().await, echo().await, Place::new());
    let numbers = Numbers::start().await;
    let (to_a, to_b) = ((here.address, a.address), (here.address, b.address));
    numbers.create(to_a).await;
    drop(passed(here.address).await);
    numbers.come_to(&[(to_a, 5)]).await;
    numbers.update(json!({"enabled": false})).await;
    numbers.are(&[(to_a, 5)]).await;
    numbers.update(json!({"enabled": true})).await;
    drop(passed(here.address).await);
    numbers.come_to(&[(to_a, 10)]).await;
    numbers.update(json!({"upstream": b.address.to_string()})).await;
    drop(passed(here.address).await);
    numbers.come_to(&[(to_a, 10), (to_b, 5)]).await;
    numbers.delete().await;
    numbers.are(&[(to_a, 10), (to_b, 5)]).await;
    numbers.create(to_b).await;
    drop(passed(here.address).await);
    numbers.come_to(&[(to_a, 10), (to_b, 10)]).await;
}

#[tokio::test]
async fn its_numbers_have_the_last_bytes_of_connections_that_a_change_ends() {
    let ((a, _on_a), (b, _on_b)) = (echo().await, echo().await);
    let (here, there) = (Place::new(), Place::new());
    let numbers = Numbers::start().await;
    let (to_a, to_b) = ((here.address, a.address), (here.address, b.address));
    numbers.create(to_a).await;
    let mut standing = passed(here.address).await;
    numbers.update(json!({"upstream": b.address.to_string()})).await;
    numbers.are(&[(to_a, 5), (to_b, 0)]).await;
    standing.rest().await;
    let mut standing = passed(here.address).await;
    numbers.update(json!({"listen": there.address.to_string()})).await;
    let from_there = (there.address, b.address);
    numbers.are(&[(to_a, 5), (to_b, 5), (from_there, 0)]).await;
    standing.rest().await;
    let mut standing = passed(there.address).await;
    numbers.update(json!({"enabled": false})).await;
    let all = [(to_a, 5), (to_b, 5), (from_there, 5)];
    numbers.are(&all).await;
    standing.rest().await;
    numbers.delete().await;
    numbers.are(&all).await;
}
