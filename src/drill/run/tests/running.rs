//! Reports of drills that still run, and of those of which little is known.

use super::*;
use crate::drill::{
    event::{Ended, Ending, PhaseStarted, Sample, Stamp},
    facts::{Counts, Traffic},
    measure::{Figures, Rating, figures, rate},
    profile::{Kind, Objective},
};

#[tokio::test(start_paused = true)]
async fn the_report_of_a_drill_that_runs_gives_no_verdict() {
    let played = play(Nature::Honest, true, nothing).await;
    let half = &played.text[..played.text.len() / 2];
    let report = Report::of(half).written_to(true);
    let text = markdown(&report);
    assert!(text.contains("# orm-break: still running"), "{text}");
    for wrong in ["crash", "Exit status", "-0"] {
        assert!(!text.contains(wrong), "{wrong}: {text}");
    }
    let page = html(&report);
    assert!(
        page.contains("The drill still runs") && !page.contains("Exit status"),
        "{page}"
    );
    let compared = Comparison::of(&report, &played.report()).unwrap();
    assert!(compared.a.running && !compared.b.running);
    assert!(
        compared
            .doubts
            .iter()
            .any(|doubt| doubt.contains("still running")),
        "{compared:?}"
    );
    assert!(
        !compared.doubts.iter().any(|doubt| doubt.contains("crashed")),
        "{compared:?}"
    );
    // Once it has come to its end it makes no difference.
    assert_eq!(Report::of(&played.text).written_to(true), played.report());
    // What was not to happen may happen yet.
    let begun = Ledger::of(journal::read(&played.text).events().take(3));
    assert_eq!(
        (figures(&begun).bad_minutes, figures(&begun).budget),
        (None, None)
    );
    // Of what nobody asked for nobody can say that it was never good again.
    for row in figures(&begun)
        .rows
        .iter()
        .filter(|row| row.name.contains("good"))
    {
        assert_eq!(
            row.why.as_deref(),
            Some("no request of HTTP was counted"),
            "{}",
            row.name
        );
    }
    let mut begun = begun;
    let started = begun.started.as_mut().unwrap();
    let never = Objective::Never("restart".to_owned());
    started.profile.objectives = std::iter::once(("no-restart".to_owned(), never)).collect();
    assert!(matches!(rate(&begun)[0].rating, Rating::NotMeasured(_)));
}

#[tokio::test(start_paused = true)]
async fn where_too_little_was_asked_nothing_was_at_its_worst() {
    let played = play(Nature::Honest, true, nothing).await;
    let mut report = played.report();
    assert!(markdown(&report).contains("At its worst") && html(&report).contains("At its worst"));
    for phase in &mut report.phases {
        phase.ok.values_mut().for_each(|beside| beside.run = None);
    }
    assert!(!markdown(&report).contains("At its worst") && !html(&report).contains("At its worst"));
}

#[tokio::test(start_paused = true)]
async fn the_worst_phase_is_the_worst_of_the_table() {
    let mut report = play(Nature::Honest, true, nothing).await.report();
    let worst = |report: &Report| {
        let text = markdown(report);
        let (_, rest) = text.split_once("At its worst, in phase **")?;
        Some(rest.split_once(" of").unwrap().0.to_owned())
    };
    assert_eq!(worst(&report).as_deref(), Some("outage**, 50%"));
    // What came at its border is no part of what is shown of a phase.
    let other = &mut report.phases[0];
    assert_ne!(other.phase, "outage");
    other.ok.values_mut().for_each(|beside| beside.run = Some(0.01));
    let told = format!("{}**, 1%", other.phase);
    assert_eq!(worst(&report), Some(told));
    for phase in &mut report.phases {
        phase.ok.values_mut().for_each(|beside| beside.run = Some(1.0));
    }
    assert_eq!(worst(&report), None);
}

#[tokio::test(start_paused = true)]
async fn an_act_that_the_end_cut_short_was_begun() {
    let played = play_as(Mode::Rehearse, Nature::Honest, true, async |remote, _| {
        sleep(Duration::from_secs(200)).await;
        remote.act("restore-config", "ada", None).await.unwrap();
        remote.interrupt("Ctrl-C").unwrap();
    })
    .await;
    let unfinished = |played: &Played| -> Vec<String> {
        let ledger = Ledger::of(journal::read(&played.text).events());
        ledger.unfinished().map(|(_, act)| act.act.clone()).collect()
    };
    assert_eq!(unfinished(&played), ["restore-config"], "{}", played.text);
    let report = played.report();
    let text = markdown(&report);
    let row = text
        .lines()
        .find(|line| line.starts_with("| `restore-config` |"))
        .unwrap();
    assert!(row.contains("| ada | declared | begun, not finished |"), "{row}");
    let page = html(&report);
    assert_eq!(page.matches("begun, not finished").count(), 1, "{page}");
    // What comes to its end afterwards is finished.
    assert!(unfinished(&play(Nature::Honest, true, nothing).await).is_empty());
}

