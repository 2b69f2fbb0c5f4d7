//! Whole drills in a simulated world: what they come to, what they leave, and what their report says.

use std::{path::PathBuf, sync::Arc};

use tokio::time::timeout;

use super::*;
use crate::{
    drill::{
        Mode, Terminal, Verdict, journal,
        remote::{Remote, remote},
        report::{Came, Comparison, Report, html, json, junit, markdown, save},
        simulated::{Nature, Simulated, bound, orm_break},
        verdict::CheckResult,
    },
    telemetry::screen::testing::Paper,
};

mod people;
mod running;

/// Remembers nothing.
struct Nobody;

impl Watcher for Nobody {
    fn recorded(&mut self, _: &Stamped, _: &str) {}
    fn looked(&mut self, _: &View) {}
}

struct Played {
    outcome: Outcome,
    world: Arc<Simulated>,
    text: String,
    folder: tempfile::TempDir,
}

impl Played {
    fn report(&self) -> Report {
        Report::of(&self.text)
    }

    fn results(&self) -> Vec<CheckResult> {
        self.outcome
            .judgement
            .checks
            .iter()
            .map(|check| check.result)
            .collect()
    }
}

/// Plays a drill while somebody meddles with it.
async fn play(
    nature: Nature,
    with_database: bool,
    meddle: impl AsyncFnOnce(Remote, Arc<Simulated>),
) -> Played {
    play_as(Mode::Replay, nature, with_database, meddle).await
}

async fn play_as(
    mode: Mode,
    nature: Nature,
    with_database: bool,
    meddle: impl AsyncFnOnce(Remote, Arc<Simulated>),
) -> Played {
    play_script(orm_break(mode, with_database), nature, meddle).await
}

async fn play_script(
    script: Script,
    nature: Nature,
    meddle: impl AsyncFnOnce(Remote, Arc<Simulated>),
) -> Played {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("journal.jsonl");
    let world = Arc::new(Simulated::new(nature));
    let journal = Journal::create(&path, "orm-break-test").await.unwrap();
    let (remote, inbox) = remote();
    let mut nobody = Nobody;
    let (outcome, ()) = tokio::join!(
        run(script, &*world, journal, &mut nobody, inbox),
        meddle(remote, world.clone()),
    );
    let text = std::fs::read_to_string(&path).unwrap();
    Played {
        outcome,
        world,
        text,
        folder,
    }
}

/// A report without what changes from day to day: its date, the version, the hash of the profile.
fn without_accidents(text: &str, report: &Report) -> String {
    let date = report
        .began
        .unwrap()
        .strftime("%-d %B %Y, %H:%M:%S UTC")
        .to_string();
    let started = report.started.as_ref().unwrap();
    text.replace(&date, "[date]")
        .replace(&started.version, "[version]")
        .replace(&started.hash, "[hash]")
        .replace(&report.last, "[last]")
}

async fn nothing(_: Remote, _: Arc<Simulated>) {}

#[tokio::test(start_paused = true)]
async fn a_replay_reproduces_the_incident_and_recovers() {
    use CheckResult::{Held, NotAsked};
    let played = play(Nature::Honest, true, nothing).await;
    assert_eq!(played.outcome.judgement.exit, 0, "{:#?}", played.outcome);
    assert_eq!(played.results(), [Held, Held, NotAsked, Held, Held]);
    assert_eq!(played.outcome.judgement.checks[0].measured, Some(0.0));
    let reads = played.outcome.judgement.checks[1].measured.unwrap();
    assert!((0.49..0.51).contains(&reads), "{reads}");
    assert!(played.world.held().is_empty());
    assert!(!played.world.is_leased());
}

