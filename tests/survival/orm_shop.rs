//! `examples/orm-shop`: a real web shop loses its database through the proxy, and gets it back.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::kit::{drill::enters, eventually, http, proxy::BINARY};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/orm-shop")
}

/// The script under way. Whatever it makes for a while is made in a folder of ours.
struct Running {
    child: Child,
    said: BufReader<ChildStdout>,
    heard: String,
    folder: TempDir,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        // PostgreSQL runs as somebody else where the test is root.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let mut child = Command::new(example().join("run"))
            .args(arguments)
            .env("CHAOSPROXY", BINARY)
            .env("TMPDIR", folder.path())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            said,
            heard: String::new(),
            folder,
        }
    }

    /// Where it writes what stays: it says so first.
    fn folder_of_logs(&mut self) -> PathBuf {
        self.said.read_line(&mut self.heard).unwrap();
        let (_, folder) = self.heard.trim_end().split_once(": ").unwrap();
        folder.into()
    }

    /// What Ctrl-C does.
    fn interrupt(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
    }

    /// Its exit status, and all that it said on its standard output.
    fn end(&mut self) -> (Option<i32>, String) {
        self.said.read_to_string(&mut self.heard).unwrap();
        (self.child.wait().unwrap().code(), self.heard.clone())
    }

    /// Whether it left anything behind in the place of temporary files.
    fn is_tidy(&self) -> bool {
        std::fs::read_dir(self.folder.path()).unwrap().next().is_none()
    }
}

fn journal_in(folder: &Path) -> PathBuf {
    let mut drills = std::fs::read_dir(folder.join("reports")).unwrap();
    drills.next().unwrap().unwrap().path().join("journal.jsonl")
}

/// What a line of the figures says: `outage  49.9% of 1578    0.0% of  265`, as numbers.
fn figures(said: &str, phase: &str) -> Vec<f64> {
    let line = said.lines().find(|line| line.trim_start().starts_with(phase));
    let words = line.unwrap_or_else(|| panic!("no figures of {phase}:\n{said}"));
    let numbers = words.split_whitespace().map(|word| word.trim_end_matches('%'));
    numbers.filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn the_shop_really_fails_and_really_recovers() {
    let mut running = Running::start(&["--wait", "80", "--seed", "7"]);
    let folder = running.folder_of_logs();
    let (status, said) = running.end();
    assert_eq!(status, Some(0), "{said}");
    let [reads, asked, writes, wanted] = figures(&said, "outage")[..] else {
        panic!("{said}")
    };
    assert!((45.0..=55.0).contains(&reads) && asked > 100.0, "{said}");
    assert!(writes == 0.0 && wanted > 100.0, "{said}");
    for phase in ["latent", "clear"] {
        let [reads, _, writes, wanted] = figures(&said, phase)[..] else {
            panic!("{said}")
        };
        assert!(reads == 100.0 && writes == 100.0 && wanted > 0.0, "{said}");
    }
    assert!(running.is_tidy());

    // It is honest: by the log of the process that never failed, the same drill is not what it should be.
    let judged = Command::new("python3")
        .arg("-B")
        .arg(example().join("figures.py"))
        .arg(journal_in(&folder))
        .arg(folder.join("app-replica.log"))
        .output()
        .unwrap();
    let why = String::from_utf8_lossy(&judged.stderr);
    assert_eq!(judged.status.code(), Some(1), "{why}");
    assert!(why.contains("in outage"), "{why}");
}

#[tokio::test]
async fn the_runbook_saves_the_reads_and_control_c_ends_all_of_it() {
    let mut running = Running::start(&["--wait", "80", "--seed", "7"]);
    let folder = running.folder_of_logs();
    let admin: SocketAddr = eventually("the document is written", || {
        let document = std::fs::read_to_string(folder.join("chaosproxy.yaml")).unwrap_or_default();
        let admin = document
            .lines()
            .find_map(|line| line.strip_prefix("admin: {bind: "));
        std::future::ready(admin.and_then(|line| line.trim_end_matches('}').parse().ok()))
    })
    .await;
    enters(admin, "outage").await;
    let drain = http::request("POST", "/api/v1/backends/shop/app-source/drain", &[], "");
    assert_eq!(http::ask(admin, drain).await.unwrap().status(), 200);
    enters(admin, "reads-saved").await;
    let reads = |process: &str| {
        let log = std::fs::read_to_string(folder.join(process)).unwrap();
        log.lines().filter(|line| line.contains(" GET ")).count()
    };
    // What was under way when it was drained has been answered long since when the other has answered so many.
    let grown = async |by: usize| {
        let before = reads("app-replica.log");
        eventually("reads are served", || {
            std::future::ready((reads("app-replica.log") >= before + by).then_some(()))
        })
        .await;
    };
    grown(50).await;
    let before = reads("app-source.log");
    grown(100).await;
    assert_eq!(reads("app-source.log"), before, "what is drained gets no reads");

    running.interrupt();
    let ended = tokio::task::spawn_blocking(move || (running.end(), running.is_tidy()));
    let ((status, said), tidy) = ended.await.unwrap();
    assert_eq!(status, Some(130), "{said}");
    assert!(tidy && std::net::TcpStream::connect(admin).is_err());
    let journal = std::fs::read_to_string(journal_in(&folder)).unwrap();
    assert!(journal.contains("faults.lifted"), "{journal}");
}
