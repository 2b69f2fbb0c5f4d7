//! A drill whose holder, process, disk or clock goes away leaves clean traffic, and says so afterwards.
//!
//! Every test here kills, cuts or freezes something while the faults of a drill stand, and measures how long it takes
//! until traffic is clean.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use chaosproxy::drill::{
    profile::Profile,
    profiles::{self, SHIPPED},
};
use rustix::process::Signal;

use crate::kit::{
    drill::{CLEAN_WITHIN, Process, Stage, enters, view},
    eventually, free, http,
    proxy::BINARY,
};

/// A drill that breaks everything for a minute, then looks at the service for a while; its lease is short.
const BROKEN: &str = "schema: chaosproxy.profile/v1
name: broken
needs: {http.source: {}}
clock: {replay: 1}
faults: {broken: {where: {role: http.source}, do: {abort: {status: 500}}}}
phases:
  - {name: broken, kind: wait, at: +0m, faults: [broken], leave: [{when: {after: 60s}, to: clear}]}
  - {name: clear, kind: wait, at: +1m, leave: [{when: {after: 1s}, to: end}]}
checks: {fidelity: [{in: broken, that: {hits: broken}}]}
limits: {lease_wall: 2s}
";

/// The stage for [`BROKEN`], with the profile in its folder.
async fn broken() -> (Stage, Profile) {
    let profile = profiles::read("broken.yaml", BROKEN).unwrap();
    let stage = Stage::of(&profile).await;
    std::fs::write(stage.folder.path().join("broken.yaml"), BROKEN).unwrap();
    (stage, profile)
}

/// Says how long something took, and holds it to the limit that the design gives.
#[track_caller]
fn clean_in(took: Duration, what: &str) {
    eprintln!("clean {:.2} s after {what}", took.as_secs_f64());
    assert!(took < CLEAN_WITHIN, "{took:?} after {what}");
}

/// A line of the journal of the only drill in a folder.
fn journal(stage: &Stage) -> String {
    let drills = std::fs::read_dir(stage.folder.path().join("reports")).unwrap();
    let folder = drills.last().unwrap().unwrap().path();
    std::fs::read_to_string(folder.join("journal.jsonl")).unwrap()
}

/// How fast the story goes: a phase is reached within ten seconds, and lasts for half a second at least where it can, so that
/// whoever looks now and then sees it.
fn pace(at: Option<Duration>, next: Option<Duration>) -> u64 {
    let begins = at.unwrap_or_default().as_secs();
    let lasts = next.map_or(u64::MAX, |next| next.as_secs().saturating_sub(begins));
    (lasts.saturating_mul(2)).min(1200).max(begins / 10).max(1)
}

