//! Incidents replayed against the built-in services in compressed real time: each comes out as its report says.

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::kit::{free, proxy::BINARY};

/// Replays an incident, and gives its report; every check must have held.
async fn replay(profile: &'static str) -> Value {
    let folder = TempDir::new().unwrap();
    let mut command = Command::new(BINARY);
    command
        .args(["--profile", profile, "--exit", "--json", "--seed", "7"])
        .args(["--wait", "60", "--admin", &free().to_string()])
        .current_dir(folder.path());
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap());
    let ran = ran.await.unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(0), "{said}");
    assert!(said.contains("every check held"), "{said}");
    serde_json::from_slice(&ran.stdout).unwrap()
}

/// The phases that a run went through, with their moments of the story.
fn phases(report: &Value) -> Vec<String> {
    let phases = report["phases"].as_array().unwrap().iter();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    phases
        .map(|phase| format!("{} {}", word(&phase["from"]), word(&phase["phase"])))
        .collect()
}

/// The acts that were done or refused, with their moments of the story.
fn acts(report: &Value) -> Vec<String> {
    let lines = report["story"].as_array().unwrap().iter();
    let ended = lines.filter(|line| line["type"] == "chaosproxy.act.ended.v1");
    let act = |line: &Value| {
        let minutes = line["storyms"].as_u64().unwrap() / 60_000;
        let data = &line["data"];
        let word = |key: &str| data[key].as_str().unwrap().to_owned();
        format!("+{minutes}m {} {}", word("act"), word("result"))
    };
    ended.map(act).collect()
}

#[tokio::test]
async fn bad_reload_comes_out_as_it_was() {
    let report = replay("bad-reload").await;
    assert_eq!(phases(&report), ["+0m push", "+2m outage", "+28m clear"]);
    assert_eq!(
        acts(&report),
        [
            "+16m rollback refused",
            "+27m clear-checks ok",
            "+28m rollback ok"
        ]
    );
    let bad = report["figures"]["bad_minutes"].as_f64().unwrap();
    assert!((25.0..27.0).contains(&bad), "26 bad minutes, not {bad}");
}

#[tokio::test]
async fn standby_overload_comes_out_as_it_was() {
    let report = replay("standby-overload").await;
    assert_eq!(
        phases(&report),
        [
            "+0m latent",
            "+11m failover",
            "+21m outage",
            "+66m restart",
            "+70m ramp",
            "+88m clear"
        ]
    );
    assert_eq!(
        acts(&report),
        [
            "+46m rollback refused",
            "+56m find-cause ok",
            "+66m rollback ok",
            "+70m restart ok"
        ]
    );
    let bad = report["figures"]["bad_minutes"].as_f64().unwrap();
    assert!((53.0..60.0).contains(&bad), "58 bad minutes, not {bad}");
}

#[test]
fn a_skeleton_is_proven_and_comes_to_its_end() {
    let folder = TempDir::new().unwrap();
    let chaosproxy = |args: &[&str]| {
        let ran = Command::new(BINARY)
            .args(args)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        (
            ran.status.code(),
            String::from_utf8_lossy(&ran.stdout).into_owned() + &said,
        )
    };
    let (status, said) = chaosproxy(&["profiles", "new", "our-outage"]);
    assert_eq!(status, Some(0), "{said}");
    let (status, said) = chaosproxy(&["profiles", "new", "our-outage"]);
    assert!(
        status == Some(2) && said.contains("exists and was left alone"),
        "{said}"
    );
    let (status, said) = chaosproxy(&["check", "our-outage.yaml"]);
    assert!(
        status == Some(0) && said.contains("4 phases, 3 acts, 4 checks"),
        "{said}"
    );
    let admin = free().to_string();
    let (status, said) = chaosproxy(&["--profile", "our-outage.yaml", "--exit", "--admin", &admin]);
    assert!(status == Some(0) && said.contains("every check held"), "{said}");
}
