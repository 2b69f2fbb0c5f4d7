//! The shipped `hung-auth` in a small house of arithmetic: what people do to servers, traffic and monitoring decides the story.

use tokio::time::advance;

use super::*;
use crate::drill::{
    Mode,
    event::Known,
    facts::{Asked, Counts, Server, Traffic},
    profile::Outcome,
    simulated::hung_auth,
};

/// Visitors a second.
const VISITS: f64 = 50.0;

/// Two servers, their visitors, and monitoring that asks once a second.
struct House {
    timeline: Timeline,
    told: Vec<Stamped>,
    held: Vec<String>,
    admitted: f64,
    watched: bool,
    restarted: Vec<String>,
    sums: [f64; 4],
}

impl House {
    fn open(name: &str, mode: Mode) -> Self {
        let script = Arc::new(hung_auth(name, mode, true));
        let (timeline, first) = Timeline::begin(script, Instant::now(), &Observed::default());
        let mut house = Self {
            timeline,
            told: Vec::new(),
            held: Vec::new(),
            admitted: 1.0,
            watched: true,
            restarted: Vec::new(),
            sums: [0.0; 4],
        };
        house.carry_out(first);
        house
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Hold(faults) => self.held = faults.into_iter().map(|(name, _)| name).collect(),
                Action::Record(stamped) => self.told.push(stamped),
                Action::Perform(deeds) => deeds.iter().for_each(|deed| self.perform(deed)),
                Action::Answer(..)
                | Action::Finish(_)
                | Action::Obstruct(_)
                | Action::Watch(_)
                | Action::RollBack { .. } => {}
            }
        }
    }

    fn perform(&mut self, deed: &Sight) {
        match deed {
            Sight::Admitted(admission) => self.admitted = admission.share.get(),
            Sight::MonitorsFell => self.watched = false,
            _ => {}
        }
    }

    fn observe(&mut self) -> Observed {
        let [ok, failed, turned_away, probes] = self.sums.map(whole);
        let counts = Counts {
            ok,
            upstream: failed,
            proxy: turned_away,
            turned_away,
            ..Counts::default()
        };
        let monitors = Counts {
            ok: probes,
            ..Counts::default()
        };
        let backends = ["app/a", "app/b", "auth/only"].map(|place| (place.to_owned(), Server::default()));
        let hits = self.held.iter().map(|name| (name.clone(), 1));
        Observed {
            traffic: Traffic([("all".to_owned(), counts)].into()),
            monitors,
            hits: hits.collect(),
            restarted: std::mem::take(&mut self.restarted),
            backends: backends.into(),
            admitted: [("app".to_owned(), self.admitted)].into(),
            ..Observed::default()
        }
    }

    fn tick(&mut self, orders: Vec<Order>) {
        let seen = self.observe();
        let actions = self.timeline.advance(Instant::now(), &seen, orders);
        self.carry_out(actions);
    }

    fn act(&mut self, act: &str) {
        self.tick(vec![Order::Act(Asked {
            act: act.into(),
            by: "ada".into(),
            text: None,
            ticket: 1,
        })]);
    }

    /// Lets so many tenths of a second pass on the wall.
    async fn tenths(&mut self, tenths: u32) {
        for _ in 0..tenths {
            advance(Duration::from_millis(100)).await;
            let breaks = ["auth-hangs", "taken", "stampede"];
            let broken = self.held.iter().any(|held| breaks.contains(&held.as_str()));
            let (came, let_in) = (VISITS / 10.0, self.admitted);
            self.sums[usize::from(broken)] += came * let_in;
            self.sums[2] += came * (1.0 - let_in);
            self.sums[3] += f64::from(self.watched) / 10.0;
            self.tick(Vec::new());
        }
    }

    async fn pass(&mut self, seconds: u32) {
        self.tenths(seconds * 10).await;
    }

    /// A server goes away and comes back.
    fn restart(&mut self, server: &str) {
        self.restarted.push(format!("app/{server}"));
        self.tick(Vec::new());
    }

    fn phases(&self) -> Vec<&str> {
        let phases = self.told.iter().filter_map(|told| match &told.event {
            Event::PhaseStarted(phase) => Some(phase.phase.as_str()),
            _ => None,
        });
        phases.collect()
    }

    /// When a phase first began, and why.
    fn began(&self, name: &str) -> (String, String) {
        let phase = self.told.iter().find_map(|told| match &told.event {
            Event::PhaseStarted(phase) if phase.phase == name => {
                Some((told.at.offset().rounded().to_string(), phase.because.clone()))
            }
            _ => None,
        });
        phase.unwrap_or_else(|| panic!("`{name}` never began: {:?}", self.phases()))
    }

    fn acts(&self) -> Vec<(&str, Known, Outcome)> {
        let acts = self.told.iter().filter_map(|told| match &told.event {
            Event::ActEnded(act) => Some((act.act.as_str(), act.known, act.result)),
            _ => None,
        });
        acts.collect()
    }

    /// A rehearsal, up to the rollback that works.
    async fn rolled_back() -> Self {
        let mut house = Self::open("hung-auth", Mode::Rehearse);
        house.pass(100).await;
        assert_eq!(house.timeline.phase(), "outage");
        house.act("clear-checks");
        house.act("rollback");
        house.pass(61).await;
        assert_eq!(house.timeline.phase(), "restart");
        house
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few thousand visitors"
)]
fn whole(visitors: f64) -> u64 {
    visitors.round() as u64
}

