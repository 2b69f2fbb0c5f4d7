//! The facilitator's hand: pause and more time, gates overruled, hints, ratings, and acts that need two people.

use super::*;
use crate::{drill::lead::Performance, units::Span};

#[tokio::test(start_paused = true)]
async fn while_it_is_held_the_story_stands_still_and_people_may_act() {
    let mut drill = Drill::begin(Mode::Rehearse, Nature::Honest);
    drill.pass(25).await;
    assert_eq!(drill.lead(Verb::Hold), Answer::Done);
    let stood = drill.timeline.stamp(Instant::now()).story;
    assert_eq!(
        drill.lead(Verb::Hold),
        Answer::Refused("the story stands still already".into())
    );
    drill.pass(600).await;
    assert_eq!(
        drill.timeline.stamp(Instant::now()).story,
        stood,
        "no second of it passed"
    );
    assert_eq!(
        drill.world.held(),
        ["db-cut", "health-lies"],
        "faults stay as they are"
    );
    let view = drill.timeline.view(Instant::now());
    assert!(view.held && view.next.is_none());
    drill.world.drain();
    drill.pass(1).await;
    assert_eq!(drill.timeline.phase(), "reads-saved", "what people do counts");
    assert_eq!(drill.lead(Verb::Resume), Answer::Done);
    drill.pass(60).await;
    let told = drill.timeline.stamp(Instant::now()).story;
    assert_eq!(told.as_secs(), stood.as_secs() + 60);
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_is_forgotten_ends_with_the_limit_on_the_wall() {
    let mut drill = Drill::begin(Mode::Rehearse, Nature::Honest);
    drill.pass(30).await;
    drill.lead(Verb::Hold);
    for _ in 0..7200 {
        advance(Duration::from_secs(1)).await;
        drill.ask(Vec::new());
    }
    assert!(matches!(drill.timeline.ended(), Some(Ending::Overdue(_))));
    assert!(drill.world.held().is_empty());
}

#[tokio::test(start_paused = true)]
async fn more_time_moves_waits_and_deadlines_and_nothing_else() {
    let mut drill = Drill::begin(Mode::Rehearse, Nature::Honest);
    drill.pass(1).await;
    assert_eq!(drill.lead(Verb::Extend(Span::secs(240))), Answer::Done);
    // Twice four story minutes, at one to ten.
    drill.pass(46).await;
    assert_eq!(drill.timeline.phase(), "latent");
    drill.pass(3).await;
    assert_eq!(drill.timeline.phase(), "outage");
    assert!(matches!(
        drill.lead(Verb::Extend(Span::secs(0))),
        Answer::Refused(_)
    ));
    // What is said in a phase comes when the profile says so.
    drill.lead(Verb::Extend(Span::secs(600)));
    let before = drill.said();
    drill.pass(125).await;
    assert_eq!(drill.said(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_gate_can_be_overruled_both_ways() {
    let mut drill = Drill::begin(Mode::Rehearse, Nature::Honest);
    drill.pass(30).await;
    let refuse = Verb::Refuse {
        act: "restore-config".into(),
        why: "the backup server is down, too".into(),
    };
    assert_eq!(drill.lead(refuse), Answer::Done);
    assert!(matches!(drill.act("restore-config"), Answer::UnderWay(_)));
    drill.pass(185).await;
    assert_eq!(drill.acts().last().unwrap(), "+7m6s restore-config refused");
    // The room is stuck: the facilitator lets it through, and the gate behind it opens.
    assert_eq!(drill.lead(Verb::Accept("restore-config".into())), Answer::Done);
    assert_eq!(drill.act("restart"), Answer::Done);
    assert_eq!(drill.timeline.phase(), "tail");
    let again = drill.lead(Verb::Accept("restart".into()));
    assert_eq!(again, Answer::Refused("`restart` is done already".into()));
}

#[tokio::test(start_paused = true)]
async fn a_hint_costs_the_best_rating_and_says_whether_it_came_early() {
    let mut drill = Drill::begin(Mode::Rehearse, Nature::Honest);
    drill.pass(30).await;
    assert_eq!(drill.lead(Verb::Hint(1)), Answer::Done);
    drill.pass(15 * 60).await;
    assert_eq!(drill.timeline.view(Instant::now()).hints, [1]);
    assert_eq!(drill.lead(Verb::Hint(3)), Answer::Done);
    assert!(matches!(drill.lead(Verb::Hint(4)), Answer::Refused(why) if why.contains("1 to 3")));
    let hints = drill.told.iter().filter_map(|told| match &told.event {
        Event::Hinted(hint) => Some((hint.level, hint.early, hint.costs)),
        _ => None,
    });
    let wanted = [(1, true, Performance::Some), (3, true, Performance::Major)];
    assert_eq!(hints.collect::<Vec<_>>(), wanted);
}

#[tokio::test(start_paused = true)]
async fn an_act_for_two_counts_once_two_people_have_declared_it() {
    let mut profile = crate::drill::profiles::load("orm-break").unwrap();
    let mut act = profile.acts.get("find-server").unwrap().clone();
    act.people = std::num::NonZeroU8::new(2).unwrap();
    profile.acts.insert("find-server", act);
    let mut drill = Drill::of(
        crate::drill::simulated::bound(profile, Mode::Rehearse, true),
        Nature::Honest,
    );
    drill.pass(30).await;
    let waits = Answer::Waits {
        needs: 2,
        by: vec!["ada".into()],
    };
    assert_eq!(drill.act("find-server"), waits);
    assert!(matches!(drill.act("find-server"), Answer::Refused(why) if why.contains("somebody else")));
    assert!(drill.acts().is_empty());
    assert_eq!(drill.act_by("find-server", "bob"), Answer::Done);
    assert_eq!(drill.acts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn step_by_step_any_phase_can_be_named() {
    let mut drill = Drill::begin(Mode::Step, Nature::Honest);
    assert_eq!(drill.lead(Verb::Next(Some("tail".into()))), Answer::Done);
    assert_eq!(drill.world.held(), ["cold-start", "health-lies"]);
    let unknown = drill.lead(Verb::Next(Some("nowhere".into())));
    assert!(matches!(unknown, Answer::Refused(why) if why.contains("latent, outage")));
    assert_eq!(drill.lead(Verb::Next(Some("end".into()))), Answer::Done);
    assert_eq!(drill.timeline.ended(), Some(&Ending::Complete));
}

#[tokio::test(start_paused = true)]
async fn only_an_objective_of_the_profile_can_be_rated() {
    let mut drill = Drill::begin(Mode::Rehearse, Nature::Honest);
    let rate = |objective: &str| Verb::Rate {
        objective: objective.into(),
        rating: Performance::Some,
        why: None,
    };
    assert_eq!(drill.lead(rate("localise")), Answer::Done);
    assert!(matches!(drill.lead(rate("win")), Answer::Refused(why) if why.contains("localise")));
}
