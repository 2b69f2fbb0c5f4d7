//! Blind drills, read as responders read them: every byte that reaches them is looked through for what would tell.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};

use crate::kit::{drill::Process, eventually, free, http, origin::Origin, proxy::BINARY};

const TOKENS: &str = "\
tokens:
  - {name: ada, role: facilitator, token: facilitator-token}
  - {name: room, role: responder, token: responders-token}
  - {name: wall, role: observer, token: observers-token-}
";

/// What would tell responders that `orm-break` runs, or what in it. The name of the program is no secret.
const TELLTALE: [&str; 22] = [
    "orm-break",
    "ORM",
    "rewrites its configuration",
    "db-cut",
    "app-500",
    "health-lies",
    "cold-start",
    "http.source",
    "db.source",
    "latent",
    "outage",
    "reads-saved",
    "tail",
    "abort",
    "capacity",
    "misroute",
    "bad_reload",
    "fidelity",
    "yardstick",
    "injected",
    "chaos",
    "seed",
];

/// Fails where a text has one of the words, with what stands around it.
#[track_caller]
fn tells_nothing(place: &str, text: &str) {
    let text = text.replace("chaosproxy", "").replace("Chaosproxy", "");
    for word in TELLTALE {
        let is_word = |at: usize| {
            let joins = |c: char| c.is_ascii_alphanumeric();
            let (before, after) = (&text[..at], &text[at + word.len()..]);
            !before.ends_with(joins) && !after.starts_with(joins)
        };
        if let Some((at, _)) = text.match_indices(word).find(|(at, _)| is_word(*at)) {
            let around: String = text[..at].chars().rev().take(200).collect();
            let around: String = around.chars().rev().chain(text[at..].chars().take(200)).collect();
            panic!("{place} tells `{word}`: ...{around}...");
        }
    }
}

/// A blind drill that runs.
struct Drill {
    process: Process,
    admin: SocketAddr,
    folder: PathBuf,
}

impl Drill {
    /// Seals the profile, and starts it in this folder with these arguments.
    fn start(folder: &Path, profile: &str, more: &[&str]) -> Self {
        fs::write(folder.join("tokens.yaml"), TOKENS).unwrap();
        let sealed = Command::new(BINARY)
            .args(["profiles", "seal", profile, "--json"])
            .current_dir(folder)
            .output()
            .unwrap();
        let sealed: Value = serde_json::from_slice(&sealed.stdout).unwrap();
        let file = sealed["file"].as_str().unwrap();
        tells_nothing("the sealed file", &fs::read_to_string(folder.join(file)).unwrap());
        let admin = free();
        let out = |name: &str| fs::File::create(folder.join(name)).unwrap();
        let process = Command::new(BINARY)
            .args([
                "--profile",
                file,
                "--tokens",
                "tokens.yaml",
                "--wait",
                "120",
                "--max-wall",
                "10s",
            ])
            .args(["--admin", &admin.to_string(), "--log", "debug"])
            .args(more)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(out("stdout"))
            .stderr(out("stderr"))
            .spawn()
            .unwrap();
        Self {
            process: Process(process),
            admin,
            folder: folder.to_owned(),
        }
    }

    /// The head and the body of an answer, as somebody with this token gets it.
    async fn read(&self, token: &str, path: &str) -> Option<String> {
        let token = format!("Bearer {token}");
        let request = http::request("GET", path, &[("authorization", &token)], "");
        let answer = http::ask(self.admin, request).await.ok()?;
        let body = String::from_utf8_lossy(answer.body()).into_owned();
        Some(format!("{} {:?}\n{body}", answer.status(), answer.headers()))
    }

    /// What the facilitator is told, as JSON.
    async fn known(&self, path: &str) -> Option<Value> {
        let answer = self.read("facilitator-token", path).await?;
        serde_json::from_str(answer.split_once('\n')?.1).ok()
    }

    async fn is_over(&self) -> bool {
        let drill = self.known("/api/v1/drill").await;
        drill.is_none_or(|drill| drill["over"] == true || !drill["view"]["ended"].is_null())
    }

