//! The incidents in which auth calls hang: replayed against the demo, and rehearsed by hand, with and without a second collapse.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use chaosproxy::drill::profiles;
use serde_json::Value;
use tempfile::TempDir;

use crate::kit::{
    drill::{Process, enters, view},
    eventually, free, http,
    proxy::BINARY,
};

/// A story minute a second: a second on the wall is the grain of monitoring, of the edge, and of what is measured.
const TOLERANCE_MINUTES: f64 = 3.0;

/// The proxy with its demo in a folder.
fn demo(folder: &Path, line: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    let log = std::fs::File::create(folder.join("log")).unwrap();
    command
        .args(["--workers", "2", "--seed", "7", "--exit"])
        .args(line)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    command
}

fn report(folder: &Path) -> Value {
    let drills = std::fs::read_dir(folder.join("reports")).unwrap();
    let drill = drills.last().unwrap().unwrap().path();
    serde_json::from_str(&std::fs::read_to_string(drill.join("report.json")).unwrap()).unwrap()
}

/// Replays a shipped incident; when it was over in the original, and what it cost then, is told by minutes of the story.
async fn replay(name: &'static str) -> Value {
    let folder = TempDir::new().unwrap();
    let admin = free().to_string();
    let mut command = demo(folder.path(), &["--profile", name, "--admin", &admin]);
    let status = tokio::task::spawn_blocking(move || command.status().unwrap())
        .await
        .unwrap();
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert_eq!(status.code(), Some(0), "{log}");
    report(folder.path())
}

/// Every interval that the original has, too, took as long as in the original.
fn takes_as_long(report: &Value) {
    let minutes = |span: &Value| {
        let span: chaosproxy::units::Span = serde_json::from_value(span.clone()).unwrap();
        span.0.as_secs_f64() / 60.0
    };
    let rows = report["figures"]["rows"].as_array().unwrap();
    let both: Vec<_> = rows
        .iter()
        .filter(|row| !row["story"].is_null() && !row["original"].is_null())
        .collect();
    assert!(both.len() >= 5, "{rows:#?}");
    for row in both {
        let apart = minutes(&row["story"]) - minutes(&row["original"]);
        assert!(apart.abs() <= TOLERANCE_MINUTES, "{row:#?}");
    }
    let bad = |key: &str| report["figures"][key].as_f64().unwrap();
    let apart = bad("bad_minutes") - bad("original_bad_minutes");
    assert!(apart.abs() <= TOLERANCE_MINUTES, "{apart}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hung_auth_is_as_long_and_as_bad_as_it_was() {
    takes_as_long(&replay("hung-auth").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hung_auth_quiet_is_as_long_and_as_bad_as_it_was() {
    takes_as_long(&replay("hung-auth-quiet").await);
}

/// A rehearsal with its hands.
struct Room {
    folder: TempDir,
    admin: std::net::SocketAddr,
}

impl Room {
    fn run(&self, line: &[&str]) -> Output {
        let mut command = Command::new(BINARY);
        let admin = self.admin.to_string();
        command
            .args(line)
            .env("CHAOSPROXY_ADMIN", admin)
            .output()
            .unwrap()
    }

    fn does(&self, line: &[&str]) {
        let output = self.run(line);
        assert!(output.status.success(), "{line:?}: {output:?}\n{}", self.log());
    }

    fn admits(&self, share: &str) {
        for cluster in ["shop", "shop-writes"] {
            self.does(&["lb", "admit", share, "--cluster", cluster]);
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    async fn visits(&self, phase: &str) {
        enters(self.admin, phase).await;
        // What is measured of a phase begins two seconds after it, by the drill's own clock.
        let wall = async || view(self.admin).await?["wallms"].as_u64();
        let entered = wall().await.unwrap();
        eventually(&format!("the drill has looked at `{phase}`"), || async {
            (wall().await? >= entered + 4000).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rehearsed_by_hand_at_once_collapses_and_in_turn_does_not() {
    let folder = TempDir::new().unwrap();
    let text = profiles::find("hung-auth").unwrap().text;
    // Nobody does what the original did: everything is done by hand.
    let mut by_hand = String::new();
    for line in text.lines().filter(|line| !line.starts_with("    original: ")) {
        by_hand += line;
        by_hand.push('\n');
    }
    std::fs::write(folder.path().join("hung-auth.yaml"), by_hand).unwrap();
    let admin = free();
    let line = ["--profile", "./hung-auth.yaml", "--wait", "120"];
    let mut command = demo(folder.path(), &line);
    command.args(["--admin", &admin.to_string()]);
    let mut proxy = Process(command.spawn().unwrap());
    let room = Room { folder, admin };

    room.visits("outage").await;
    assert!(
        !room.run(&["act", "restart-at-once"]).status.success(),
        "not before the rollback"
    );
    room.does(&["act", "rollback"]);
    eventually("the rollback is refused", || async {
        room.log()
            .contains("rejected by the security checks")
            .then_some(())
    })
    .await;
    room.does(&["act", "clear-checks"]);
    room.does(&["act", "rollback"]);
    room.visits("restart").await;
    room.does(&["act", "restart-at-once"]);
    enters(admin, "collapse").await;
    enters(admin, "restart").await;
    assert!(
        !room.run(&["act", "restart-in-turn"]).status.success(),
        "monitoring is still there"
    );
    room.does(&["act", "quiet-monitors"]);
    room.admits("0%");
    room.does(&["act", "restart-in-turn"]);
    enters(admin, "starting").await;
    enters(admin, "quarter").await;
    room.admits("25%");
    enters(admin, "open").await;
    room.admits("100%");
    let status = proxy.ended().await;
    assert_eq!(status.code(), Some(0), "{}", room.log());
    let log = room.log();
    assert_eq!(log.matches("  collapse  stampede").count(), 1, "{log}");
    let told = [
        "shut-out  done (the proxy: admitted up to 0%)",
        "admit-quarter  done (the proxy: admitted up to 25%)",
        "admit-all  done (the proxy: admitted up to 100%)",
    ];
    assert!(told.iter().all(|line| log.contains(line)), "{log}");
    assert!(http::get(admin, "/readyz").await.is_err(), "the proxy has ended");
}
