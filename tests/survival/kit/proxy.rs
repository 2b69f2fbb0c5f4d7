//! The proxy as people run it: the real binary, its commands and its API.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    eventually, free,
    http::{self, Response},
};

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_chaosproxy");

/// A proxy that runs.
pub struct Proxy {
    /// Where its admin API listens.
    pub admin: SocketAddr,
    folder: TempDir,
    child: Child,
}

impl Proxy {
    /// Starts two workers with a document, and waits until they serve.
    pub async fn start(document: &str) -> Self {
        Self::start_in(TempDir::new().unwrap(), document, two_workers).await
    }

    /// As [`Self::start`], in a folder that has files in it already, with more arguments.
    pub async fn start_in(folder: TempDir, document: &str, adjust: impl FnOnce(&mut Command)) -> Self {
        std::fs::write(folder.path().join("chaosproxy.yaml"), document).unwrap();
        let admin = free();
        let mut command = run(&folder, admin);
        adjust(&mut command);
        let mut proxy = Self {
            admin,
            child: command.spawn().unwrap(),
            folder,
        };
        proxy.is_ready().await;
        proxy
    }

    async fn is_ready(&mut self) {
        let admin = self.admin;
        eventually("the proxy is ready", || {
            let ended = self.child.try_wait().unwrap();
            async move {
                assert_eq!(ended, None, "it runs");
                let ready = http::get(admin, "/readyz").await;
                ready.ok().filter(|answer| answer.status() == 200)
            }
        })
        .await;
    }

    /// The folder in which its document lies.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its document.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("chaosproxy.yaml")
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Waits until its log says something once more than `before`.
    pub async fn says(&self, words: &str, before: usize) {
        let said = || async { (self.log().matches(words).count() > before).then_some(()) };
        eventually(&format!("the log says `{words}`"), said).await;
    }

    /// How often its log says something.
    pub fn count(&self, words: &str) -> usize {
        self.log().matches(words).count()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has ended; gives back its folder too.
    pub async fn ended(mut self) -> (ExitStatus, TempDir) {
        let status = eventually("the proxy has ended", || {
            let status = self.child.try_wait().unwrap();
            async move { status }
        })
        .await;
        // Whoever takes the folder out leaves an empty one to be dropped.
        let folder = std::mem::replace(&mut self.folder, TempDir::new().unwrap());
        (status, folder)
    }

    /// Asks its API.
    pub async fn api(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Response {
        let request = http::request(method, path, &[("content-type", "application/json")], body);
        let (mut head, body) = request.into_parts();
        head.headers
            .insert("host", self.admin.to_string().parse().unwrap());
        http::ask(self.admin, http::Request::from_parts(head, body))
            .await
            .unwrap()
    }

    /// Asks its API for JSON.
    pub async fn json(&self, path: &str) -> Value {
        let answer = self.api("GET", path, "").await;
        assert_eq!(answer.status(), 200, "{path}: {:?}", answer.body());
        serde_json::from_slice(answer.body()).unwrap()
    }

    /// The names of the faults that stand.
    pub async fn faults(&self) -> Vec<String> {
        let faults = self.json("/api/v1/faults").await;
        let names = faults.as_array().unwrap().iter();
        names
            .map(|fault| fault["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Sets a fault through the API.
    pub async fn add(&self, name: &str, fault: &str) {
        let faults = serde_json::json!({ "faults": { name: yaml(fault) } });
        let answer = self.api("POST", "/api/v1/faults", faults.to_string()).await;
        assert_eq!(answer.status(), 200, "{fault}: {:?}", answer.body());
    }

    /// Removes a fault through the API.
    pub async fn remove(&self, name: &str) {
        let answer = self.api("DELETE", &format!("/api/v1/faults/{name}"), "").await;
        assert_eq!(answer.status(), 200, "{name}: {:?}", answer.body());
    }

    /// Runs a command against it.
    pub async fn command(&self, line: &[&str]) -> Output {
        let mut command = Command::new(BINARY);
        command
            .args(line)
            .env("CHAOSPROXY_ADMIN", self.admin.to_string())
            .stdin(Stdio::null());
        tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap()
    }

    /// Runs a command against it, which must succeed; gives what it prints.
    pub async fn cli(&self, line: &[&str]) -> String {
        let output = self.command(line).await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line:?}: {told}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the proxy's log\n{}", self.log());
        }
    }
}

/// What most tests run with.
pub fn two_workers(command: &mut Command) {
    command.args(["--workers", "2"]);
}

/// The command line of a proxy whose document lies in a folder.
pub fn run(folder: &TempDir, admin: SocketAddr) -> Command {
    let mut command = Command::new(BINARY);
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    command
        .args(["run", "--config"])
        .arg(folder.path().join("chaosproxy.yaml"))
        .arg("--state")
        .arg(folder.path().join("state"))
        .args(["--admin", &admin.to_string()])
        .env("NO_COLOR", "1")
        .env("CHAOSPROXY_LOG", "info")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    command
}

/// A fault as people write it, as JSON.
fn yaml(fault: &str) -> Value {
    let entry: chaosproxy::faults::Entry = chaosproxy::config::read("fault", fault).unwrap();
    serde_json::to_value(entry).unwrap()
}