    /// Every page that ends and is not the same whatever runs.
    async fn pages(&self) -> Vec<String> {
        let known = self.known("/api/openapi.json").await.unwrap();
        let reads = known["paths"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(path, methods)| {
                let same = ["/api/openapi.json", "/api/v1/faults/kinds", "/api/v1/events"];
                methods.get("get").is_some() && !same.contains(&path.as_str())
            });
        let cluster = self.known("/api/v1/clusters").await.unwrap()[0]["name"].clone();
        let filled = |path: &String| {
            let path = path.replace("{cluster}", cluster.as_str().unwrap());
            path.replace("{revision}", "1").replace("{name}", "any")
        };
        reads
            .map(|(path, _)| filled(path))
            .chain(["/proxies".to_owned()])
            .collect()
    }

    /// Where HTTP clients connect.
    async fn front(&self) -> SocketAddr {
        let status = self.known("/api/v1/status").await.unwrap();
        let mut listeners = status["listeners"].as_array().unwrap().iter();
        let http = listeners.find(|one| one["protocol"] == "http").unwrap();
        http["address"].as_str().unwrap().parse().unwrap()
    }

    /// What the process wrote there until the drill was over.
    fn written(&self, name: &str) -> String {
        let text = fs::read_to_string(self.folder.join(name)).unwrap();
        text.split("  end  ").next().unwrap().to_owned()
    }
}

/// The bytes of a stream of events, as they come.
async fn follow(admin: SocketAddr, token: &str) -> (Arc<Mutex<String>>, JoinHandle<()>) {
    let mut stream = TcpStream::connect(admin).await.unwrap();
    let ask =
        format!("GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.unwrap();
    let heard = Arc::new(Mutex::new(String::new()));
    let to = heard.clone();
    let hearing = tokio::spawn(async move {
        let mut piece = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut piece).await {
            to.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..n]));
        }
    });
    (heard, hearing)
}

