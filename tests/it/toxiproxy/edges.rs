//! What `toxiproxy-server` takes and seldom meets: its command line, its signals, how addresses can be written.

use http::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::bench::Bench;
use crate::kit::{Place, Proxy};

#[tokio::test]
async fn its_command_line_is_read_as_go_reads_it() {
    let line = [
        "-host=127.0.0.1",
        "-config=",
        "-proxy-metrics=1",
        "-proxy-metrics=F",
        "-version=false",
        "serve",
        "-port=1",
    ];
    let proxy = Proxy::in_place(&line).await;
    proxy
        .logs(&["WARN", "serve", "-port=1", "is not looked at"])
        .await;
    assert_eq!(proxy.show("/proxies").await, json!({}));
}

#[tokio::test]
async fn without_a_document_a_hangup_ends_it() {
    let mut proxy = Proxy::in_place(&["-host=127.0.0.1"]).await;
    proxy.signal(Signal::HUP);
    assert!(proxy.ended().await.success());
    let mut kept = Proxy::in_place_by("--ignore-signal=HUP", &["-host=127.0.0.1"]).await;
    kept.signal(Signal::HUP);
    assert_eq!(kept.show("/proxies").await, json!({}), "as `nohup` asks for");
    assert!(kept.is_alive());
}

#[tokio::test]
async fn an_ipv4_address_in_the_form_of_ipv6_is_one_of_ipv4() {
    let bench = Bench::start().await;
    let upstream = format!("[::ffff:127.0.0.1]:{}", bench.place.address.port());
    let mapped = json!({"name": "mapped", "listen": "[::ffff:127.0.0.1]:0", "upstream": upstream});
    let made = bench.post("/proxies", &mapped).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made: Value = serde_json::from_slice(&made.body).unwrap();
    let listen = made["listen"].as_str().unwrap();
    assert!(listen.starts_with("127.0.0.1:"), "{listen}");
    let mut raw = crate::kit::Raw::connect(listen.parse().unwrap()).await;
    raw.say("hello\n").await;
    raw.until("hello\n").await;
}

#[tokio::test]
async fn a_reset_that_would_close_a_circle_names_the_proxy_and_blames_no_body() {
    let bench = Bench::start().await;
    let [b, c] = [Place::new().address, Place::new().address].map(|address| address.to_string());
    let list = json!([
        {"name": "b", "listen": b, "upstream": c},
        {"name": "c", "listen": c, "upstream": b, "enabled": false},
    ]);
    assert_eq!(bench.post("/populate", &list).await.status, 201);
    let refused = bench.ask(Method::POST, "/reset", b"").await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    let told = format!("\"error\":\"proxy c: the upstream {b} leads back to the proxy: c -> b -> c");
    assert!(refused.text().contains(&told), "{}", refused.text());
}