#[tokio::test(start_paused = true)]
async fn a_replay_does_what_the_original_did_and_the_traffic_follows() {
    let mut house = House::open("hung-auth", Mode::Replay);
    house.pass(110).await;
    assert_eq!(
        house.phases(),
        [
            "latent", "outage", "restart", "starting", "quarter", "open", "clear"
        ]
    );
    let at = |phase| house.began(phase).0;
    let began = ["outage", "restart", "starting", "quarter", "open", "clear"].map(at);
    assert_eq!(began, ["+16m", "+56m", "+60m", "+89m", "+99m", "+102m"]);
    // Each act once: what the autopilot did is not seen a second time.
    let acts = house.acts();
    assert!(
        acts.iter().all(|(_, known, _)| *known == Known::Replayed),
        "{acts:?}"
    );
    assert_eq!(acts.len(), 8, "{acts:?}");
    assert_eq!(house.timeline.ended(), Some(&Ending::Complete));
    assert!(!house.watched && house.held.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_quiet_one_is_restarted_all_at_once_with_the_traffic_kept_out() {
    let mut house = House::open("hung-auth-quiet", Mode::Replay);
    house.pass(120).await;
    let at = |phase| house.began(phase).0;
    let began = ["outage", "recovering", "starting", "quarter", "open", "clear"].map(at);
    assert_eq!(began, ["+12m", "+69m", "+74m", "+100m", "+109m", "+112m"]);
    assert_eq!(house.timeline.ended(), Some(&Ending::Complete));
    assert!(house.watched, "nobody switched it off");
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_everything_at_once_brings_the_second_collapse_and_one_in_turn_does_not() {
    let mut house = House::rolled_back().await;
    house.restart("a");
    house.pass(5).await;
    house.restart("b");
    assert_eq!(house.timeline.phase(), "collapse");
    assert_eq!(house.began("collapse").1, "`restart-at-once` was done");
    house.pass(40).await;
    assert_eq!(house.timeline.phase(), "restart");

    // Monitoring still takes the threads of the first server that starts.
    house.restart("a");
    house.pass(90).await;
    house.restart("b");
    assert_eq!(
        house.acts().last().unwrap(),
        &("restart-in-turn", Known::Observed, Outcome::Refused)
    );
    house.watched = false;
    house.pass(20).await;
    assert_eq!(
        house.acts().last().unwrap(),
        &("quiet-monitors", Known::Observed, Outcome::Ok)
    );
    house.admitted = 0.0;
    house.pass(1).await;
    house.restart("a");
    house.pass(90).await;
    house.restart("b");
    assert_eq!(house.timeline.phase(), "starting");
    house.pass(180).await;
    house.admitted = 0.2;
    house.pass(62).await;
    house.admitted = 1.0;
    house.pass(60).await;
    assert_eq!(
        house.timeline.ended(),
        Some(&Ending::Complete),
        "{:?}",
        house.phases()
    );
    let seen = |name: &str| house.acts().contains(&(name, Known::Observed, Outcome::Ok));
    assert!(
        ["shut-out", "admit-quarter", "admit-all"].into_iter().all(seen),
        "{:?}",
        house.acts()
    );
}

#[tokio::test(start_paused = true)]
async fn traffic_that_is_let_in_before_servers_can_take_it_brings_the_second_collapse() {
    let mut house = House::rolled_back().await;
    house.act("quiet-monitors");
    assert!(
        !house.watched,
        "what is declared is done, where it can be from here"
    );
    house.act("restart-in-turn");
    assert_eq!(house.timeline.phase(), "starting");
    house.pass(19).await;
    assert_eq!(house.timeline.phase(), "collapse");
    assert!(house.began("collapse").1.contains("more than 0% was admitted"));
    house.pass(40).await;

    house.admitted = 0.0;
    house.act("restart-in-turn");
    house.pass(175).await;
    assert_eq!(house.timeline.phase(), "quarter");
    house.admitted = 1.0;
    house.pass(13).await;
    assert_eq!(house.timeline.phase(), "collapse", "{:?}", house.phases());
    // Nobody restarted anything at once, and still there was a stampede.
    let ledger = crate::drill::Ledger::of(house.told.iter().cloned());
    let rated = crate::drill::measure::rate(&ledger);
    let stampede = rated.iter().find(|rated| rated.name == "no-stampede").unwrap();
    assert_eq!(stampede.rating, crate::drill::measure::Rating::Missed);
}
