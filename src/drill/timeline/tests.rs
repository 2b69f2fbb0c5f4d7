//! The timeline, step by step, on the clock of the test.

use tokio::time::advance;

use super::*;
use crate::drill::{
    Binding, Mode, Settings,
    facts::Asked,
    lead::{Lead, Verb},
    profile::Outcome,
    simulated::{Nature, Simulated, orm_break},
    world::World as _,
};

mod flown;
mod led;
mod seen;

/// A timeline in a simulated world, with everything that it said.
struct Drill {
    timeline: Timeline,
    world: Simulated,
    told: Vec<Stamped>,
    answers: Vec<Answer>,
    /// What was done to the configuration, and what was put in the way of that.
    pushed: Vec<String>,
}

impl Drill {
    fn begin(mode: Mode, nature: Nature) -> Self {
        Self::of(orm_break(mode, true), nature)
    }

    /// The incident in which a rollback is refused.
    fn bad_reload(mode: Mode) -> Self {
        let profile = crate::drill::profiles::load("bad-reload").unwrap();
        let target = "app".to_owned();
        let bindings = [(
            "http.primary".to_owned(),
            Binding {
                target,
                backends: 2,
                ..Binding::default()
            },
        )];
        let settings = Settings {
            mode,
            seed: 7,
            ..Settings::default()
        };
        let script = Script::new(profile, &bindings.into(), settings).unwrap();
        Self::of(script, Nature::Honest)
    }

