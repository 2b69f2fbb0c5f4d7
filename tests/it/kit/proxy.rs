//! The proxy as a process of its own, with its admin API, its log and its access log.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
};

use super::{Answer, Doc, H1, eventually, origin::whole, within};

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_chaosproxy");

/// A running proxy; it is killed when dropped.
pub struct Proxy {
    child: Child,
    admin: SocketAddr,
    listeners: HashMap<String, SocketAddr>,
    lines: Lines,
    access: Lines,
    folder: tempfile::TempDir,
}

type Lines = Arc<Mutex<Vec<String>>>;

/// How a proxy is started.
pub struct Setup {
    arguments: Vec<String>,
    files: Vec<(PathBuf, String)>,
    most_files: Option<u32>,
}

impl Setup {
    /// With further arguments.
    pub fn arguments(mut self, more: &[&str]) -> Self {
        self.arguments.extend(more.iter().map(|&one| one.to_owned()));
        self
    }

    /// With a file beside the document.
    pub fn file(mut self, name: &str, text: impl Into<String>) -> Self {
        self.files.push((name.into(), text.into()));
        self
    }

    /// With at most so many open files.
    pub fn most_files(mut self, most: u32) -> Self {
        self.most_files = Some(most);
        self
    }

    /// Starts it and waits until it listens.
    pub async fn start(self, document: impl Into<String>) -> Proxy {
        let (child, folder) = self.spawn(document);
        Proxy::of(child, folder).await
    }

    /// Starts it, whatever comes of it.
    pub fn spawn(self, document: impl Into<String>) -> (Child, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(DOCUMENT), document.into()).unwrap();
        for (name, text) in self.files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let mut command = match self.most_files {
            None => Command::new(BINARY),
            Some(most) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {most}; exec \"$0\" \"$@\""), BINARY]);
                shell
            }
        };
        command
            .args([
                "run",
                "--admin",
                "127.0.0.1:0",
                "--log-format",
                "json",
                "--log",
                "info,chaosproxy::proxy=debug",
                "--config",
            ])
            .arg(folder.path().join(DOCUMENT))
            .args(self.arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        (command.spawn().unwrap(), folder)
    }
}

const DOCUMENT: &str = "chaosproxy.yaml";

impl Proxy {
    /// How a proxy is started that differs from the rest.
    pub fn setup() -> Setup {
        Setup {
            arguments: Vec::new(),
            files: Vec::new(),
            most_files: None,
        }
    }

    /// Starts a proxy and waits until it listens.
    pub async fn start(document: &Doc) -> Self {
        Self::setup().start(document.text()).await
    }

    /// One worker only, so that what is decided per worker is decided once.
    pub async fn start_single(document: &Doc) -> Self {
        Self::setup()
            .arguments(&["--workers", "1"])
            .start(document.text())
            .await
    }

    /// Starts one in the place of `toxiproxy-server`, with these flags, and waits until it listens.
    pub async fn in_place(flags: &[&str]) -> Self {
        Self::in_place_by("--default-signal=HUP", flags).await
    }

    /// The same, started by `env` with this flag: the tests themselves may run under `nohup`.
    pub async fn in_place_by(how: &str, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new("env")
            .args([how, BINARY, "toxiproxy", "-port=0"])
            .args(flags)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self::of(child, folder).await
    }

    async fn of(mut child: Child, folder: tempfile::TempDir) -> Self {
        let lines = gather(child.stderr.take().unwrap());
        let access = gather(child.stdout.take().unwrap());
        let mut proxy = Self {
            child,
            admin: SocketAddr::from(([127, 0, 0, 1], 0)),
            listeners: HashMap::new(),
            lines,
            access,
            folder,
        };
        let lines = proxy.lines.clone();
        let started = async || proxy.admin.port() != 0 || proxy.look_whether_it_listens(&lines);
        eventually("the proxy listens", started).await;
        proxy
    }