#[tokio::test(start_paused = true)]
async fn the_simulated_form_comes_to_the_same() {
    let played = play(Nature::Honest, false, nothing).await;
    assert_eq!(played.outcome.judgement.exit, 0, "{:#?}", played.outcome);
    assert!(markdown(&played.report()).contains("`db-cut` was replaced by `app-500`"));
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_did_nothing_fails_and_voids_what_the_team_reached() {
    use CheckResult::{Failed, Void};
    let played = play(Nature::Inert, true, nothing).await;
    assert_eq!(played.outcome.judgement.exit, 1);
    assert_eq!(played.results(), [Failed, Failed, Void, Void, Void]);
    assert!(markdown(&played.report()).contains("not reproduced"));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_nobody_visits_proves_nothing() {
    let played = play(Nature::Silent, true, nothing).await;
    assert_eq!(played.outcome.judgement.verdict, Verdict::Incomplete);
    assert_eq!(played.outcome.judgement.exit, 5);
}

#[tokio::test(start_paused = true)]
async fn real_trouble_stops_it_with_exit_3() {
    let played = play(Nature::Ill, true, nothing).await;
    assert_eq!(played.outcome.judgement.exit, 3);
}

#[tokio::test(start_paused = true)]
async fn ctrl_c_half_way_leaves_no_fault_and_says_so() {
    let played = play(Nature::Honest, true, async |remote, _| {
        sleep(Duration::from_secs(40)).await;
        remote.interrupt("Ctrl-C").unwrap();
    })
    .await;
    assert_eq!(played.outcome.judgement.exit, 5);
    assert!(played.world.held().is_empty());
    let text = markdown(&played.report());
    assert!(text.contains("interrupted by Ctrl-C"), "{text}");
    assert!(text.contains("All faults are off"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn panic_is_exit_4_and_acts_at_once() {
    let played = play(Nature::Honest, true, async |remote, world| {
        sleep(Duration::from_millis(20_050)).await;
        remote.panic("ada").unwrap();
        // Before the next tick.
        sleep(Duration::from_millis(10)).await;
        assert!(world.held().is_empty());
    })
    .await;
    assert_eq!(played.outcome.judgement.exit, 4);
}

#[tokio::test(start_paused = true)]
async fn a_drill_that_is_dropped_leaves_no_fault() {
    let folder = tempfile::tempdir().unwrap();
    let world = Simulated::new(Nature::Honest);
    let journal = Journal::create(&folder.path().join("j"), "dropped")
        .await
        .unwrap();
    let (_remote, inbox) = remote();
    let script = orm_break(Mode::Replay, true);
    let mut nobody = Nobody;
    let drill = run(script, &world, journal, &mut nobody, inbox);
    assert!(timeout(Duration::from_secs(30), drill).await.is_err());
    assert!(world.held().is_empty());
    assert!(!world.is_leased());
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_ends_the_drill_before_a_fault_is_set() {
    let full = tokio::fs::File::options()
        .write(true)
        .open("/dev/full")
        .await
        .unwrap();
    let world = Simulated::new(Nature::Honest);
    let (_remote, inbox) = remote();
    let mut nobody = Nobody;
    let script = orm_break(Mode::Replay, true);
    let outcome = run(script, &world, Journal::on(full, "full"), &mut nobody, inbox).await;
    assert_eq!(outcome.judgement.exit, 3);
    assert!(
        outcome
            .lost
            .is_some_and(|why| why.contains("the journal could not be written"))
    );
    assert!(world.held().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_world_that_refuses_its_faults_ends_the_drill() {
    let played = play(Nature::Refusing, true, nothing).await;
    assert_eq!(played.outcome.judgement.exit, 3);
    assert!(
        played
            .outcome
            .lost
            .is_some_and(|why| why.contains("public address"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_terminal_that_is_none_gets_lines() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::create(&folder.path().join("j"), "plain").await.unwrap();
    let world = Simulated::new(Nature::Honest);
    let (_remote, inbox) = remote();
    let paper = Paper::default();
    let mut terminal = Terminal::new(paper.screen(false), false);
    run(
        orm_break(Mode::Replay, true),
        &world,
        journal,
        &mut terminal,
        inbox,
    )
    .await;
    insta::assert_snapshot!(paper.text());
}

#[tokio::test(start_paused = true)]
async fn the_report_tells_the_story() {
    let played = play(Nature::Honest, true, async |remote, _| {
        sleep(Duration::from_secs(20)).await;
        remote.signal("page").unwrap();
        remote
            .act("restart", "ada", Some("just in case".into()))
            .await
            .unwrap();
    })
    .await;
    let saved = save(&played.report(), played.folder.path()).unwrap();
    let text = std::fs::read_to_string(saved.markdown).unwrap();
    insta::assert_snapshot!(without_accidents(&text, &played.report()));
    let json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(saved.json).unwrap()).unwrap();
    assert_eq!(json["judgement"]["exit"], 0);
    insta::assert_snapshot!("the_report_as_junit", junit(&played.report()).unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_page_needs_nothing_but_itself_and_believes_nobody() {
    let played = play(Nature::Honest, true, async |remote, _| {
        sleep(Duration::from_secs(20)).await;
        let text = Some("<script>alert(1)</script>".to_owned());
        remote.act("try-in-test", "<b>ada", text).await.unwrap();
    })
    .await;
    let page = html(&played.report());
    for far in [
        "<script", "<link", "<img", "<iframe", "src=", "href=", "url(", "@import", "http://", "https://",
        "<b>",
    ] {
        assert!(!page.contains(far), "{far}");
    }
    assert!(
        page.contains("&lt;script&gt;"),
        "what people write is shown as they wrote it"
    );
    // Each chart says in words what it shows, for a page and for a phone.
    assert_eq!(page.matches("role=\"img\" aria-label=\"").count(), 6);
    assert!(
        page.contains("In phase outage from +4m: 50% of read, 0% of write."),
        "{page}"
    );
    // A drill that crashed at once has a page, too.
    assert!(html(&Report::of("")).contains("crashed"));
    assert!(html(&Report::of(&played.text[..20_000])).contains("cut short"));
}

#[tokio::test(start_paused = true)]
async fn two_runs_stand_side_by_side_from_journals_and_from_reports() {
    let alone = play(Nature::Honest, true, nothing).await.report();
    let drained = play(Nature::Honest, false, async |remote, world| {
        sleep(Duration::from_secs(20)).await;
        remote.signal("page").unwrap();
        sleep(Duration::from_secs(3)).await;
        remote.signal("acknowledge").unwrap();
        world.drain();
    })
    .await
    .report();
    // A report as JSON tells the same as the journal that it was made from.
    let again: Report = serde_json::from_str(&json(&drained).unwrap()).unwrap();
    assert_eq!(markdown(&again).lines().next(), markdown(&drained).lines().next());
    let compared = Comparison::of(&alone, &again).unwrap();
    assert_eq!(
        compared.doubts,
        ["the first ran in its causal form, the second in its simulated one"]
    );
    let minutes = |name: &str| {
        let row = compared
            .intervals
            .iter()
            .find(|row| row.name.starts_with(name))
            .unwrap();
        [row.a, row.b, row.original].map(|span| span.map(|span| (span.0.as_secs() + 30) / 60))
    };
    assert_eq!(minutes("detect"), [None, Some(16), Some(0)]);
    assert_eq!(minutes("acknowledge"), [None, Some(3), Some(2)]);
    assert_eq!(minutes("first attempt"), [Some(86), Some(19), Some(86)]);
    let saved = compared
        .objectives
        .iter()
        .find(|row| row.name == "save-the-reads")
        .unwrap();
    assert!(saved.a.as_ref().unwrap().starts_with("missed"), "{saved:?}");
    assert_eq!(saved.b.as_deref(), Some("missed in 19m"), "{saved:?}");
    let reads = compared
        .success
        .iter()
        .find(|row| row.name == "read in reads-saved")
        .unwrap();
    assert_eq!(
        (reads.a, reads.b),
        (None, Some(1.0)),
        "a phase that only the second entered"
    );
    assert!(compared.bad_minutes.b < compared.bad_minutes.a);
    assert!(Comparison::of(&alone, &Report::of("")).is_err());
}

#[tokio::test(start_paused = true)]
async fn junit_is_green_only_when_the_verdict_is() {
    for (nature, exit) in [
        (Nature::Honest, 0),
        (Nature::Inert, 1),
        (Nature::Ill, 3),
        (Nature::Silent, 5),
    ] {
        let played = play(nature, true, nothing).await;
        let report = played.report();
        let xml = junit(&report).unwrap();
        assert_eq!(report.exit(), exit);
        let red = xml.contains("<failure") || xml.contains("<error");
        assert_eq!(red, exit != 0, "{xml}");
        // What was not evaluated neither passes nor is forgotten.
        let cases = 2 + report.judgement.checks.len() + report.objectives.len();
        assert_eq!(xml.matches("<testcase").count(), cases, "{xml}");
    }
    let played = play(Nature::Silent, true, nothing).await;
    insta::assert_snapshot!(
        "junit_of_a_drill_that_proved_nothing",
        junit(&played.report()).unwrap()
    );
}

#[tokio::test(start_paused = true)]
async fn the_report_of_a_crash_tells_what_is_known() {
    let played = play(Nature::Honest, true, nothing).await;
    // In the middle of a line.
    let line = played.text[..played.text.len() / 2].rfind('\n').unwrap();
    let half = &played.text[..line + 10];
    let report = Report::of(half);
    assert_eq!(report.exit(), 5);
    assert!(report.torn);
    let text = markdown(&report);
    assert!(text.contains("it crashed or was killed"), "{text}");
    assert!(text.contains("cut short"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn the_journal_gives_the_verdict_that_was_given() {
    let played = play(Nature::Honest, true, nothing).await;
    let read = journal::read(&played.text);
    assert!(read.flaws.is_empty(), "{:?}", read.flaws);
    assert_eq!(played.report().judgement, played.outcome.judgement);
    assert_eq!(Ledger::of(read.events()).judged, Some(played.outcome.judgement));
}

mod forms;