    fn of(script: Script, nature: Nature) -> Self {
        let (world, script) = (Simulated::new(nature), Arc::new(script));
        let (timeline, first) = Timeline::begin(script, Instant::now(), &world.observe());
        let mut drill = Self {
            timeline,
            world,
            told: Vec::new(),
            answers: Vec::new(),
            pushed: Vec::new(),
        };
        drill.carry_out(first);
        drill
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Hold(faults) => self.world.hold(&faults).unwrap(),
                Action::Record(stamped) => self.told.push(stamped),
                Action::Answer(_, answer) => self.answers.push(answer),
                Action::Perform(deeds) => deeds.iter().for_each(|deed| self.world.perform(deed)),
                Action::Obstruct(words) => {
                    let words = words.as_deref().unwrap_or("nothing");
                    self.pushed.push(format!("in the way: {words}"));
                }
                Action::RollBack { refused } => self.pushed.push(format!("rollback, refused: {refused}")),
                Action::Finish(_) | Action::Watch(_) => {}
            }
        }
    }

    /// The proxy sees people roll back, or be refused.
    fn see_rollback(&mut self, refused: bool) {
        let mut seen = self.world.observe();
        let sights = if refused {
            &mut seen.rebuffs
        } else {
            &mut seen.sights
        };
        sights.push(Sight::RolledBack);
        let actions = self.timeline.advance(Instant::now(), &seen, Vec::new());
        self.carry_out(actions);
    }

    fn ask(&mut self, orders: Vec<Order>) {
        let seen = self.world.observe();
        let actions = self.timeline.advance(Instant::now(), &seen, orders);
        self.carry_out(actions);
    }

    fn act(&mut self, act: &str) -> Answer {
        self.act_by(act, "ada")
    }

    fn act_by(&mut self, act: &str, by: &str) -> Answer {
        self.ask(vec![Order::Act(Asked {
            act: act.into(),
            by: by.into(),
            text: None,
            ticket: 1,
        })]);
        self.answers.pop().unwrap()
    }

    fn lead(&mut self, verb: Verb) -> Answer {
        let by = "fay".to_owned();
        self.ask(vec![Order::Lead(Lead { by, verb, ticket: 1 })]);
        self.answers.pop().unwrap()
    }

    /// Lets so many seconds pass on the wall, tick by tick.
    async fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds * 10 {
            advance(Duration::from_millis(100)).await;
            self.ask(Vec::new());
        }
    }

    fn said(&self) -> usize {
        let said = self
            .told
            .iter()
            .filter(|told| matches!(told.event, Event::Said(_)));
        said.count()
    }

    fn phases(&self) -> Vec<(String, String)> {
        let phases = self.told.iter().filter_map(|told| match &told.event {
            Event::PhaseStarted(phase) => Some((told.at.offset().to_string(), phase.phase.clone())),
            _ => None,
        });
        phases.collect()
    }

    fn acts(&self) -> Vec<String> {
        let acts = self.told.iter().filter_map(|told| match &told.event {
            Event::ActEnded(act) => {
                let result = if act.result == Outcome::Ok {
                    "ok"
                } else {
                    "refused"
                };
                Some(format!("{} {} {result}", told.at.offset(), act.act))
            }
            _ => None,
        });
        acts.collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_replay_performs_the_original_at_its_times() {
    let mut drill = Drill::begin(Mode::Replay, Nature::Honest);
    drill.pass(150).await;
    let phases = drill.phases();
    let at = |i: usize| (phases[i].0.as_str(), phases[i].1.as_str());
    assert_eq!(at(0), ("+0m", "latent"));
    assert_eq!(at(1), ("+4m", "outage"));
    assert_eq!(at(2), ("+90m", "tail"));
    assert_eq!(at(3).1, "clear");
    assert_eq!(
        drill.acts(),
        [
            "+41m suspect-lb ok",
            "+60m find-server ok",
            "+61m read-logs ok",
            "+85m restore-config ok",
            "+90m restart ok",
        ]
    );
    assert_eq!(drill.timeline.ended(), Some(&Ending::Complete));
    assert!(drill.world.held().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_late_tick_tells_the_same_story_as_many() {
    let mut often = Drill::begin(Mode::Replay, Nature::Honest);
    often.pass(88).await;
    let mut seldom = Drill::begin(Mode::Replay, Nature::Honest);
    advance(Duration::from_secs(88)).await;
    seldom.ask(Vec::new());
    assert_eq!(seldom.phases(), often.phases());
    assert_eq!(seldom.acts(), often.acts());
}

#[tokio::test(start_paused = true)]
async fn an_act_of_a_person_passes_the_same_gates() {
    let mut drill = Drill::begin(Mode::Replay, Nature::Honest);
    drill.pass(10).await;
    let refused = Answer::Refused("still cannot connect to the database".into());
    assert_eq!(drill.act("restart"), refused);
    assert!(matches!(drill.act("restore-config"), Answer::UnderWay(_)));
    assert_eq!(
        drill.act("restore-config"),
        Answer::Refused("`restore-config` is already under way".into())
    );
    drill.pass(4).await;
    assert_eq!(drill.act("restart"), Answer::Done);
    assert_eq!(drill.timeline.phase(), "tail");
}

#[tokio::test(start_paused = true)]
async fn what_the_proxy_sees_needs_no_declaring() {
    let mut drill = Drill::begin(Mode::Replay, Nature::Honest);
    drill.pass(10).await;
    assert!(matches!(drill.act("drain-source"), Answer::Refused(why) if why.contains("sees it")));
    drill.world.drain();
    drill.pass(1).await;
    assert_eq!(drill.timeline.phase(), "reads-saved");
}

#[tokio::test(start_paused = true)]
async fn an_unknown_act_is_refused_with_those_that_are_known() {
    let mut drill = Drill::begin(Mode::Replay, Nature::Honest);
    assert!(matches!(drill.act("reboot"), Answer::Refused(why) if why.contains("restart")));
}

#[tokio::test(start_paused = true)]
async fn with_people_thinking_is_not_compressed_and_nobody_performs_for_them() {
    let mut drill = Drill::begin(Mode::Rehearse, Nature::Honest);
    // Four story minutes of waiting at one to ten.
    drill.pass(25).await;
    assert_eq!(drill.timeline.phase(), "outage");
    drill.pass(600).await;
    assert!(drill.acts().is_empty());
    let told = drill.timeline.stamp(Instant::now()).offset();
    assert_eq!(told.0.as_secs() / 60, 14, "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_in_which_nobody_acts_is_closed_by_its_deadline() {
    let mut drill = Drill::begin(Mode::Rehearse, Nature::Honest);
    for _ in 0..7300 {
        advance(Duration::from_secs(1)).await;
        drill.ask(Vec::new());
    }
    assert!(matches!(drill.timeline.ended(), Some(Ending::Overdue(_))));
    assert!(drill.world.held().is_empty());
}

#[tokio::test(start_paused = true)]
async fn step_by_step_the_facilitator_leads() {
    let mut drill = Drill::begin(Mode::Step, Nature::Honest);
    drill.pass(60).await;
    assert_eq!(drill.timeline.phase(), "latent");
    assert_eq!(drill.lead(Verb::Next(None)), Answer::Done);
    assert_eq!(drill.timeline.phase(), "outage");
}

#[tokio::test(start_paused = true)]
async fn panic_interruption_and_a_lost_lease_leave_no_fault() {
    let check = async |strike: fn(&mut Drill), wanted: fn(&Ending) -> bool| {
        let mut drill = Drill::begin(Mode::Replay, Nature::Honest);
        drill.pass(20).await;
        assert_eq!(drill.world.held(), ["db-cut", "health-lies"]);
        strike(&mut drill);
        assert!(
            drill.timeline.ended().is_some_and(wanted),
            "{:?}",
            drill.timeline.ended()
        );
        assert!(drill.world.held().is_empty());
    };
    check(
        |drill| drill.ask(vec![Order::Panic("ada".into())]),
        |ending| matches!(ending, Ending::Panicked(_)),
    )
    .await;
    check(
        |drill| drill.ask(vec![Order::Interrupt("Ctrl-C".into())]),
        |ending| matches!(ending, Ending::Interrupted(_)),
    )
    .await;
    let lose = |drill: &mut Drill| {
        drill.world.lose_lease();
        drill.ask(Vec::new());
    };
    check(lose, |ending| matches!(ending, Ending::Stopped(_))).await;
}

#[tokio::test(start_paused = true)]
async fn real_trouble_stops_the_drill_and_the_incident_itself_does_not() {
    let mut well = Drill::begin(Mode::Replay, Nature::Honest);
    well.pass(60).await;
    assert_eq!(well.timeline.ended(), None);
    let mut ill = Drill::begin(Mode::Replay, Nature::Ill);
    ill.pass(60).await;
    let Some(Ending::Stopped(why)) = ill.timeline.ended() else {
        panic!("{:?}", ill.timeline.ended());
    };
    assert!(why.contains("no fault accounts for it"), "{why}");
}

#[test]
fn what_a_fault_does_over_time_is_compressed_with_the_story() {
    let script = orm_break(Mode::Replay, true);
    let cold_start = &script.stations[3].faults[0].1;
    let written = serde_json::to_string(&cold_start.r#do).unwrap();
    assert!(written.contains(r#"["46s","100%"]"#), "{written}");
}

#[tokio::test(start_paused = true)]
async fn without_the_database_the_proxy_answers_for_the_application() {
    let script = orm_break(Mode::Replay, false);
    assert_eq!(script.form(), crate::drill::Form::Simulated);
    assert_eq!(orm_break(Mode::Replay, true).form(), crate::drill::Form::Causal);
    // Whose faults have no stand-ins claims neither.
    assert_eq!(
        Drill::bad_reload(Mode::Replay).timeline.script.form(),
        crate::drill::Form::Direct
    );
    let outage = &script.stations[1];
    let names: Vec<_> = outage.faults.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["app-500", "health-lies"]);
}

const REFUSAL: &str = "in the way: the security checks refuse this change";

#[tokio::test(start_paused = true)]
async fn a_replay_rolls_back_for_real_and_is_refused_for_real() {
    let mut drill = Drill::bad_reload(Mode::Replay);
    assert_eq!(drill.pushed, [REFUSAL]);
    drill.pass(40).await;
    assert_eq!(
        drill.acts(),
        [
            "+16m rollback refused",
            "+27m clear-checks ok",
            "+28m rollback ok"
        ]
    );
    assert_eq!(
        drill.pushed,
        [
            REFUSAL,
            "rollback, refused: true",
            "in the way: nothing",
            "rollback, refused: false"
        ]
    );
    assert_eq!(drill.phases()[2], ("+28m".to_owned(), "clear".to_owned()));
    assert_eq!(drill.timeline.ended(), Some(&Ending::Complete));
}

#[tokio::test(start_paused = true)]
async fn the_teams_rollback_counts_when_the_proxy_sees_it() {
    let mut drill = Drill::bad_reload(Mode::Rehearse);
    drill.pass(30).await;
    assert_eq!(drill.timeline.phase(), "outage");
    let unseen = drill.act("rollback");
    assert!(matches!(unseen, Answer::Refused(words) if words.contains("when the proxy sees it")));
    drill.see_rollback(true);
    assert_eq!(drill.act("clear-checks"), Answer::Done);
    // What was refused a moment ago is not done because its gate has opened since.
    drill.see_rollback(true);
    assert_eq!(drill.timeline.phase(), "outage");
    drill.see_rollback(false);
    assert_eq!(drill.timeline.phase(), "clear");
    let results: Vec<_> = drill
        .acts()
        .iter()
        .map(|act| act.split_once(' ').unwrap().1.to_owned())
        .collect();
    assert_eq!(
        results,
        [
            "rollback refused",
            "clear-checks ok",
            "rollback refused",
            "rollback ok"
        ]
    );
    assert_eq!(
        drill.pushed,
        [REFUSAL, "in the way: nothing"],
        "people did it, not the drill"
    );
}