/// Kills a proxy in a phase of a shipped profile, and starts it again as a supervisor would.
async fn killed_in(profile: &Profile, phase: &str, pace: u64) {
    let stage = Stage::of(profile).await;
    let visitors = stage.visit();
    let admin = free();
    let drill = ["--profile", &profile.name, "--wait", &pace.to_string()];
    let mut proxy = Process(stage.command(admin, &drill).spawn().unwrap());
    enters(admin, phase).await;
    proxy.signal(Signal::KILL);
    proxy.ended().await;
    let returned = Instant::now();
    let _again = Process(stage.command(admin, &[]).spawn().unwrap());
    let took = stage.clean(admin, returned).await;
    clean_in(
        took,
        &format!("the return of a proxy killed in `{phase}` of {}", profile.name),
    );
    assert!(view(admin).await.is_none(), "a drill is not taken up again");
    drop(visitors);
    let report = Command::new(BINARY)
        .args(["report", "--json"])
        .current_dir(stage.folder.path())
        .output()
        .unwrap();
    assert!(
        journal(&stage).contains(&format!("\"{phase}\"")),
        "the journal knows the phase"
    );
    let told = String::from_utf8_lossy(&report.stdout).into_owned();
    assert!(
        told.contains("\"incomplete\""),
        "{told}{}",
        String::from_utf8_lossy(&report.stderr)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_killed_in_any_phase_of_any_incident_comes_back_clean() {
    let incident = |shipped: &profiles::Shipped| {
        let profile = profiles::load(shipped.name).unwrap();
        tokio::spawn(async move {
            // The phases of the original, each in a process of its own.
            let phases: Vec<_> = profile.phases.iter().filter(|phase| phase.at.is_some()).collect();
            for (i, phase) in phases.iter().enumerate() {
                let at = |i: usize| phases.get(i).and_then(|phase| phase.at).map(|at| at.0);
                killed_in(&profile, &phase.name, pace(at(i), at(i + 1))).await;
            }
        })
    };
    for task in SHIPPED.iter().map(incident).collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_drill_ends_with_its_terminal() {
    let (stage, _) = broken().await;
    let visitors = stage.visit();
    let admin = free();
    // `script` gives the proxy a terminal of its own, which goes when `script` is killed.
    let mut terminal = Command::new("script");
    let line =
        format!("exec {BINARY} --config chaosproxy.yaml --profile ./broken.yaml --admin {admin} --workers 2");
    terminal
        .args(["--quiet", "--flush", "--command", &line, "typescript"])
        .current_dir(stage.folder.path())
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut terminal = Process(terminal.spawn().unwrap());
    enters(admin, "broken").await;
    let failed = visitors.failed();
    eventually("the fault is felt", || async {
        (visitors.failed() > failed).then_some(())
    })
    .await;
    terminal.signal(Signal::KILL);
    let cut = Instant::now();
    terminal.ended().await;
    let took = eventually("the journal says that the faults are lifted", || async {
        journal(&stage).contains("faults.lifted").then(|| cut.elapsed())
    })
    .await;
    clean_in(took, "the loss of the terminal");
    assert!(journal(&stage).contains("the end of its terminal"));
    eventually("the proxy is gone", || async {
        http::get(admin, "/readyz").await.is_err().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_proxy_that_was_frozen_wakes_up_clean() {
    let (stage, _) = broken().await;
    let _visitors = stage.visit();
    let admin = free();
    let mut proxy = Process(
        stage
            .command(admin, &["--profile", "./broken.yaml", "--exit"])
            .spawn()
            .unwrap(),
    );
    enters(admin, "broken").await;
    proxy.signal(Signal::STOP);
    // Longer than the lease lives.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    proxy.signal(Signal::CONT);
    let woken = Instant::now();
    let took = eventually("the journal says that the faults are lifted", || async {
        journal(&stage).contains("faults.lifted").then(|| woken.elapsed())
    })
    .await;
    clean_in(took, "the end of a freeze longer than the lease");
    assert_eq!(
        proxy.ended().await.code(),
        Some(3),
        "stopped by a rule\n{}",
        stage.log()
    );
    assert!(stage.log().contains("lease"), "{}", stage.log());
}

#[tokio::test]
async fn a_disk_that_is_full_ends_the_drill() {
    let (stage, _) = broken().await;
    let visitors = stage.visit();
    let admin = free();
    std::fs::create_dir(stage.folder.path().join("reports")).unwrap();
    // A file system of its own, too small for the journal of a minute.
    let mut shell = Command::new("unshare");
    let line = "mount -t tmpfs -o size=4k none reports && exec \"$@\"";
    shell.args(["--mount", "--map-root-user", "sh", "-c", line, "sh", BINARY]);
    stage.prepare(&mut shell, admin, &["--profile", "./broken.yaml"]);
    let mut proxy = Process(shell.spawn().unwrap());
    enters(admin, "broken").await;
    let ended = eventually("the drill ends for want of evidence", || async {
        view(admin).await?["ended"].is_object().then(Instant::now)
    })
    .await;
    clean_in(stage.clean(admin, ended).await, "the disk was full");
    assert!(visitors.failed() > 0, "the fault was felt before");
    eventually("it says so", || async {
        stage.log().contains("evidence was lost").then_some(())
    })
    .await;
    proxy.signal(Signal::TERM);
    assert_eq!(
        proxy.ended().await.code(),
        Some(3),
        "stopped by a rule: {}",
        stage.log()
    );
}

#[tokio::test]
async fn a_clock_that_jumps_neither_ends_nor_prolongs_anything() {
    let (stage, _) = broken().await;
    let _visitors = stage.visit();
    let (admin, clock) = (free(), stage.folder.path().join("clock"));
    std::fs::write(&clock, "+0d").unwrap();
    // The wall clock of the process is read from a file; its monotonic clock is left alone, as a step of the time leaves it.
    let mut faked = Command::new(BINARY);
    faked
        .env("LD_PRELOAD", libfaketime())
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let text = BROKEN.replace("60s", "4s");
    std::fs::write(stage.folder.path().join("broken.yaml"), text).unwrap();
    stage.prepare(&mut faked, admin, &["--profile", "./broken.yaml", "--exit"]);
    let begun = Instant::now();
    let mut proxy = Process(faked.spawn().unwrap());
    enters(admin, "broken").await;
    std::fs::write(&clock, "+400d").unwrap();
    eventually("the story goes on", || async {
        (view(admin).await?["wallms"].as_u64()? > 2000).then_some(())
    })
    .await;
    std::fs::write(&clock, "-400d").unwrap();
    enters(admin, "clear").await;
    clean_in(
        stage.clean(admin, Instant::now()).await,
        "the faults of a phase that two jumps of the clock were in",
    );
    assert_eq!(proxy.ended().await.code(), Some(0), "{}", stage.log());
    let took = begun.elapsed().as_secs();
    assert!((5..15).contains(&took), "{took} s");
    let years: std::collections::BTreeSet<String> = journal(&stage)
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["time"]
                .as_str()
                .unwrap()[..4]
                .to_owned()
        })
        .collect();
    assert!(years.len() >= 2, "the wall clock did jump: {years:?}");
}

/// Where Debian's package `faketime` keeps its library; its command line would fix the time for good.
fn libfaketime() -> std::path::PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap();
    folders
        .map(|folder| folder.unwrap().path().join("faketime/libfaketime.so.1"))
        .find(|library| library.exists())
        .expect("tests/run installs faketime")
}
