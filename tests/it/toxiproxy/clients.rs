//! Real clients, unmodified, and the command that takes the place of `toxiproxy-server`.

use std::{path::Path, process::Stdio};

use http::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use super::bench::Bench;
use crate::kit::{H1, Place, Proxy, Raw, eventually, origin::empty, within};

/// Where `tests/run` puts the client for Python.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/clients/python/bin/python");

#[tokio::test]
async fn the_client_for_python_works_unmodified() {
    assert!(
        Path::new(PYTHON).exists(),
        "{PYTHON} is missing: `tests/run` puts it there"
    );
    let bench = Bench::start().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/toxiproxy/client.py");
    bench.ask(Method::DELETE, "/proxies/redis", b"").await;
    let run = Command::new(PYTHON)
        .arg(script)
        .arg(bench.proxy.admin().to_string())
        .arg(bench.place.address.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = within("the script", run).await.unwrap();
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(said, "well\n", "{complained}");
}

#[tokio::test]
async fn in_the_place_of_toxiproxy_server_it_begins_with_the_files_proxies() {
    let place = Place::new();
    let _server = place.serve(async |stream| {
        let mut raw = Raw::over(stream);
        raw.say("welcome\n").await;
        raw.rest().await;
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("toxiproxy.json");
    let toxics = json!([{"type": "limit_data", "attributes": {"bytes": 3}}]);
    let proxies = json!([
        {"name": "a", "listen": "localhost:0", "upstream": place.address.to_string()},
        {"name": "b", "listen": "127.0.0.1:0", "upstream": place.address.to_string(), "toxics": toxics},
        {"name": "c", "listen": "no address", "upstream": place.address.to_string()},
    ]);
    std::fs::write(&file, proxies.to_string()).unwrap();
    let config = format!("-config={}", file.display());
    let proxy = Proxy::in_place(&["-host=127.0.0.1", &config, "-proxy-metrics"]).await;
    let shown = proxy.show("/proxies").await;
    let address = |name: &str| shown[name]["listen"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        shown.as_object().unwrap().len(),
        2,
        "the third cannot listen: {shown}"
    );
    proxy
        .logs(&[
            "2 of the file's 3 proxies are there",
            "toxiproxy.json:1:",
            "proxy `c`: listen tcp: address no address: missing port in address",
        ])
        .await;
    assert_eq!(
        Raw::connect(address("a")).await.until("welcome\n").await,
        "welcome\n"
    );
    assert_eq!(Raw::fate(address("b"), "").await.0, "wel");
}

#[tokio::test]
async fn what_is_wrong_in_the_file_is_told_with_its_place_and_the_api_comes_up() {
    let check = async |proxies: &str, told: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("toxiproxy.json");
        std::fs::write(&file, proxies).unwrap();
        let config = format!("-config={}", file.display());
        let proxy = Proxy::in_place(&["-host=127.0.0.1", &config]).await;
        proxy.logs(told).await;
        proxy.show("/proxies").await
    };
    let one = r#"{"name": "a", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9", "enabeld": false}"#;
    let twice = check(
        &format!("[\n{one},\n{one}]"),
        &[
            "ERROR",
            "none of the file's 2 proxies is there: one that is wrong keeps all of them away",
            "toxiproxy.json:3:",
            "proxy `a` is there twice",
            "a name of its own",
        ],
    )
    .await;
    assert_eq!(twice, json!({}), "nothing is done by halves");
    let slip = check(
        &format!("[{one}]"),
        &[
            "WARN",
            "toxiproxy.json:1:",
            "nobody knows `enabeld`",
            "did you mean `enabled`?",
        ],
    )
    .await;
    assert_eq!(slip["a"]["enabled"], true, "Toxiproxy ignores it, too");
    let port = Place::new().address.port();
    let own = format!("0.0.0.0:{port}");
    let circle = json!([{"name": "b", "listen": own, "upstream": format!("127.0.0.1:{port}")}]);
    let itself = format!("is the proxy itself, which listens on {own}");
    let told = [
        "ERROR",
        "the file's only proxy is not there",
        "toxiproxy.json:1:",
        "proxy `b`: the upstream",
        &itself,
    ];
    assert_eq!(check(&circle.to_string(), &told).await, json!({}));
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = stranger.local_addr().unwrap();
    let late = json!({"name": "d", "listen": taken.to_string(), "upstream": "127.0.0.1:9"});
    let told = [
        "ERROR",
        "1 of the file's 2 proxies are there",
        "address already in use",
    ];
    let there = check(&format!("[{one},\n{late}]"), &told).await;
    assert_eq!(
        (&there["a"]["enabled"], &there["d"]),
        (&json!(true), &Value::Null)
    );
}

#[tokio::test]
async fn a_client_of_http_1_0_names_no_host() {
    let proxy = Proxy::in_place(&["-host=127.0.0.1"]).await;
    let mut raw = Raw::connect(proxy.admin()).await;
    raw.say("GET /version HTTP/1.0\r\n\r\n").await;
    let (answer, _) = raw.rest().await;
    assert!(
        answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("{\"version\": \"2.12.0\"}\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn its_numbers_move_while_a_connection_stands() {
    let place = Place::new();
    let _server = place.serve(async |mut stream| {
        let (mut reader, mut writer) = stream.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
    });
    let proxy = Proxy::in_place(&["-proxy-metrics"]).await;
    let body = json!({"name": "redis", "listen": "127.0.0.1:0", "upstream": place.address.to_string()});
    let made = proxy
        .api(Method::POST, "/proxies", "application/json", body.to_string())
        .await;
    let made: Value = serde_json::from_slice(&made.body).unwrap();
    let mut raw = Raw::connect(made["listen"].as_str().unwrap().parse().unwrap()).await;
    raw.say("hello\n").await;
    raw.until("hello\n").await;
    for direction in ["upstream", "downstream"] {
        for name in ["received", "sent"] {
            let (name, label) = (
                format!("toxiproxy_proxy_{name}_bytes_total"),
                format!("direction=\"{direction}\""),
            );
            eventually(&format!("{name} {direction}"), async || {
                proxy.metric(&name, &[&label, "proxy=\"redis\""]).await == 6.0
            })
            .await;
        }
    }
    raw.say("still there\n").await;
    raw.until("still there\n").await;
}

#[tokio::test]
async fn it_is_asked_by_the_name_of_its_container_but_not_by_a_page() {
    let proxy = Proxy::in_place(&["-host=0.0.0.0"]).await;
    let status = async |fields: &[(&str, &str)]| {
        let mut request = http::Request::builder().method(Method::POST).uri("/reset");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], proxy.admin().port()));
        H1::connect(address)
            .await
            .ask(request.body(empty()).unwrap())
            .await
            .status
    };
    assert_eq!(status(&[("host", "toxiproxy:8474")]).await, 204);
    assert_eq!(
        status(&[("host", "localhost"), ("user-agent", "Mozilla/5.0")]).await,
        403
    );
    assert_eq!(
        status(&[("host", "evil.example"), ("origin", "http://evil.example")]).await,
        421
    );
}
