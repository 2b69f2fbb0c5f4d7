//! Many proxies at once: a list of them, or a reset, is one change of the truth, however many there are.

use http::Method;
use serde_json::{Value, json};

use super::bench::{Bench, NAME};
use crate::kit::{Answer, Raw};

/// Far more than anybody changes one by one.
const MANY: usize = 120;

/// How many changes of the truth there have been.
async fn changes(bench: &Bench) -> u64 {
    bench.proxy.metric("chaosproxy_generation", &[]).await as u64
}

/// Proxies that listen at these addresses.
fn list(listens: &[String], upstream: &str) -> Value {
    let proxy = |(i, listen)| json!({"name": format!("n{i}"), "listen": listen, "upstream": upstream});
    listens.iter().enumerate().map(proxy).collect()
}

fn proxies(answer: &Answer) -> Vec<Value> {
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    answer["proxies"].as_array().cloned().unwrap_or_default()
}

/// Sends a list, and gives the proxies of the answer and the number of changes that it took.
async fn populate(bench: &Bench, list: &Value, status: u16) -> (Vec<Value>, u64) {
    let before = changes(bench).await;
    let answer = bench.post("/populate", list).await;
    assert_eq!(answer.status, status, "{}", answer.text());
    (proxies(&answer), changes(bench).await - before)
}

#[tokio::test]
async fn a_list_of_many_proxies_and_a_reset_of_them_are_one_change_each() {
    let bench = Bench::start().await;
    let upstream = bench.place.address.to_string();
    let any = list(&vec!["127.0.0.1:0".to_owned(); MANY], &upstream);
    let (made, took) = populate(&bench, &any, 201).await;
    assert_eq!((made.len(), took), (MANY, 1));
    let (again, took) = populate(&bench, &any, 201).await;
    assert_eq!((again == made, took), (true, 0), "all are there already");
    for proxy in &made[..3] {
        let toxic = json!({"type": "timeout", "attributes": {"timeout": 0}});
        let path = format!("/proxies/{}/toxics", proxy["name"].as_str().unwrap());
        assert_eq!(bench.post(&path, &toxic).await.status, 200);
    }
    for name in ["n5", NAME] {
        let path = format!("/proxies/{name}");
        assert_eq!(bench.post(&path, &json!({"enabled": false})).await.status, 200);
    }
    let before = changes(&bench).await;
    assert_eq!(bench.post("/reset", &Value::Null).await.status, 204);
    assert_eq!(changes(&bench).await - before, 1);
    let shown = bench.ask(Method::GET, "/proxies", b"").await;
    let shown: Value = serde_json::from_slice(&shown.body).unwrap();
    for (name, proxy) in shown.as_object().unwrap() {
        let is_reset = proxy["enabled"] == true && proxy["toxics"] == json!([]);
        assert!(is_reset, "{name}: {proxy}");
    }
    for name in ["n0", "n5"] {
        let address = shown[name]["listen"].as_str().unwrap().parse().unwrap();
        let mut raw = Raw::connect(address).await;
        raw.say("hello\n").await;
        raw.until("hello\n").await;
    }
}

#[tokio::test]
async fn many_that_move_end_together_and_begin_together() {
    let bench = Bench::start().await;
    let upstream = bench.place.address.to_string();
    let any = list(&vec!["127.0.0.1:0".to_owned(); MANY], &upstream);
    let (made, _) = populate(&bench, &any, 201).await;
    let ports: Vec<String> = made
        .iter()
        .map(|proxy| proxy["listen"].as_str().unwrap().replace("127.0.0.1", "0.0.0.0"))
        .collect();
    let mut standing = Raw::connect(made[0]["listen"].as_str().unwrap().parse().unwrap()).await;
    standing.say("hello\n").await;
    standing.until("hello\n").await;
    // The same ports at all addresses: who has a port gives it up first.
    let (moved, took) = populate(&bench, &list(&ports, &upstream), 201).await;
    assert_eq!((moved.len(), took), (MANY, 2));
    standing.rest().await;
    let address = made[0]["listen"].as_str().unwrap().parse().unwrap();
    let mut raw = Raw::connect(address).await;
    raw.say("hello\n").await;
    raw.until("hello\n").await;
    // Another upstream: the sockets stay.
    let other = list(&ports, "127.0.0.1:9");
    let (other, took) = populate(&bench, &other, 201).await;
    assert_eq!((other.len(), took), (MANY, 1));
    raw.rest().await;
}

#[tokio::test]
async fn whoever_cannot_listen_keeps_away_those_after_it_and_no_other_one() {
    let bench = Bench::start().await;
    let upstream = bench.place.address.to_string();
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = stranger.local_addr().unwrap().to_string();
    let free = "127.0.0.1:0".to_owned();
    let all = list(&[free.clone(), taken.clone(), free], &upstream);
    let (made, took) = populate(&bench, &all, 500).await;
    assert_eq!((made.len(), took), (1, 1), "{made:?}");
    let found = async |name: &str| {
        let path = format!("/proxies/{name}");
        bench.ask(Method::GET, &path, b"").await.status
    };
    assert_eq!(
        (found("n0").await, found("n1").await, found("n2").await),
        (200, 404, 404)
    );
    // Two of a list want the same: the second one cannot have it, whatever they are called.
    let (b, a) = (
        json!({"name": "b", "listen": taken, "upstream": upstream}),
        json!({"name": "a", "listen": taken, "upstream": upstream}),
    );
    drop(stranger);
    let (made, took) = populate(&bench, &json!([b, a]), 500).await;
    assert_eq!((made.len(), &made[0]["name"], took), (1, &json!("b"), 1));
    // A reset does what can be done.
    let disabled = json!({"enabled": false});
    assert_eq!(bench.post("/proxies/b", &disabled).await.status, 200);
    let stranger = std::net::TcpListener::bind(&taken).unwrap();
    let toxic = json!({"type": "noop"});
    assert_eq!(bench.post("/proxies/n0/toxics", &toxic).await.status, 200);
    assert_eq!(bench.post("/proxies/redis", &disabled).await.status, 200);
    let before = changes(&bench).await;
    let answer = bench.post("/reset", &Value::Null).await;
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert!(
        answer.text().contains(&format!("listen tcp {taken}: bind: ")),
        "{}",
        answer.text()
    );
    assert_eq!(changes(&bench).await - before, 1);
    let shown = bench.ask(Method::GET, "/proxies", b"").await;
    let shown: Value = serde_json::from_slice(&shown.body).unwrap();
    assert_eq!(
        (
            &shown["n0"]["toxics"],
            &shown["redis"]["enabled"],
            &shown["b"]["enabled"]
        ),
        (&json!([]), &json!(true), &json!(false))
    );
    drop(stranger);
}
