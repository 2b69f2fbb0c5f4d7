//! A drill under test: the real binary with a profile, in front of small origins, with visitors that never stop coming.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use chaosproxy::drill::profile::Profile;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::{eventually, free, http, origin::Origin, proxy::BINARY};

/// A fault lives this long at most once whoever held it is gone.
pub const CLEAN_WITHIN: Duration = Duration::from_secs(10);

/// So many good answers in a row, on each listener, are a service that is clean.
const GOOD_IN_A_ROW: usize = 20;

/// How often each visitor comes.
const VISIT_EVERY: Duration = Duration::from_millis(5);

/// What a drill needs around it: a document that binds every role of its profile, the servers behind it, a folder.
pub struct Stage {
    pub folder: TempDir,
    listeners: Vec<SocketAddr>,
    _origins: Vec<Origin>,
}

impl Stage {
    /// Servers and a document for every role that a profile knows.
    pub async fn of(profile: &Profile) -> Self {
        let (mut origins, mut listeners) = (Vec::new(), Vec::new());
        let (mut clusters, mut roles, mut binds) = (String::new(), String::new(), String::new());
        for (i, (role, need)) in profile.needs.iter().enumerate() {
            let public = free();
            listeners.push(public);
            writeln!(binds, "  l{i}: {{bind: \"{public}\", cluster: c{i}}}").unwrap();
            writeln!(roles, "  {role}: c{i}{}", if need.min > 1 { "" } else { "/b0" }).unwrap();
            writeln!(clusters, "  c{i}:\n    backends:").unwrap();
            for j in 0..need.min.max(1) {
                let origin = Origin::quick().await;
                writeln!(
                    clusters,
                    "      - {{name: b{j}, address: \"{}\"}}",
                    origin.address
                )
                .unwrap();
                origins.push(origin);
            }
        }
        let folder = TempDir::new().unwrap();
        let document = format!("listeners:\n{binds}clusters:\n{clusters}roles:\n{roles}");
        std::fs::write(folder.path().join("chaosproxy.yaml"), document).unwrap();
        Self {
            folder,
            listeners,
            _origins: origins,
        }
    }

    /// The command line of a proxy in this folder.
    pub fn command(&self, admin: SocketAddr, more: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        self.prepare(&mut command, admin, more);
        command
    }

    /// Adds what every proxy here is started with.
    pub fn prepare(&self, command: &mut Command, admin: SocketAddr, more: &[&str]) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"));
        command
            .args(["--config", "chaosproxy.yaml", "--workers", "2", "--seed", "7"])
            .args(["--admin", &admin.to_string()])
            .args(more)
            .current_dir(self.folder.path())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.unwrap());
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Visitors on every listener, until they are dropped.
    pub fn visit(&self) -> Visitors {
        let failed = Arc::new(AtomicU64::new(0));
        let visitor = |&address: &SocketAddr| {
            let failed = failed.clone();
            tokio::spawn(async move {
                loop {
                    let answer = tokio::time::timeout(Duration::from_secs(1), http::get(address, "/")).await;
                    if !matches!(answer, Ok(Ok(answer)) if answer.status() == 200) {
                        failed.fetch_add(1, Relaxed);
                    }
                    tokio::time::sleep(VISIT_EVERY).await;
                }
            })
        };
        Visitors {
            tasks: self.listeners.iter().map(visitor).collect(),
            failed,
        }
    }

    /// Waits until every listener gives nothing but good answers and no fault stands; says how long that took.
    pub async fn clean(&self, admin: SocketAddr, since: Instant) -> Duration {
        for &address in &self.listeners {
            let good = AtomicU64::new(0);
            eventually("good answers in a row", || async {
                let answer = tokio::time::timeout(Duration::from_secs(1), http::get(address, "/")).await;
                let is_good = matches!(answer, Ok(Ok(answer)) if answer.status() == 200);
                let row = if is_good { good.load(Relaxed) + 1 } else { 0 };
                good.store(row, Relaxed);
                (row >= GOOD_IN_A_ROW as u64).then_some(())
            })
            .await;
        }
        let took = since.elapsed();
        if let Ok(faults) = http::get(admin, "/api/v1/faults").await {
            assert_eq!(&faults.body()[..], b"[]", "no fault stands");
        }
        took
    }
}

/// Clients that come steadily. They leave when this is dropped.
pub struct Visitors {
    tasks: Vec<JoinHandle<()>>,
    failed: Arc<AtomicU64>,
}

impl Visitors {
    /// How many visits went wrong so far.
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }
}

impl Drop for Stage {
    /// A test that fails shows what the proxy said.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

impl Drop for Visitors {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// A process that is ended with the test.
pub struct Process(pub Child);

impl Process {
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        eventually("the process has ended", || {
            let status = self.0.try_wait().unwrap();
            async move { status }
        })
        .await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the API says of the drill, once there is one.
pub async fn view(admin: SocketAddr) -> Option<Value> {
    let answer = http::get(admin, "/api/v1/drill").await.ok()?;
    let drill: Value = serde_json::from_slice(answer.body()).ok()?;
    drill.get("view").filter(|view| view.is_object()).cloned()
}

/// Waits until the drill is in a phase.
pub async fn enters(admin: SocketAddr, phase: &str) {
    eventually(&format!("the drill enters `{phase}`"), || async {
        (view(admin).await?["phase"] == phase).then_some(())
    })
    .await;
}
