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