    fn look_whether_it_listens(&mut self, lines: &Lines) -> bool {
        for line in lines.lock().unwrap().iter() {
            // What is no log line says why it could not start.
            let Ok(line) = serde_json::from_str::<Value>(line) else {
                continue;
            };
            let address = || line["address"].as_str().unwrap().parse().unwrap();
            match line["message"].as_str() {
                Some("listening") => {
                    let name = line["listener"].as_str().unwrap();
                    self.listeners.insert(name.to_owned(), address());
                }
                Some("admin API listening") => self.admin = address(),
                _ => {}
            }
        }
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("the proxy ended with {status}: {:?}", lines.lock().unwrap());
        }
        self.admin.port() != 0
    }

    /// Where its listener `public` is.
    pub fn address(&self) -> SocketAddr {
        self.listener("public")
    }

    /// Where a listener is.
    pub fn listener(&self, name: &str) -> SocketAddr {
        self.listeners[name]
    }

    /// Where its admin API is.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The folder of its document.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the document anew.
    pub fn rewrite(&self, text: impl Into<String>) {
        let next = self.folder.path().join("next");
        std::fs::write(&next, text.into()).unwrap();
        std::fs::rename(next, self.folder.path().join(DOCUMENT)).unwrap();
    }

    /// Asks the admin API.
    pub async fn api(&self, method: Method, path: &str, kind: &str, body: impl Into<Bytes>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.admin.to_string());
        let body = body.into();
        let request = match body.is_empty() {
            true => request,
            false => request.header("content-type", kind),
        };
        H1::connect(self.admin)
            .await
            .ask(request.body(whole(body)).unwrap())
            .await
    }

    /// Reads from the admin API.
    pub async fn show(&self, path: &str) -> Value {
        let answer = self.api(Method::GET, path, "", "").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Orders something that must be done.
    pub async fn order(&self, path: &str, body: Value) -> Value {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let answer = self.api(Method::POST, path, "application/json", body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Sets a fault by hand: `slow`, `do: {latency: {add: 300ms}}`.
    pub async fn inject(&self, name: &str, fault: &str) {
        let answer = self.try_inject(name, &format!("for: 5m, {fault}")).await;
        assert_eq!(answer.status, 200, "{fault}: {}", answer.text());
    }

    /// The same, whatever the API thinks of it; `for` is not added.
    pub async fn try_inject(&self, name: &str, fault: &str) -> Answer {
        let body = format!("faults: {{{name}: {{{fault}}}}}");
        self.api(Method::POST, "/api/v1/faults", "application/yaml", body)
            .await
    }

    /// Lifts a fault.
    pub async fn lift(&self, name: &str) {
        let path = format!("/api/v1/faults/{name}");
        let answer = self.api(Method::DELETE, &path, "", "").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Puts a document in force through the API.
    pub async fn apply(&self, text: impl Into<String>) -> Answer {
        let text: String = text.into();
        self.api(Method::PUT, "/api/v1/config", "application/yaml", text)
            .await
    }

    /// The revision in force.
    pub async fn revision(&self) -> u64 {
        self.show("/api/v1/status").await["revision"].as_u64().unwrap()
    }

    /// What a backend of `app` is doing.
    pub async fn backend(&self, name: &str) -> Value {
        let cluster = self.show("/api/v1/clusters/app").await;
        let backends = cluster["backends"].as_array().unwrap();
        backends.iter().find(|one| one["name"] == name).unwrap().clone()
    }

    /// Waits until a backend of `app` has this health: `up`, `down`, `ejected`.
    pub async fn wait_for_health(&self, name: &str, health: &str) {
        let what = format!("{name} is {health}");
        eventually(&what, async || self.backend(name).await["health"] == health).await;
    }

    /// The sum of the samples of a metric whose labels contain all of these.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let page = self.api(Method::GET, "/metrics", "", "").await;
        let samples = page
            .text()
            .lines()
            .filter(|line| line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} ")));
        let wanted = samples.filter(|line| labels.iter().all(|label| line.contains(label)));
        wanted
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }

    /// Waits until a counter with this label stands at so many: an exchange is counted a moment after its answer.
    pub async fn counts(&self, name: &str, label: &str, expected: f64) {
        let what = format!("{name} of {label} is {expected}");
        eventually(&what, async || self.metric(name, &[label]).await == expected).await;
    }

    /// Exchanges that a fault holds now.
    pub async fn held(&self) -> f64 {
        self.metric("chaosproxy_held_requests", &[]).await
    }

    /// Waits for so many lines of the access log.
    pub async fn access(&self, n: usize) -> Vec<Value> {
        let what = format!("{n} lines in the access log");
        eventually(&what, async || self.access.lock().unwrap().len() >= n).await;
        self.access_so_far()
    }

    /// The lines of the access log that are written by now.
    pub fn access_so_far(&self) -> Vec<Value> {
        let lines = self.access.lock().unwrap();
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Waits for a line of the log that contains all of these.
    pub async fn logs(&self, parts: &[&str]) {
        eventually(&format!("it logs {parts:?}"), async || self.has_logged(parts)).await;
    }

    /// Whether a line of the log contains all of these.
    pub fn has_logged(&self, parts: &[&str]) -> bool {
        let lines = self.lines.lock().unwrap();
        lines
            .iter()
            .any(|line| parts.iter().all(|part| line.contains(part)))
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the proxy is alive")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        within("the proxy to end", self.child.wait()).await.unwrap()
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// How much memory it takes, in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Pulls the emergency brake.
    pub async fn panic(&self) -> Value {
        self.order("/api/v1/panic", json!(null)).await
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the proxy's log");
            for line in self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                eprintln!("{line}");
            }
            eprintln!("--- the proxy's access log, its end");
            for line in self
                .access
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .iter()
                .rev()
                .take(20)
            {
                eprintln!("{line}");
            }
        }
    }
}

/// Gathers the lines of a pipe for as long as it is open.
fn gather(pipe: impl AsyncRead + Send + Unpin + 'static) -> Lines {
    let lines = Lines::default();
    let gathered = lines.clone();
    tokio::spawn(async move {
        let mut pipe = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = pipe.next_line().await {
            gathered.lock().unwrap().push(line);
        }
    });
    lines
}
