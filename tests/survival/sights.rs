//! What the proxy sees people do by means of their own tools: servers that say what they run, and a deploy tool that says what
//! it did.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use crate::kit::{
    drill::{Process, enters, view},
    eventually, free, http,
    origin::{Origin, read_head},
    proxy::BINARY,
};

/// A rollback that nobody has to declare.
const PROFILE: &str = "schema: chaosproxy.profile/v1
name: bad-deploy
needs: {http.primary: {}}
clock: {floor: 1s}
faults:
  slow: {where: {role: http.primary}, do: {latency: {add: 1ms}}}
phases:
  - {name: outage, kind: think, faults: [slow], leave: [{when: {done: rollback}, to: clear}], at_most: 1h}
  - {name: clear, kind: wait, leave: [{when: {after: 1m}, to: end}]}
acts:
  rollback:
    say: deploy the version before
    declare: false
    seen_by:
      - {header: {role: http.primary, name: X-Config-Version}}
      - {signal: rolled-back}
checks:
  fidelity: [{in: outage, that: {hits: slow}}]
  team: [{in: clear, that: {ok: {min: 99%}}}]
";

/// Two servers that say which version they run, and a drill in front of them.
struct Room {
    version: Arc<AtomicU32>,
    public: std::net::SocketAddr,
    admin: std::net::SocketAddr,
    folder: TempDir,
    proxy: Process,
    _origins: Vec<Origin>,
}