/// Figures of a service that answers so many requests in each second, and fails so many, until its drill ends.
fn seconds(of: &[(u64, u64)], ended: bool) -> Figures {
    let at = |second: usize| {
        Stamp::new(
            Duration::from_secs(second as u64),
            Duration::from_secs(second as u64),
        )
    };
    let stamped = |second, event| Stamped {
        at: at(second),
        event,
    };
    let script = orm_break(Mode::Replay, true);
    let began = PhaseStarted {
        phase: "outage".into(),
        kind: Kind::Think,
        faults: Vec::new(),
        because: String::new(),
    };
    let mut events = vec![
        stamped(0, Event::DrillStarted(Box::new(script.started()))),
        stamped(0, Event::Sampled(Sample::default())),
        stamped(0, Event::PhaseStarted(began)),
    ];
    let mut counts = Counts::default();
    for (second, (ok, failed)) in of.iter().enumerate() {
        counts.ok += ok;
        counts.upstream += failed;
        let sample = Sample {
            traffic: Traffic([("read".to_owned(), counts)].into()),
            ..Sample::default()
        };
        events.push(stamped(second + 1, Event::Sampled(sample)));
    }
    let how = Ending::Complete;
    let phase = "outage".to_owned();
    events.extend(ended.then(|| stamped(of.len(), Event::DrillEnded(Ended { how, phase }))));
    figures(&Ledger::of(events))
}

#[test]
fn what_was_good_to_the_end_was_good_again() {
    let why = |of: &[(u64, u64)], ended| {
        let rows = seconds(of, ended).rows;
        rows.into_iter()
            .find(|row| row.name.starts_with("mitigate"))
            .unwrap()
            .why
    };
    let (bad, good) = ([(0, 9); 5], [(9, 0); 30]);
    let short = [&bad[..], &good].concat();
    assert_eq!(
        why(&short, true).as_deref(),
        Some("the drill ended before it was good for a minute")
    );
    assert_eq!(
        why(&short, false).as_deref(),
        Some("it has not been good for a minute")
    );
    let relapsed = [&bad[..], &good, &bad].concat();
    assert_eq!(
        why(&relapsed, true).as_deref(),
        Some("service was never good again")
    );
    assert_eq!(why(&[&short[..], &good, &good].concat(), true), None);
}

#[test]
fn what_nobody_asked_for_cost_nothing_that_can_be_told() {
    let close = |minutes: Option<f64>, told: f64| minutes.is_some_and(|it| (it - told).abs() < 1e-9);
    assert_eq!(seconds(&[(0, 0); 9], true).bad_minutes, None);
    assert!(close(seconds(&[(9, 0), (0, 0)], true).bad_minutes, 0.0));
    assert!(close(seconds(&[(0, 9); 30], true).bad_minutes, 0.5));
}

#[tokio::test(start_paused = true)]
async fn what_either_run_can_tell_of_the_original_is_told() {
    let b = play(Nature::Honest, true, nothing).await.report();
    let mut a = b.clone();
    a.figures = seconds(&[(0, 0); 9], true);
    a.figures.rows.iter_mut().for_each(|row| row.original = None);
    let compared = Comparison::of(&a, &b).unwrap();
    let original = b.figures.original_bad_minutes;
    assert!(original.is_some());
    assert_eq!(
        (compared.bad_minutes.a, compared.bad_minutes.original),
        (None, original)
    );
    assert_eq!(compared.budget.original, b.figures.original_budget);
    for (pair, row) in compared.intervals.iter().zip(&b.figures.rows) {
        assert_eq!((&pair.name, pair.original), (&row.name, row.original));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_good_before_the_damage_has_not_been_mended_and_what_never_came_was_missed() {
    let mut profile = crate::drill::profiles::load("orm-break").unwrap();
    let time = |text: &str| -> Objective { serde_json::from_str(&format!(r#"{{"time": {text}}}"#)).unwrap() };
    profile.objectives = [
        (
            "mitigate".to_owned(),
            time(r#"{"from": {"phase": "latent"}, "to": {"ok": {"class": "write", "min": "99%", "for": "1m"}}, "target": "10m"}"#),
        ),
        (
            "drain".to_owned(),
            time(r#"{"from": {"phase": "outage"}, "to": {"done": "drain-source"}, "target": "10m"}"#),
        ),
        (
            "hear".to_owned(),
            time(r#"{"from": {"phase": "outage"}, "to": {"signal": "resolve"}, "target": "10m"}"#),
        ),
    ]
    .into_iter()
    .collect();
    let played = play_script(bound(profile, Mode::Replay, true), Nature::Honest, nothing).await;
    let objectives = played.report().objectives;
    let took = objectives[0].took.unwrap();
    assert!(took.0 > Duration::from_secs(60 * 120), "{took}");
    assert_eq!(objectives[1].rating, Rating::Missed);
    assert!(matches!(objectives[2].rating, Rating::NotMeasured(_)));
}
