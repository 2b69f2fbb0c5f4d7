//! One run of a profile: phases, acts, gates, checks, the journal and the report.
//!
//! Read it in this order: [`profile`] is the story as written and [`script`] the story made ready for one run; [`timeline`]
//! is the story as a state machine, pure, with time and facts as arguments; [`ledger`] remembers its [`event`]s, [`measure`]
//! and [`judge`] read the ledger, [`report`] tells it. [`run()`] is the thin shell around all that: it ticks the timeline,
//! carries out what it says in a [`World`], and keeps the [`journal`].

pub mod chart;
mod clock;
pub mod event;
mod extends;
pub mod facts;
pub mod hot_wash;
mod hurried;
pub mod journal;
pub mod judge;
pub mod lead;
pub mod ledger;
pub mod measure;
mod offset;
pub mod plain;
pub mod profile;
pub mod profiles;
mod remote;
pub mod report;
mod run;
mod runbook;
mod script;
pub mod sealed;
mod shipped;
pub mod signal;
#[cfg(test)]
mod simulated;
mod terminal;
mod timeline;
pub mod vary;
pub mod verdict;
pub mod watch;
mod world;

pub use self::{
    clock::Mode,
    event::{Ending, Form},
    ledger::Ledger,
    offset::Offset,
    remote::{Gone, Inbox, Remote, remote},
    run::{Outcome, Watcher, run},
    runbook::{Autopilot, Runbook},
    script::{Binding, Bindings, Named, Script, Settings, Steer, Unfit},
    terminal::Terminal,
    timeline::{Action, Answer, Gauge, Next, Timeline, View},
    verdict::{Judgement, Verdict},
    world::{Refusal, World},
};
