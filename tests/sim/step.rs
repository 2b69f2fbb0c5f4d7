//! What may happen.

use chaosproxy::{
    drill::{
        Mode,
        lead::{Performance, Verb},
        profile::Audience,
    },
    units::Span,
    upstream::Condition,
};
use proptest::prelude::*;

use crate::model::DOCUMENTS;

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// So many milliseconds pass; a drill ticks meanwhile.
    Pass(u64),
    /// Somebody takes a lease for so many seconds, with these faults.
    Take(u64, Vec<&'static str>),
    /// The holder of one of the leases renews it for so many seconds.
    Renew(usize, u64),
    /// It puts other faults in the place of its own.
    Replace(usize, Vec<&'static str>),
    /// It gives its lease back.
    Release(usize),
    /// Somebody removes a fault by its name.
    Remove(&'static str),
    /// Everything off.
    Panic,
    /// Faults may start again.
    Reset,
    /// One of the documents is applied.
    Apply(usize),
    /// A document that is wrong, or cannot be put in force, is applied.
    ApplyBroken(usize),
    /// Back to a revision, or the one before.
    Rollback(Option<u64>),
    /// The balancer.
    Drain(&'static str),
    /// The balancer.
    Enable(&'static str),
    /// What health checks say of a backend.
    Health(&'static str, Condition),
    /// So many exchanges with a backend end in an error.
    Errors(&'static str, usize),
    /// A drill of this incident begins, if none runs.
    Drill(&'static str, Mode),
    /// The facilitator asks for something.
    Lead(Verb),
    /// Somebody declares an act of the drill.
    Act(&'static str),
    /// Somebody breaks the drill off.
    Interrupt,
    /// The drill's process is cut off: it neither renews nor ends anything.
    Cut,
}

/// The name of a `bad_reload`: while it stands, the address of the database is wrong.
pub(crate) const BAD: &str = "bad";

/// Names that faults are given; the first is also one of a document's own.
pub(crate) const FAULTS: &[&str] = &["written", "a", "b", "c", "d", BAD];

/// Backends of the cluster `app`.
pub(crate) const BACKENDS: &[&str] = &["app-a", "app-b", "spare"];

const INCIDENTS: &[&str] = &[
    "standby-overload",
    "hung-auth-quiet",
    "bad-reload",
    "orm-break",
    "hung-auth",
];

const MODES: &[Mode] = &[Mode::Replay, Mode::Rehearse, Mode::Step];

/// The names of phases, of all incidents.
const PHASES: &[&str] = &[
    "latent",
    "outage",
    "failover",
    "sheltered",
    "saved",
    "restart",
    "ramp",
    "collapse",
    "starting",
    "quarter",
    "open",
    "push",
    "tail",
    "reads-saved",
    "clear",
    "end",
    "nowhere",
];

const ACTS: &[&str] = &[
    "quiet-monitors",
    "clear-checks",
    "find-collision",
    "find-cause",
    "shed",
    "restart-standby",
    "rollback",
    "restart-in-turn",
    "restart-at-once",
    "restart-all",
    "suspect-lb",
    "find-server",
    "restore-config",
    "restart",
    "nonsense",
];

fn some<T: Clone + std::fmt::Debug + 'static>(of: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(of)
}

fn faults() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(some(FAULTS), 0..4)
}

fn condition() -> impl Strategy<Value = Condition> {
    some(&[
        Condition::Healthy,
        Condition::Unhealthy,
        Condition::Unhealthy,
        Condition::Joining,
    ])
}

/// What a facilitator may ask for, sense or nonsense.
fn verb() -> impl Strategy<Value = Verb> {
    let text = || "why not".to_owned();
    prop_oneof![
        3 => Just(Verb::Next(None)),
        2 => some(PHASES).prop_map(|to| Verb::Next(Some(to.into()))),
        2 => Just(Verb::Hold),
        2 => Just(Verb::Resume),
        1 => (0_u64..600).prop_map(|secs| Verb::Extend(Span::secs(secs))),
        1 => Just(Verb::Inject { to: Audience::Responders, text: text() }),
        1 => (0_usize..5).prop_map(Verb::Hint),
        2 => some(ACTS).prop_map(|act| Verb::Accept(act.into())),
        2 => some(ACTS).prop_map(move |act| Verb::Refuse { act: act.into(), why: text() }),
        1 => Just(Verb::Note(text())),
        1 => Just(Verb::Rate { objective: "full-service".into(), rating: Performance::Some, why: None }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (1_u64..4000).prop_map(Step::Pass),
        8 => (1_u64..20, faults()).prop_map(|(ttl, names)| Step::Take(ttl, names)),
        4 => (0_usize..4, 1_u64..20).prop_map(|(lease, ttl)| Step::Renew(lease, ttl)),
        4 => (0_usize..4, faults()).prop_map(|(lease, names)| Step::Replace(lease, names)),
        3 => (0_usize..4).prop_map(Step::Release),
        3 => some(FAULTS).prop_map(Step::Remove),
        1 => Just(Step::Panic),
        2 => Just(Step::Reset),
        4 => (0..DOCUMENTS.len()).prop_map(Step::Apply),
        2 => (0_usize..3).prop_map(Step::ApplyBroken),
        2 => prop::option::of(0_u64..6).prop_map(Step::Rollback),
        4 => some(BACKENDS).prop_map(Step::Drain),
        3 => some(BACKENDS).prop_map(Step::Enable),
        4 => (some(BACKENDS), condition()).prop_map(|(backend, condition)| Step::Health(backend, condition)),
        3 => (some(BACKENDS), 1_usize..8).prop_map(|(backend, errors)| Step::Errors(backend, errors)),
        3 => (some(INCIDENTS), some(MODES)).prop_map(|(name, mode)| Step::Drill(name, mode)),
        3 => some(ACTS).prop_map(Step::Act),
        4 => verb().prop_map(Step::Lead),
        1 => Just(Step::Interrupt),
        1 => Just(Step::Cut),
    ]
}

/// A story.
pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..60)
}