impl Room {
    async fn begin(profile: &str) -> Self {
        let version = Arc::new(AtomicU32::new(42));
        let mut origins = Vec::new();
        for _ in 0..2 {
            let version = version.clone();
            let serve = move |mut stream| {
                let version = version.clone();
                async move {
                    while read_head(&mut stream).await {
                        let answer = format!(
                            "HTTP/1.1 200 OK\r\nx-config-version: {}\r\ncontent-length: 0\r\n\r\n",
                            version.load(Relaxed)
                        );
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                }
            };
            origins.push(Origin::start(serve).await);
        }
        let (public, admin, folder) = (free(), free(), TempDir::new().unwrap());
        let document = format!(
            "listeners: {{public: {{bind: \"{public}\", cluster: app}}}}
clusters: {{app: {{backends: [{{name: a, address: \"{}\"}}, {{name: b, address: \"{}\"}}]}}}}
roles: {{http.primary: app}}
",
            origins[0].address, origins[1].address
        );
        std::fs::write(folder.path().join("chaosproxy.yaml"), document).unwrap();
        std::fs::write(folder.path().join("bad-deploy.yaml"), profile).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = std::process::Command::new(BINARY);
        command
            .args(["--config", "chaosproxy.yaml", "--profile", "./bad-deploy.yaml"])
            .args(["--mode", "rehearse", "--exit", "--admin", &admin.to_string()])
            .current_dir(folder.path())
            .env("NO_COLOR", "1")
            .stdin(std::process::Stdio::null())
            .stderr(log);
        let proxy = Process(command.spawn().unwrap());
        enters(admin, "outage").await;
        Self {
            version,
            public,
            admin,
            folder,
            proxy,
            _origins: origins,
        }
    }

    /// Asks both servers, and waits until the drill has looked.
    async fn visit(&self) {
        for _ in 0..8 {
            assert_eq!(http::get(self.public, "/").await.unwrap().status(), 200);
        }
        let wall = async || view(self.admin).await?["wallms"].as_u64();
        let asked = wall().await.unwrap_or_default();
        eventually("the drill has looked", || async {
            (wall().await? > asked + 200).then_some(())
        })
        .await;
    }

    /// The deploy tool calls its webhook; whether that was noted.
    async fn deploys(&self, status: &str) -> bool {
        let rule = "signal=rolled-back&at=/status&is=rolled%20back&text=/app&from=Argo%20CD";
        let body = json!({"app": "shop", "status": status}).to_string();
        let answer = self.post(&format!("/api/v1/webhooks/mapped?{rule}"), body).await;
        assert_eq!(answer.status(), 200, "{:?}", answer.body());
        serde_json::from_slice::<Value>(answer.body()).unwrap()["noted"] == true
    }

    async fn post(&self, path: &str, body: String) -> http::Response {
        let fields = [("content-type", "application/json")];
        http::ask(self.admin, http::request("POST", path, &fields, body))
            .await
            .unwrap()
    }

    /// Asks steadily until the end; gives the folder of the report.
    async fn ended(&mut self) -> PathBuf {
        enters(self.admin, "clear").await;
        let public = self.public;
        let visitor = tokio::spawn(async move {
            loop {
                let _ = http::get(public, "/").await;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        });
        let status = self.proxy.ended().await;
        visitor.abort();
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
        assert_eq!(status.code(), Some(0), "{log}");
        let drills = std::fs::read_dir(self.folder.path().join("reports")).unwrap();
        drills.last().unwrap().unwrap().path()
    }

    /// Asks steadily until the end; gives the one act of the journal, which every form of the report tells.
    async fn act(mut self) -> Value {
        let folder = self.ended().await;
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
        let journal = read("journal.jsonl");
        let mut acts = journal.lines().filter(|line| line.contains("act.ended"));
        let act: Value = serde_json::from_str(acts.next().unwrap()).unwrap();
        assert!(acts.next().is_none(), "{journal}");
        let seen = act["data"]["seen"].as_str().unwrap();
        assert!(read("report.md").contains(&format!("observed: {seen}")), "{seen}");
        assert!(read("report.html").contains("observed: "), "{seen}");
        act["data"].clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_is_seen_by_what_the_servers_say() {
    let room = Room::begin(PROFILE).await;
    room.visit().await;
    assert_eq!(
        view(room.admin).await.unwrap()["phase"],
        "outage",
        "it stands as it stood"
    );
    room.version.store(41, Relaxed);
    room.visit().await;
    let act = room.act().await;
    assert_eq!(act["known"], "observed");
    assert_eq!(act["by"], "the proxy");
    assert_eq!(act["seen"], "header `X-Config-Version: 41`, `42` before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_is_seen_by_the_webhook_of_the_tool_that_did_it() {
    let room = Room::begin(PROFILE).await;
    room.visit().await;
    assert!(!room.deploys("in progress").await);
    assert_eq!(view(room.admin).await.unwrap()["phase"], "outage");
    assert!(room.deploys("rolled back").await);
    let act = room.act().await;
    assert_eq!(act["known"], "observed");
    assert_eq!(act["by"], "Argo CD");
    assert_eq!(act["seen"], "signal `rolled-back`: shop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_seen_before_its_gate_is_open_is_refused_with_the_reason_and_must_come_again() {
    let gate = "  find-cause: {say: find out why}
  rollback:
    gates: [{until: [find-cause], refuse: the release is locked}]
";
    let mut room = Room::begin(&PROFILE.replace("  rollback:\n", gate)).await;
    room.visit().await;
    // The tool repeats itself.
    assert!(room.deploys("rolled back").await && room.deploys("rolled back").await);
    let next = "it was seen, and must come again after `find-cause`";
    let log = || std::fs::read_to_string(room.folder.path().join("log")).unwrap();
    eventually("the terminal says what comes first", || async {
        let told =
            format!("rollback  refused: the release is locked; {next} (Argo CD: signal `rolled-back`: shop)");
        log().contains(&told).then_some(())
    })
    .await;
    let act = async |name: &str| {
        let answer = room
            .post("/api/v1/acts", json!({ "name": name }).to_string())
            .await;
        String::from_utf8_lossy(answer.body()).into_owned()
    };
    let told = act("rollback").await;
    assert!(
        told.contains("/api/v1/webhooks/mapped?signal=rolled-back"),
        "{told}"
    );
    assert!(act("find-cause").await.contains("done"));
    assert_eq!(view(room.admin).await.unwrap()["phase"], "outage");
    assert!(room.deploys("rolled back").await);
    let folder = room.ended().await;
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let journal = read("journal.jsonl");
    assert_eq!(journal.matches(r#""result":"refused""#).count(), 1, "{journal}");
    assert!(read("report.md").contains(&format!("refused: “the release is locked”; {next}")));
    assert!(read("report.html").contains("must come again after"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_fault_holds_spares_and_releases_stands_in_the_report() {
    let held = PROFILE
        .replace("{latency: {add: 1ms}}", "hang")
        .replace("declare: false", "declare: true");
    let mut room = Room::begin(&held).await;
    let public = room.public;
    let waiting: Vec<_> = (0..3).map(|_| tokio::spawn(http::get(public, "/"))).collect();
    let fields = [("user-agent", "kube-probe/1.33")];
    let probe = http::ask(public, http::request("GET", "/", &fields, "")).await;
    assert_eq!(probe.unwrap().status(), 200, "the platform's probe is spared");
    eventually("three requests are held", || async {
        let faults = http::get(room.admin, "/api/v1/faults").await.ok()?;
        let faults: Value = serde_json::from_slice(faults.body()).ok()?;
        (faults[0]["hits"] == 3).then_some(())
    })
    .await;
    let fields = [("content-type", "application/json")];
    let act = http::request("POST", "/api/v1/acts", &fields, r#"{"name": "rollback"}"#);
    assert_eq!(http::ask(room.admin, act).await.unwrap().status(), 200);
    for request in waiting {
        assert_eq!(request.await.unwrap().unwrap().status(), 200, "it goes on");
    }
    let folder = room.ended().await;
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    assert!(
        read("report.md")
            .contains("| outage | `slow` | 4 | 3 | 1 | 3 | 0 |\n| clear | `slow` | 0 | 0 | 0 | 0 | 3 |"),
        "{}",
        read("report.md")
    );
    let report: Value = serde_json::from_str(&read("report.json")).unwrap();
    // Matched, spared, held, released.
    assert_eq!(
        report["phases"][0]["sample"]["effects"]["slow"],
        json!([4, 1, 3, 0])
    );
    assert!(read("report.html").contains("released"));
    let junit = std::process::Command::new(BINARY)
        .args(["report", "--junit"])
        .arg(&folder)
        .output()
        .unwrap();
    let junit = String::from_utf8(junit.stdout).unwrap();
    assert!(
        junit.contains("in outage, slow: matched 4, touched 3, spared 1, held 3, released 0"),
        "{junit}"
    );
}
