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
