//! A seeded simulation: whatever the order of ticks, acts, losses and crashes, a finished run leaves no fault, phases never
//! overlap, the end is reached or a deadline closes it, and the journal replays to the same state.

use jiff::Timestamp;
use proptest::prelude::*;
use tokio::time::advance;

use super::*;
use crate::drill::{
    Mode,
    facts::Asked,
    journal::{self, Chain},
    lead::{Lead, Verb},
    ledger::Ledger,
    simulated::{Nature, Simulated, hung_auth, orm_break},
    world::World as _,
};
use crate::units::Span;

/// Something that happens in a run.
#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Act(&'static str),
    Lead(Verb),
    Drain,
    Admit(f64),
    Restart(&'static str),
    Signal,
    LoseLease,
    Interrupt,
    Panic,
}

fn step() -> impl Strategy<Value = Step> {
    let acts = [
        "suspect-lb",
        "find-server",
        "restore-config",
        "restart",
        "drain-source",
        "quiet-monitors",
        "clear-checks",
        "find-cause",
        "shed",
        "find-collision",
        "rollback",
        "rollback",
        "restart-in-turn",
        "restart-at-once",
        "restart-all",
        "nonsense",
    ];
    prop_oneof![
        20 => (1_u64..30_000).prop_map(Step::Pass),
        8 => prop::sample::select(acts.to_vec()).prop_map(Step::Act),
        6 => verb().prop_map(Step::Lead),
        1 => Just(Step::Drain),
        2 => prop::sample::select(vec![0.0, 0.25, 0.5, 1.0]).prop_map(Step::Admit),
        2 => prop::sample::select(vec!["app/app-a", "app/app-b"]).prop_map(Step::Restart),
        1 => Just(Step::Signal),
        1 => Just(Step::LoseLease),
        1 => Just(Step::Interrupt),
        1 => Just(Step::Panic),
    ]
}

/// What a facilitator may ask for, sense or nonsense.
fn verb() -> impl Strategy<Value = Verb> {
    let act = || prop::sample::select(vec!["find-server", "restore-config", "restart", "nonsense"]);
    let text = || "why not".to_owned();
    prop_oneof![
        2 => Just(Verb::Next(None)),
        1 => prop::sample::select(vec!["tail", "reads-saved", "end", "nowhere"]).prop_map(|to| Verb::Next(Some(to.into()))),
        3 => Just(Verb::Hold),
        3 => Just(Verb::Resume),
        1 => (0_u64..600).prop_map(|secs| Verb::Extend(Span::secs(secs))),
        1 => (0_usize..5).prop_map(Verb::Hint),
        1 => act().prop_map(|act| Verb::Accept(act.into())),
        1 => act().prop_map(move |act| Verb::Refuse { act: act.into(), why: text() }),
        1 => Just(Verb::Note("n".into())),
    ]
}

fn mode() -> impl Strategy<Value = Mode> {
    prop::sample::select(vec![Mode::Replay, Mode::Replay, Mode::Rehearse, Mode::Step])
}

fn nature() -> impl Strategy<Value = Nature> {
    prop::sample::select(vec![Nature::Honest, Nature::Inert, Nature::Silent, Nature::Ill])
}

/// A run with what it wrote and what it remembers.
struct Run {
    timeline: Timeline,
    world: Simulated,
    chain: Chain,
    text: String,
    ledger: Ledger,
    last: Stamp,
    holds: usize,
}

