//! Faults end: with their time, their holder, the emergency button, the process.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::kit::{
    PATIENCE, eventually, free, http,
    origin::Origin,
    proxy::{BINARY, Proxy, two_workers},
};

/// What becomes of a request that is held.
type Held = Result<http::Response, http::Trouble>;

struct House {
    proxy: Proxy,
    public: std::net::SocketAddr,
    document: String,
    _origin: Origin,
}

impl House {
    async fn build() -> Self {
        let origin = Origin::quick().await;
        let public = free();
        let document = format!(
            "listeners: {{public: {{bind: \"{public}\", protocol: http, routes: [{{cluster: web}}]}}}}
clusters: {{web: {{backends: [{{address: \"{}\"}}]}}}}
",
            origin.address
        );
        Self {
            proxy: Proxy::start(&document).await,
            public,
            document,
            _origin: origin,
        }
    }

    /// Adds a fault that holds everything, and a request that it holds.
    async fn hold(&self) -> tokio::task::JoinHandle<Held> {
        self.proxy
            .add("held", "{where: {cluster: web}, do: hang, for: 1m}")
            .await;
        let public = self.public;
        let held = tokio::spawn(http::get(public, "/"));
        eventually("a request is held", || async {
            let faults = self.proxy.json("/api/v1/faults").await;
            (faults[0]["hits"] == 1).then_some(())
        })
        .await;
        held
    }

    /// No fault stands, what was held has gone on, and real traffic shows it.
    async fn is_clean(&self, held: tokio::task::JoinHandle<Held>) {
        let released = timeout(PATIENCE, held).await.expect("what was held goes on");
        assert_eq!(released.unwrap().unwrap().status(), 200);
        assert!(self.proxy.faults().await.is_empty());
        assert_eq!(http::get(self.public, "/").await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_fault_ends_with_its_time() {
    let house = House::build().await;
    let begun = Instant::now();
    house
        .proxy
        .add("brief", "{where: {cluster: web}, do: hang, for: 1s}")
        .await;
    let answer = http::get(house.public, "/").await.unwrap();
    let took = begun.elapsed();
    assert_eq!(
        answer.status(),
        200,
        "held as long as the fault lived, then it went on"
    );
    assert!((1000..5000).contains(&took.as_millis()), "{took:?}");
    assert!(house.proxy.faults().await.is_empty());
}

#[tokio::test]
async fn a_fault_ends_when_its_holder_is_gone() {
    let house = House::build().await;
    let body = r#"{"lease": true, "faults": {"mine": {"do": "hang", "where": {"cluster": "web"}}}}"#;
    let answer = house.proxy.api("POST", "/api/v1/faults", body).await;
    assert_eq!(answer.status(), 200, "{:?}", answer.body());
    let begun = Instant::now();
    let answer = http::get(house.public, "/").await.unwrap();
    let took = begun.elapsed();
    assert_eq!(answer.status(), 200);
    assert!(
        (8..=14).contains(&took.as_secs()),
        "{took:?}: a lease that nobody renews ends after 10 s"
    );
    // Told a moment after the fault has ended.
    house.proxy.says("not renewed in time", 0).await;
}

#[tokio::test]
async fn every_way_to_panic_leaves_nothing() {
    let house = House::build().await;
    let proxy = &house.proxy;
    for way in ["signal", "file", "API", "command"] {
        let held = house.hold().await;
        let file = proxy.folder().join("state/panic");
        match way {
            "signal" => proxy.signal(Signal::USR1),
            "file" => std::fs::write(&file, "").unwrap(),
            "API" => assert_eq!(proxy.api("POST", "/api/v1/panic", "").await.status(), 200),
            _ => {
                let told = proxy.cli(&["panic"]).await;
                assert!(told.contains("clean in"), "{told}");
            }
        }
        house.is_clean(held).await;
        let refused = proxy.command(&["faults", "add", "hang", "--for", "1m"]).await;
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            !refused.status.success() && told.contains("panic reset"),
            "{way}: {told}"
        );
        let _ = std::fs::remove_file(file);
        proxy.cli(&["panic", "reset"]).await;
    }
    proxy.says("panic: all faults off", 3).await;
    assert_eq!(proxy.count("panic: all faults off"), 4);
}

#[tokio::test]
async fn a_proxy_that_is_killed_comes_back_clean() {
    let house = House::build().await;
    let held = house.hold().await;
    house.proxy.signal(Signal::KILL);
    let (_, folder) = house.proxy.ended().await;
    assert!(held.await.unwrap().is_err());
    let proxy = Proxy::start_in(folder, &house.document, two_workers).await;
    assert!(proxy.faults().await.is_empty());
    assert_eq!(http::get(house.public, "/").await.unwrap().status(), 200);
}

#[tokio::test]
async fn ctrl_c_half_way_through_an_incident_leaves_no_fault_and_says_so() {
    let (folder, admin) = (TempDir::new().unwrap(), free());
    let log = folder.path().join("log");
    let mut child = Command::new(BINARY)
        .args(["--profile", "orm-break", "--wait", "600", "--seed", "7"])
        .args(["--admin", &admin.to_string()])
        .current_dir(folder.path())
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    eventually("the incident has begun", || async {
        let answer = http::get(admin, "/api/v1/faults").await.ok()?;
        (answer.body().len() > 10).then_some(())
    })
    .await;
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let begun = Instant::now();
    let status = eventually("it has ended", || {
        let status = child.try_wait().unwrap();
        async move { status }
    })
    .await;
    let told = std::fs::read_to_string(log).unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}\n{told}",
        begun.elapsed()
    );
    assert_eq!(status.code(), Some(5), "not everything was evaluated\n{told}");
    assert!(told.contains("no fault is left"), "{told}");
    assert!(told.contains("report"), "{told}");
}
