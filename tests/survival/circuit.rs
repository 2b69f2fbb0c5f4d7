//! The limit of connections to a cluster: never exceeded, idle ones count, and whoever waits gets the next.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinSet,
};

use crate::kit::{eventually, free, http, origin::Origin, proxy::Proxy};

/// A backend that takes a while for each request, and counts how many connections it has.
async fn counting(open: &Arc<AtomicUsize>, peak: &Arc<AtomicUsize>) -> Origin {
    let (open, peak) = (open.clone(), peak.clone());
    Origin::start(move |mut stream| {
        let (open, peak) = (open.clone(), peak.clone());
        async move {
            peak.fetch_max(open.fetch_add(1, SeqCst) + 1, SeqCst);
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {
                tokio::time::sleep(Duration::from_millis(5)).await;
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                if stream.write_all(answer).await.is_err() {
                    break;
                }
            }
            open.fetch_sub(1, SeqCst);
        }
    })
    .await
}

#[tokio::test]
async fn no_more_connections_are_open_than_the_limit_says() {
    let (open, peak) = (Arc::default(), Arc::default());
    let origins = [counting(&open, &peak).await, counting(&open, &peak).await];
    let public = free();
    let proxy = Proxy::start(&format!(
        "listeners: {{public: {{bind: \"{public}\", protocol: http, routes: [{{cluster: web}}]}}}}
clusters:
  web:
    balance: round_robin
    backends: [{{address: \"{}\"}}, {{address: \"{}\"}}]
    limits: {{connections: 3}}
",
        origins[0].address, origins[1].address
    ))
    .await;
    let mut clients = JoinSet::new();
    for _ in 0..24 {
        clients.spawn(async move {
            for _ in 0..5 {
                let answer = http::get(public, "/").await.unwrap();
                assert_eq!(answer.status(), 200, "{:?}", answer.body());
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    // A backend hears of the end of a connection a little later than the proxy ends it.
    let most = peak.load(SeqCst);
    assert!((2..=4).contains(&most), "{most} at once");
    drop(proxy);
}

#[tokio::test]
async fn who_finds_no_connection_in_time_is_told_so() {
    let origin = Origin::endless().await;
    let public = free();
    let proxy = Proxy::start(&format!(
        "listeners: {{public: {{bind: \"{public}\", protocol: http, routes: [{{cluster: web}}]}}}}
clusters:
  web:
    backends: [{{address: \"{}\"}}]
    limits: {{connections: 1, waiting_timeout: 100ms}}
",
        origin.address
    ))
    .await;
    let busy = tokio::spawn(http::get(public, "/"));
    eventually("the connection is taken", || async {
        let backends = proxy.json("/api/v1/backends").await;
        (backends[0]["active"] == 1).then_some(())
    })
    .await;
    let refused = http::get(public, "/").await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["x-chaosproxy-reason"], "cluster_full");
    busy.abort();
    drop(proxy);
}
