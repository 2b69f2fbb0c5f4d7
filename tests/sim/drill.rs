//! A drill over the real control: its timeline, ticked by hand, and its journal.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use chaosproxy::{
    control::{Author, Control, LeaseId, Owner},
    drill::{
        Action, Binding, Bindings, Ending, Ledger, Mode, Named, Script, Settings, Timeline,
        event::Stamp,
        facts::{Asked, Counts, Observed, Order, Traffic},
        journal::{self, Chain},
        lead::{Lead, Verb},
        profile::Sight,
        profiles,
    },
    units::Span,
};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::model::{Model, Staged};

/// A drill that is under way.
pub(crate) struct Drill {
    timeline: Timeline,
    lease: LeaseId,
    lasts: Duration,
    orders: Vec<Order>,
    chain: Chain,
    text: String,
    ledger: Ledger,
    visits: u64,
    /// When something was last written.
    last: Stamp,
    /// Whether its broken document is live, as far as it knows.
    broken: bool,
}

impl Drill {
    /// Takes a lease and begins, where that is allowed: not under a panic.
    pub(crate) fn begin(
        name: &'static str,
        mode: Mode,
        control: &Control,
        model: &mut Model,
    ) -> Option<Self> {
        let script = script(name, mode);
        let lasts = script.lease();
        let taken = control.take_lease(Owner::Drill { drill: "sim".into() }, lasts, Vec::new());
        assert_eq!(taken.is_ok(), !model.panic, "{taken:?}");
        let lease = taken.ok()?;
        model.leases.insert(lease, (Instant::now() + lasts, Vec::new()));
        let staged = Staged {
            incident: name,
            obstructs: false,
        };
        model.drills.insert(lease, staged);
        let (timeline, first) = Timeline::begin(Arc::new(script), Instant::now(), &Observed::default());
        let mut drill = Self {
            timeline,
            lease,
            lasts,
            orders: Vec::new(),
            chain: Chain::new("sim"),
            text: String::new(),
            ledger: Ledger::default(),
            visits: 0,
            last: Stamp::default(),
            broken: false,
        };
        drill.carry_out(first, control, model);
        Some(drill)
    }

    /// The lease that its faults live by.
    pub(crate) const fn lease(&self) -> Option<LeaseId> {
        Some(self.lease)
    }

    pub(crate) fn act(&mut self, name: &str) {
        let asked = Asked {
            act: name.into(),
            by: "ada".into(),
            text: None,
            ticket: 0,
        };
        self.orders.push(Order::Act(asked));
    }

    pub(crate) fn lead(&mut self, verb: Verb) {
        let by = "fay".into();
        self.orders.push(Order::Lead(Lead { by, verb, ticket: 0 }));
    }

    pub(crate) fn interrupt(&mut self) {
        self.orders.push(Order::Interrupt("Ctrl-C".into()));
    }

    /// Goes on to now; true when it is over.
    pub(crate) fn tick(&mut self, control: &Control, model: &mut Model) -> bool {
        let now = Instant::now();
        let held = control.renew(self.lease, self.lasts).is_ok();
        assert_eq!(
            held,
            model.leases.contains_key(&self.lease),
            "the lease of the drill"
        );
        model
            .leases
            .entry(self.lease)
            .and_modify(|(ends, _)| *ends = now + self.lasts);
        let seen = self.look(held, control);
        let actions = self
            .timeline
            .advance(now, &seen, std::mem::take(&mut self.orders));
        self.carry_out(actions, control, model);
        let over = self.timeline.ended().is_some();
        if over {
            let left = model.leases.get(&self.lease).map_or(0, |(_, names)| names.len());
            assert_eq!(left, 0, "its faults are lifted before it gives its lease back");
            control.release(self.lease);
            model.leases.remove(&self.lease);
            self.told_the_truth();
        }
        over
    }

