//! A drill over the real control: its timeline, ticked by hand, and its journal.

use std::{sync::Arc, time::Duration};

use chaosproxy::{
    control::{Control, LeaseId, Owner},
    drill::{
        Action, Binding, Bindings, Ending, Ledger, Named, Script, Settings, Timeline,
        facts::{Asked, Counts, Observed, Order, Traffic},
        journal::{self, Chain},
        profiles,
    },
};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::model::Model;

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
}

impl Drill {
    /// Takes a lease and begins, where that is allowed: not under a panic.
    pub(crate) fn begin(name: &str, control: &Control, model: &mut Model) -> Option<Self> {
        let script = script(name);
        let lasts = script.lease();
        let taken = control.take_lease(Owner::Drill { drill: "sim".into() }, lasts, Vec::new());
        assert_eq!(taken.is_ok(), !model.panic, "{taken:?}");
        let lease = taken.ok()?;
        model.leases.insert(lease, (Instant::now() + lasts, Vec::new()));
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
        let seen = self.look(held);
        let actions = self
            .timeline
            .advance(now, &seen, std::mem::take(&mut self.orders));
        self.carry_out(actions, control, model);
        let over = self.timeline.ended().is_some();
        if over {
            control.release(self.lease);
            model.leases.remove(&self.lease);
            self.told_the_truth();
        }
        over
    }

    /// Visitors come steadily, and all is well with them.
    fn look(&mut self, held: bool) -> Observed {
        self.visits += 10;
        let counts = Counts {
            attempts: self.visits,
            ok: self.visits,
            ..Counts::default()
        };
        let traffic = ["read", "write"].map(|class| (class.to_owned(), counts));
        Observed {
            traffic: Traffic(traffic.into()),
            lease_lost: !held,
            ..Observed::default()
        }
    }

    fn carry_out(&mut self, actions: Vec<Action>, control: &Control, model: &mut Model) {
        for action in actions {
            match action {
                Action::Hold(faults) => self.hold(&faults, control, model),
                Action::Record(stamped) => {
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

    fn hold(&mut self, faults: &[Named], control: &Control, model: &mut Model) {
        match control.replace(self.lease, faults.to_vec()) {
            Ok(()) => {
                let names = faults.iter().map(|(name, _)| name.clone()).collect();
                model
                    .leases
                    .entry(self.lease)
                    .and_modify(|(_, held)| *held = names);
            }
            // As the shell does: a drill that cannot break what it promised to break is over.
            Err(refusal) => {
                let ending = Ending::Stopped(refusal.to_string());
                let actions = self.timeline.abort(Instant::now(), ending, &Observed::default());
                self.carry_out(actions, control, model);
            }
        }
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
    }
}

/// A shipped incident, bound as the first document binds it.
fn script(name: &str) -> Script {
    let bind = |(role, target, backends): (&str, &str, usize)| {
        (
            role.to_owned(),
            Binding {
                target: target.to_owned(),
                backends,
            },
        )
    };
    let bound = [
        ("http.source", "app/app-a", 1),
        ("http.replica", "app/app-b", 1),
        ("db.source", "orders-db", 1),
        ("http.primary", "app", 3),
        ("auth.service", "orders-db", 1),
    ];
    let bindings: Bindings = bound.map(bind).into();
    let profile = profiles::load(name).unwrap_or_else(|problems| panic!("{problems}"));
    Script::new(
        profile,
        &bindings,
        Settings {
            seed: 7,
            ..Settings::default()
        },
    )
    .unwrap()
}