/// A client's request and all bytes of the answer.
async fn visit(front: SocketAddr, method: &str) -> String {
    let asked =
        format!("{method} / HTTP/1.1\r\nhost: shop\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let mut answer = Vec::new();
    if let Ok(mut stream) = TcpStream::connect(front).await {
        let _ = stream.write_all(asked.as_bytes()).await;
        let reading = stream.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(2), reading).await;
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Looks through everything that responders and observers get to see until the drill is over, and through what is opened then.
/// Gives the answers that clients got, and how long each took.
async fn look_through(mut drill: Drill) -> Vec<(String, Duration)> {
    eventually("the drill has begun", || async {
        let drill = drill.known("/api/v1/drill").await?;
        drill["view"].is_object().then_some(())
    })
    .await;
    let cmdline = fs::read(format!("/proc/{}/cmdline", drill.process.0.id())).unwrap();
    tells_nothing("the command line", &String::from_utf8_lossy(&cmdline));
    let (pages, front) = (drill.pages().await, drill.front().await);
    let (heard, hearing) = follow(drill.admin, "responders-token").await;
    let (mut answers, mut sweeps, mut known) = (Vec::new(), 0, String::new());
    loop {
        let mut sweep = Vec::new();
        for token in ["responders-token", "observers-token-"] {
            for path in &pages {
                let text = drill.read(token, path).await.unwrap();
                sweep.push((format!("{token} {path}"), text));
            }
        }
        for method in ["GET", "POST"] {
            let begun = Instant::now();
            let answer = visit(front, method).await;
            sweep.push((format!("an answer to {method}"), answer.clone()));
            answers.push((answer, begun.elapsed()));
        }
        let [status, metrics] =
            ["/api/v1/status", "/metrics"].map(|path| drill.read("facilitator-token", path));
        let seen = [status.await.unwrap(), metrics.await.unwrap()].concat();
        if drill.is_over().await {
            break;
        }
        known.push_str(&seen);
        sweeps += 1;
        sweep.iter().for_each(|(place, text)| tells_nothing(place, text));
    }
    assert!(sweeps > 5, "{sweeps} sweeps");
    for word in [
        "orm-break",
        "health-lies",
        "outage",
        "chaosproxy_injected_total{fault=",
        "origin=\"upstream\"",
    ] {
        assert!(known.contains(word), "the facilitator sees `{word}`");
    }
    let opened = eventually("the report is open", || async {
        let report = drill.read("responders-token", "/api/v1/report").await?;
        report.starts_with("200").then_some(report)
    })
    .await;
    assert!(
        opened.contains("orm-break") && opened.contains("health-lies"),
        "{opened}"
    );
    assert!(opened.contains("blind; varied by seed"), "{opened}");
    drill.process.signal(Signal::TERM);
    drill.process.ended().await;
    hearing.await.unwrap();
    let heard = heard.lock().unwrap();
    let (before, after) = heard
        .split_once("chaosproxy.drill.ended")
        .expect("the end is told");
    tells_nothing("the stream of events", before);
    assert!(
        before.contains("Support: some users can read but not save."),
        "news come: {before}"
    );
    assert!(after.contains("chaosproxy.drill.judged"), "{after}");
    for name in ["stdout", "stderr"] {
        tells_nothing(name, &drill.written(name));
    }
    assert!(drill.written("stderr").contains("EXERCISE"));
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_responders_see_of_the_built_in_services_tells_what_is_broken() {
    let folder = TempDir::new().unwrap();
    look_through(Drill::start(folder.path(), "orm-break", &[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_that_a_fault_fails_looks_like_one_of_a_server_that_is_gone() {
    let folder = TempDir::new().unwrap();
    let origin = Origin::quick().await;
    let document = format!(
        "listeners: {{shop: {{bind: \"{}\", cluster: app}}}}
clusters: {{app: {{backends: [{{name: a, address: \"{}\"}}], health: {{tcp: {{}}, every: 200ms, timeout: 200ms}}}}}}
roles: {{http.source: app/a}}
",
        free(),
        origin.address
    );
    fs::write(folder.path().join("chaosproxy.yaml"), document).unwrap();
    let profile = "schema: chaosproxy.profile/v1
name: orm-break-2
needs: {http.source: {}}
fault: {where: {role: http.source}, do: {health: fail}}
for: 10m
";
    fs::write(folder.path().join("ours.yaml"), profile).unwrap();
    let drill = Drill::start(folder.path(), "ours.yaml", &["--config", "chaosproxy.yaml"]);
    let words = format!("no connection: connection to {} refused", origin.address);
    let down = eventually("the server is held to be down, for a plain reason", || async {
        let clusters = drill.read("responders-token", "/api/v1/clusters").await?;
        let is_down = clusters.contains("\"down\"") && clusters.contains(&words);
        is_down.then_some(clusters)
    })
    .await;
    tells_nothing("the clusters", &down);
    tells_nothing("stderr", &drill.written("stderr"));
}

/// How long the servers think, where that is to be seen.
const THINKS: Duration = Duration::from_millis(80);

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_fault_gives_looks_like_the_servers_own_in_head_log_and_time() {
    let folder = TempDir::new().unwrap();
    let [a, b] = [Origin::slow(THINKS).await, Origin::slow(THINKS).await];
    // Without `db.source` the proxy answers for an application that would fail.
    let document = format!(
        "access_log: json
listeners: {{shop: {{bind: \"{}\", cluster: app}}}}
clusters: {{app: {{backends: [{{name: a, address: \"{}\"}}, {{name: b, address: \"{}\"}}]}}}}
roles: {{http.source: app/a, http.replica: app/b}}
",
        free(),
        a.address,
        b.address
    );
    fs::write(folder.path().join("chaosproxy.yaml"), document).unwrap();
    let drill = Drill::start(
        folder.path(),
        "orm-break",
        &["--config", "chaosproxy.yaml", "--workers", "1"],
    );
    let answers = look_through(drill).await;
    let failed: Vec<_> = answers
        .iter()
        .filter(|(answer, _)| answer.starts_with("HTTP/1.1 500"))
        .collect();
    assert!(failed.len() > 3, "{answers:?}");
    for (answer, took) in failed {
        let answer = answer.to_ascii_lowercase();
        assert!(
            answer.contains("\r\ndate: ") && !answer.contains("x-chaosproxy"),
            "{answer}"
        );
        assert!(*took >= THINKS, "after {took:?}: {answer}");
    }
    let log = fs::read_to_string(folder.path().join("stdout")).unwrap();
    let is_failed = |line: &&str| line.contains("\"status\":500") && line.contains("\"origin\":\"upstream\"");
    assert!(log.lines().filter(is_failed).count() > 3, "{log}");
}