    /// Visitors come steadily, and all is well with them.
    fn look(&mut self, held: bool, control: &Control) -> Observed {
        let mended = self.broken && !control.is_broken();
        self.broken &= !mended;
        self.visits += 10;
        let counts = Counts {
            attempts: self.visits,
            ok: self.visits,
            ..Counts::default()
        };
        let traffic = ["read", "write"].map(|class| (class.to_owned(), counts));
        Observed {
            traffic: Traffic(traffic.into()),
            sights: mended.then_some(Sight::RolledBack).into_iter().collect(),
            lease_lost: !held,
            ..Observed::default()
        }
    }

    fn carry_out(&mut self, actions: Vec<Action>, control: &Control, model: &mut Model) {
        let mut trouble = None;
        for action in actions {
            match action {
                Action::Hold(faults) => trouble = trouble.or(self.hold(&faults, control, model)),
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
                Action::Obstruct(words) => {
                    let obstructs = words.is_some();
                    if control.obstruct(self.lease, words).is_ok() {
                        model
                            .drills
                            .entry(self.lease)
                            .and_modify(|drill| drill.obstructs = obstructs);
                    }
                }
                Action::RollBack { .. } => self.roll_back(control, model),
                Action::Answer(..) | Action::Perform(_) | Action::Finish(_) | Action::Watch(_) => {}
            }
        }
        // As the shell does: a drill that cannot break what it promised to break is over.
        if let Some(refusal) = trouble {
            let ending = Ending::Stopped(refusal);
            let actions = self.timeline.abort(Instant::now(), ending, &Observed::default());
            self.carry_out(actions, control, model);
        }
    }

    /// As the original did, where a broken document is live.
    fn roll_back(&mut self, control: &Control, model: &mut Model) {
        if model.breaks().is_none() {
            return;
        }
        let rolled_back = control.rollback(None, Author::new("the original", "test"));
        assert_eq!(rolled_back.is_err(), model.is_obstructed(), "{rolled_back:?}");
        if let Ok(revision) = rolled_back {
            self.broken = false;
            model.mended(revision);
        }
    }

    /// Sets the active faults; the reason when that did not work.
    fn hold(&mut self, faults: &[Named], control: &Control, model: &mut Model) -> Option<String> {
        match control.replace(self.lease, faults.to_vec()) {
            Ok(()) => {
                let names = faults.iter().map(|(name, _)| name.clone()).collect();
                model
                    .leases
                    .entry(self.lease)
                    .and_modify(|(_, held)| *held = names);
                self.broken = control.is_broken();
            }
            Err(refusal) => return Some(refusal.to_string()),
        }
        None
    }

    /// The journal holds, and tells the story that the drill remembers.
    fn told_the_truth(&self) {
        let read = journal::read(&self.text);
        assert!(read.flaws.is_empty() && !read.torn, "{:?}", read.flaws);
        assert!(
            Ledger::of(read.events()) == self.ledger,
            "the journal tells another story"
        );
        assert!(self.ledger.ended.is_some());
        for pair in self.ledger.visits.windows(2) {
            assert!(
                pair[0].from <= pair[0].to && pair[0].to == pair[1].from,
                "phases overlap: {pair:?}"
            );
        }
    }
}

/// A shipped incident, bound as the first document binds it.
fn script(name: &str, mode: Mode) -> Script {
    let bind = |(role, target, backends): (&str, &str, usize)| {
        (
            role.to_owned(),
            Binding {
                target: target.to_owned(),
                backends,
                ..Binding::default()
            },
        )
    };
    let bound = [
        ("http.source", "app/app-a", 1),
        ("http.replica", "app/app-b", 1),
        ("db.source", "orders-db", 1),
        ("http.primary", "app", 3),
        ("http.standby", "app/spare", 1),
        ("auth.service", "orders-db", 1),
    ];
    let bindings: Bindings = bound.map(bind).into();
    let profile = profiles::load(name).unwrap_or_else(|problems| panic!("{problems}"));
    Script::new(
        profile,
        &bindings,
        Settings {
            mode,
            // Fast enough to come to its end while the simulation lasts; a drill that waits for people is closed by its limit.
            compression: NonZeroU32::new(240),
            seed: 7,
            max_wall: Some(Span::secs(60)),
            ..Settings::default()
        },
    )
    .unwrap()
}
