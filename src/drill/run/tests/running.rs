//! Reports of drills that still run, and of those of which little is known.

use super::*;
use crate::drill::{
    measure::{Rating, figures, rate},
    profile::Objective,
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
    assert_eq!(figures(&begun).bad_minutes.to_string(), "0");
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
