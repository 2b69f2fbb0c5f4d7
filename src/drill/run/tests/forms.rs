//! Every form of the report of one fixed journal, to the letter.

use jiff::Timestamp;

use super::*;
use crate::drill::{
    lead::{Performance, Verb},
    profiles,
    script::{Binding, Bindings, Settings},
    signal::Signal,
};

/// A short story with something of everything.
const SEARCH_DOWN: &str = "schema: chaosproxy.profile/v1
name: search-down
title: A damaged index takes the search down
origin: {report: an example, t0: {what: the index was copied, said: at noon}, assumed: [the disk was fine]}
needs: {http.source: {}}
clock: {replay: 1}
faults: {app-500: {where: {role: http.source}, do: {abort: {status: 500}}}}
phases:
  - {name: latent, kind: wait, at: +0s, leave: [{when: {after: 2s}, to: outage}]}
  - {name: outage, kind: think, at: +2s, faults: [app-500], leave: [{when: {done: restart}, to: clear}], at_most: 1m}
  - {name: clear, kind: wait, at: +8s, leave: [{when: {after: 4s}, to: end}]}
acts:
  guess: {say: blame the disk, detour: true}
  restore: {say: put the index back, takes: 1s, original: [{at: +5s}]}
  restart:
    say: restart the search
    gates: [{until: [restore], refuse: the index is damaged}]
    original: [{at: +4s, result: refused}, {at: +8s}]
injects: [{in: outage, after: 1s, text: 'Support: \"nothing is found\" & <nobody> knows why.'}]
yardstick:
  ok: {all: [[+0s, 100%], [+2s, 100%], [+2s, 40%], [+8s, 40%], [+8s, 100%], [+12s, 100%]]}
  marks: {page: +3s}
objectives:
  back: {time: {from: {phase: outage}, to: {done: restart}, target: 5s, original: 6s}}
  no-guess: {never: guess}
checks:
  fidelity: [{in: outage, that: {ok: {min: 35%, max: 45%}}}]
  team: [{in: clear, that: {ok: {min: 99%}}, why: what is restarted must carry}]
debrief: [Who copies the index, and who looks at it?]
";

/// The journal of a run of it, with a date, a version and a hash that never change.
async fn fixed() -> String {
    let profile =
        profiles::read("search-down.yaml", SEARCH_DOWN).unwrap_or_else(|problems| panic!("{problems}"));
    let source = Binding {
        target: "app/app-a".into(),
        backends: 1,
        ..Binding::default()
    };
    let bindings = Bindings::from([("http.source".to_owned(), source)]);
    let settings = Settings {
        mode: Mode::Replay,
        seed: 7,
        ..Settings::default()
    };
    let script = Script::new(profile, &bindings, settings).unwrap();
    let played = play_script(script, Nature::Honest, async |remote, _| {
        sleep(Duration::from_millis(3500)).await;
        let page = Signal {
            name: "page".into(),
            from: Some("Alertmanager".into()),
            text: Some("SearchFails".into()),
        };
        remote.signal(page).unwrap();
        remote
            .act("restore", "ada", Some("from *last* night | all of it".into()))
            .await
            .unwrap();
        remote.signal("acknowledge").unwrap();
        for (rating, why) in [
            (Performance::Major, "guessed at first"),
            (Performance::Some, "knew where the copy was"),
        ] {
            let rate = Verb::Rate {
                objective: "back".into(),
                rating,
                why: Some(why.into()),
            };
            assert_eq!(remote.lead(rate, "grace").await, Ok(Answer::Done));
        }
    })
    .await;
    assert_eq!(played.outcome.judgement.exit, 0, "{:#?}", played.outcome);
    let mut chain = journal::Chain::new("search-down-fixed");
    let lines = journal::read(&played.text).lines.into_iter().map(|line| {
        let mut stamped = Stamped {
            at: line.at,
            event: line.event,
        };
        if let Event::DrillStarted(started) = &mut stamped.event {
            started.version = "0.0.0".into();
            started.hash = "0".repeat(64);
        }
        let since = i64::try_from(stamped.at.wall.as_millis()).unwrap();
        let time = Timestamp::from_millisecond(1_768_692_720_000 + since).unwrap();
        chain.seal(time, &stamped).unwrap()
    });
    lines.collect()
}

#[tokio::test(start_paused = true)]
async fn every_form_of_a_fixed_journal_is_as_it_was() {
    let text = fixed().await;
    let report = Report::of(&text);
    assert!(report.flaws.is_empty(), "{:?}", report.flaws);
    insta::assert_snapshot!("markdown", markdown(&report));
    insta::assert_snapshot!("html", html(&report));
    insta::assert_snapshot!("junit", junit(&report).unwrap());
    insta::assert_snapshot!("json", json(&report).unwrap());
}

#[tokio::test(start_paused = true)]
async fn every_form_says_that_a_journal_was_changed() {
    let text = fixed().await.replace("blame the disk", "blame nobody");
    let report = Report::of(&text);
    for form in [
        markdown(&report),
        html(&report),
        junit(&report).unwrap(),
        json(&report).unwrap(),
    ] {
        assert!(form.contains("it was changed after it was written"), "{form}");
    }
}
