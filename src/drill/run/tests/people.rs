//! Drills in which people act, or do not.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_rehearsal_in_which_nobody_acts_has_failed_and_is_clean() {
    let played = play_as(Mode::Rehearse, Nature::Honest, true, nothing).await;
    assert_eq!(played.outcome.judgement.exit, 1, "{:#?}", played.outcome);
    assert!(matches!(played.outcome.ending, Ending::Overdue(_)));
    assert!(played.world.held().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_person_who_drains_the_server_saves_the_reads() {
    let played = play(Nature::Honest, true, async |remote, world| {
        sleep(Duration::from_secs(20)).await;
        let refused = remote.act("restart", "ada", None).await;
        assert_eq!(
            refused,
            Ok(Answer::Refused("still cannot connect to the database".into()))
        );
        world.drain();
    })
    .await;
    assert_eq!(played.results()[2], CheckResult::Held);
    assert_eq!(played.outcome.judgement.exit, 0);
}

/// The shipped incident, as if its original team had drained the server.
fn drained(mode: Mode) -> Script {
    let mut profile = crate::drill::profiles::load("orm-break").unwrap();
    let mut phases = profile.phases.iter_mut();
    phases.find(|phase| phase.name == "reads-saved").unwrap().at = Some("+50m".parse().unwrap());
    bound(profile, mode, true)
}

#[tokio::test(start_paused = true)]
async fn a_repetition_must_go_where_the_original_went_and_people_need_not() {
    let replayed = play_script(drained(Mode::Replay), Nature::Honest, nothing).await;
    assert_eq!(replayed.results()[2], CheckResult::NotEvaluated);
    assert_eq!(replayed.outcome.judgement.exit, 5);
    let rehearsed = play_script(drained(Mode::Rehearse), Nature::Honest, nothing).await;
    assert_eq!(rehearsed.results()[2], CheckResult::NotAsked);
    assert_eq!(rehearsed.outcome.judgement.exit, 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_done_before_the_damage_leaves_nothing_to_measure_and_the_verdict_says_so() {
    let played = play_as(Mode::Rehearse, Nature::Honest, true, async |remote, world| {
        sleep(Duration::from_secs(5)).await;
        world.drain();
        sleep(Duration::from_secs(60)).await;
        remote.act("restore-config", "ada", None).await.unwrap();
        sleep(Duration::from_secs(200)).await;
        remote.act("restart", "ada", None).await.unwrap();
    })
    .await;
    let judgement = &played.outcome.judgement;
    assert_eq!(judgement.exit, 5, "{judgement:#?}");
    assert_eq!(played.results()[0], CheckResult::NotEvaluated);
    let hindrance = judgement.checks[0].hindrance.as_ref().unwrap();
    assert_eq!(
        hindrance.why,
        "the phase was left at once: `drain-source`, which leads out of it, had been done before it began"
    );
    assert_eq!(
        hindrance.next.as_deref().unwrap(),
        "undo `drain-source`, and do it again only once the phase has begun"
    );
    let told = crate::drill::watch::verdict(judgement).join("\n");
    assert!(
        told.contains(&hindrance.why) && told.contains("undo `drain-source`"),
        "{told}"
    );
    let report = played.report();
    assert!(markdown(&report).contains(&hindrance.why) && json(&report).unwrap().contains(&hindrance.why));
}

#[tokio::test(start_paused = true)]
async fn people_are_measured_beside_the_phase_of_the_original_that_they_are_in() {
    let played = play_as(Mode::Rehearse, Nature::Honest, true, async |remote, _| {
        sleep(Duration::from_secs(60)).await;
        remote.act("restore-config", "ada", None).await.unwrap();
        sleep(Duration::from_secs(200)).await;
        remote.act("restart", "ada", None).await.unwrap();
    })
    .await;
    let report = played.report();
    let writes = |phase: &str| {
        let phase = report.phases.iter().find(|known| known.phase == phase).unwrap();
        phase.ok["write"].original
    };
    assert_eq!(writes("outage"), Some(0.0));
    assert_eq!(writes("clear"), Some(1.0));
    let tail = writes("tail").unwrap();
    assert!((tail - 0.5).abs() < 0.01, "a cold start, whenever it was: {tail}");
}

#[tokio::test(start_paused = true)]
async fn an_act_that_one_of_two_has_declared_waits_for_the_other() {
    let mut profile = crate::drill::profiles::load("orm-break").unwrap();
    let acts = profile.acts.iter().map(|(name, act)| {
        let mut act = act.clone();
        if name == "restore-config" {
            act.people = 2.try_into().unwrap();
        }
        (name.to_owned(), act)
    });
    profile.acts = acts.collect();
    let script = bound(profile, Mode::Rehearse, true);
    let played = play_script(script, Nature::Honest, async |remote, _| {
        sleep(Duration::from_secs(60)).await;
        remote.act("restore-config", "ada", None).await.unwrap();
        remote.interrupt("Ctrl-C").unwrap();
    })
    .await;
    let report = played.report();
    let act = report
        .acts
        .iter()
        .find(|act| act.act == "restore-config")
        .unwrap();
    assert_eq!((act.people, act.tries.len()), (2, 1));
    assert_eq!((&*act.tries[0].by, act.tries[0].result), ("ada", Came::Proposed));
    assert!(markdown(&report).contains("| ada | declared | declared, but it needs others, too |"));
    assert!(html(&report).contains("declared, but it needs others, too"));
}
