//! Exchanges that a fault holds: all are released when it is lifted, and what they took is given back.

use tokio::{sync::mpsc, task::JoinSet};

use crate::kit::{eventually, free, http, origin::Origin, proxy::Proxy};

/// How many are held at once.
const HELD: usize = 2_000;

/// How often: what a round leaves behind adds up.
const ROUNDS: usize = 5;

/// Allocators keep what they may need again, and measured rounds differ by 25 MiB up and down. A request that kept 6 KiB
/// after its end would show.
const SLACK: u64 = 48 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_hangs_goes_on_when_the_fault_is_lifted_and_gives_its_memory_back() {
    let origin = Origin::quick().await;
    let public = free();
    let proxy = Proxy::start(&format!(
        "listeners: {{public: {{bind: \"{public}\", protocol: http, routes: [{{cluster: web}}]}}}}
clusters: {{web: {{backends: [{{address: \"{}\"}}]}}}}
",
        origin.address
    ))
    .await;
    let mut after = Vec::new();
    for _ in 0..ROUNDS {
        hold_and_release(&proxy, public).await;
        after.push(memory(&proxy));
    }
    // The first round fills pools and the allocator's own; from then on nothing may grow.
    assert!(after[ROUNDS - 1] <= after[0] + SLACK, "{after:?} bytes");
}

async fn hold_and_release(proxy: &Proxy, public: std::net::SocketAddr) {
    proxy
        .add("held", "{where: {cluster: web}, do: hang, for: 5m}")
        .await;
    let (done, mut finished) = mpsc::unbounded_channel();
    let mut clients = JoinSet::new();
    for _ in 0..HELD {
        let done = done.clone();
        clients.spawn(async move {
            let answer = http::get(public, "/").await.unwrap();
            done.send(answer.status()).unwrap();
        });
    }
    eventually("all are held", || async {
        let faults = proxy.json("/api/v1/faults").await;
        (faults[0]["hits"] == HELD).then_some(())
    })
    .await;
    assert!(
        finished.try_recv().is_err(),
        "nobody is answered while the fault stands"
    );
    proxy.remove("held").await;
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    drop(done);
    let mut answered = 0;
    while let Some(status) = finished.recv().await {
        assert_eq!(status, 200);
        answered += 1;
    }
    assert_eq!(answered, HELD);
}

/// The memory that the proxy has in use, in bytes.
fn memory(proxy: &Proxy) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1024
}