impl Run {
    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Hold(faults) => {
                    self.world.hold(&faults).unwrap();
                    self.holds += 1;
                }
                Action::Record(stamped) => {
                    assert!(
                        stamped.at >= self.last,
                        "time ran back: {stamped:?} after {:?}",
                        self.last
                    );
                    self.last = stamped.at;
                    self.ledger.note(&stamped);
                    self.text += &self.chain.seal(Timestamp::UNIX_EPOCH, &stamped).unwrap();
                }
                Action::Answer(..)
                | Action::Perform(_)
                | Action::Finish(_)
                | Action::Obstruct(_)
                | Action::Watch(_)
                | Action::RollBack { .. } => {}
            }
        }
    }

    async fn step(&mut self, step: Step) {
        let mut orders = Vec::new();
        match step {
            Step::Pass(millis) => advance(Duration::from_millis(millis)).await,
            Step::Act(act) => orders.push(Order::Act(Asked {
                act: act.into(),
                by: "ada".into(),
                text: None,
                ticket: 0,
            })),
            Step::Lead(verb) => orders.push(Order::Lead(Lead {
                by: "fay".into(),
                verb,
                ticket: 0,
            })),
            Step::Drain => self.world.drain(),
            Step::Admit(share) => self.world.admit(share),
            Step::Restart(server) => self.world.restart(server),
            Step::Signal => orders.push(Order::Signal("page".into())),
            Step::LoseLease => self.world.lose_lease(),
            Step::Interrupt => orders.push(Order::Interrupt("Ctrl-C".into())),
            Step::Panic => orders.push(Order::Panic("ada".into())),
        }
        let seen = self.world.observe();
        let actions = self.timeline.advance(Instant::now(), &seen, orders);
        self.carry_out(actions);
    }
}

fn script(name: &str, mode: Mode, is_causal: bool) -> Script {
    match name {
        "orm-break" => orm_break(mode, is_causal),
        other => hung_auth(other, mode, is_causal),
    }
}

async fn simulate(script: Script, nature: Nature, steps: Vec<Step>) -> Run {
    let world = Simulated::new(nature);
    let script = Arc::new(script);
    let (timeline, first) = Timeline::begin(script, Instant::now(), &world.observe());
    let mut run = Run {
        timeline,
        world,
        chain: Chain::new("sim"),
        text: String::new(),
        ledger: Ledger::default(),
        last: Stamp::default(),
        holds: 0,
    };
    run.carry_out(first);
    for one in steps {
        run.step(one).await;
    }
    // Nobody does anything any more: deadlines must close it.
    for _ in 0..800 {
        run.step(Step::Pass(10_000)).await;
    }
    run
}

/// Phases follow one another without a gap, and none after the end.
fn never_overlap(ledger: &Ledger) {
    for pair in ledger.visits.windows(2) {
        assert_eq!(
            pair[0].to, pair[1].from,
            "{} and {}",
            pair[0].phase, pair[1].phase
        );
    }
    let ended = ledger.ended.as_ref().map(|(at, _)| *at);
    assert_eq!(ledger.visits.last().map(|visit| visit.to), ended);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_a_run_ends_clean_and_its_journal_tells_it(
        name in prop::sample::select(vec!["orm-break", "hung-auth", "hung-auth-quiet", "bad-reload", "standby-overload"]),
        mode in mode(),
        nature in nature(),
        is_causal in any::<bool>(),
        steps in prop::collection::vec(step(), 0..60),
        crash in 0.0..1.0_f64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let run = runtime.block_on(simulate(script(name, mode, is_causal), nature, steps));
        prop_assert!(run.timeline.ended().is_some());
        prop_assert!(run.world.held().is_empty());
        prop_assert_eq!(run.holds, run.ledger.visits.len() + 1, "one set a phase, and the empty one");
        never_overlap(&run.ledger);

        let read = journal::read(&run.text);
        prop_assert!(read.flaws.is_empty(), "{:?}", read.flaws);
        prop_assert!(Ledger::of(read.events()) == run.ledger, "the journal tells another story than the run remembers");

        // A crash at any byte: what is whole replays to what was known then.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a text")]
        let cut = (run.text.len() as f64 * crash) as usize;
        let Some(torn) = run.text.get(..cut) else { return Ok(()) };
        let part = journal::read(torn);
        prop_assert!(part.flaws.is_empty(), "{:?}", part.flaws);
        prop_assert!(part.lines == read.lines[..part.lines.len()]);
    }
}
