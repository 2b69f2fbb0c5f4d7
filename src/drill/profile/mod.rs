//! The profile as written: a portable story of an incident, with roles in place of addresses.
//!
//! This file is its shape; [`proof`] says whether it can be run, [`super::script`] resolves its names for one run.

mod acts;
mod checks;
mod phases;
pub mod proof;
mod short;
mod sight;
mod vary;
mod yardstick;

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    acts::{Act, Attempt, Audience, Gate, Hint, Inject, Outcome},
    checks::{Check, Checks, Interval, Limits, Moment, Objective, Of, Steady, StopRule, Target},
    phases::{Kind, Leave, Over, Phase, When},
    sight::{Admission, Header, Sight},
    vary::Vary,
    yardstick::{Curve, Yardstick},
};
use crate::{
    config::Named,
    faults::Entry,
    telemetry::{METHODS, method_place},
    units::{Probability, Span},
};

/// The name of the last station: a phase leaves to it, and the drill is over.
pub const END: &str = "end";

/// The class that stands for all traffic, whatever its class.
pub const ALL: &str = "all";

/// An incident in a file: who it needs, what breaks, who does what, and what the original looked like.
///
/// A profile of one fault and a duration is written in the short form, with `fault` and `for` in place of phases;
/// [`Profile::expand`] turns it into the long one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The grammar that this file is written in.
    pub schema: Grammar,
    /// What the profile is called on the command line.
    pub name: String,
    /// The incident in one sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Where the story comes from, and what in it is assumed or disputed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The roles that the user's document must bind to a backend or cluster.
    #[serde(default)]
    pub needs: BTreeMap<String, Need>,
    /// How story time runs against the clock on the wall.
    #[serde(default)]
    pub clock: Clock,
    /// What good service means, for the error budget.
    #[serde(default)]
    pub slo: Slo,
    /// The classes by which success is counted, and where each must go.
    #[serde(default)]
    pub traffic: Named<Class>,
    /// The monitoring, by patterns for its `User-Agent`: it is no user, and is counted apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub monitors: Vec<String>,
    /// Everything that can be broken, by name.
    #[serde(default)]
    pub faults: Named<Entry>,
    /// The simulated form: what is used in place of a fault whose optional role is not bound.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stand_ins: BTreeMap<String, String>,
    /// The stations of the story, in the order of the original; the first is where a drill begins.
    #[serde(default)]
    pub phases: Vec<Phase>,
    /// What responders may do, by name.
    #[serde(default)]
    pub acts: Named<Act>,
    /// News that reach people while a phase lasts.
    #[serde(default)]
    pub injects: Vec<Inject>,
    /// Help for a room that is stuck, mildest first.
    #[serde(default)]
    pub hints: Vec<Hint>,
    /// What the original looked like from outside.
    #[serde(default)]
    pub yardstick: Yardstick,
    /// What the responders set out to reach.
    #[serde(default)]
    pub objectives: Named<Objective>,
    /// What decides the verdict.
    #[serde(default)]
    pub checks: Checks,
    /// What may differ from one blind drill to the next, by its seed.
    #[serde(default, skip_serializing_if = "Vary::is_empty")]
    pub vary: Vary,
    /// How far a drill may go; a drill may tighten this, never widen it.
    #[serde(default)]
    pub limits: Limits,
    /// Real trouble that ends the drill.
    #[serde(default)]
    pub stop: Vec<StopRule>,
    /// Questions for the room afterwards.
    #[serde(default)]
    pub debrief: Vec<String>,
    /// Short form: the one fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Entry>,
    /// Short form: how long it lasts.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Span>,
}

/// The grammar that a profile is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Grammar {
    /// The first, and so far the only one.
    #[serde(rename = "chaosproxy.profile/v1")]
    V1,
}

/// Where the story comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The published report.
    pub report: String,
    /// The change that began it.
    pub t0: Zero,
    /// What the report leaves open and the profile fills in.
    #[serde(default)]
    pub assumed: Vec<String>,
    /// Where the report contradicts itself, and what the profile follows.
    #[serde(default)]
    pub disputed: Vec<Dispute>,
}

/// T0: the moment from which the story counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zero {
    /// What happened then.
    pub what: String,
    /// When that was, in the words of the report.
    pub said: String,
}

/// A point on which the report contradicts itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dispute {
    /// What is contradictory.
    pub point: String,
    /// The reading that the profile follows.
    pub chosen: String,
}

/// What the user's document must bind to a role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Need {
    /// The fewest backends that the role must stand for.
    pub min: usize,
    /// Whether the drill can do without it, by its stand-ins.
    pub optional: bool,
}

impl Default for Need {
    fn default() -> Self {
        Self {
            min: 1,
            optional: false,
        }
    }
}

/// Story minutes to a minute on the wall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Clock {
    /// While people wait.
    pub wait: NonZeroU32,
    /// While people think: they do not think faster because the tool would like it.
    pub think: NonZeroU32,
    /// In a replay, where nobody thinks: a story minute a second unless the profile says otherwise.
    pub replay: NonZeroU32,
    /// The least time on the wall that a compressed wait lasts when people take part.
    pub floor: Span,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            wait: NonZeroU32::MIN.saturating_add(9),
            think: NonZeroU32::MIN,
            replay: NonZeroU32::MIN.saturating_add(59),
            floor: Span::secs(20),
        }
    }
}

/// The service level that the error budget is counted against.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Slo {
    /// The share of requests that must succeed.
    pub target: Probability,
    /// The window over which the budget is given.
    pub window: Span,
}

impl Default for Slo {
    fn default() -> Self {
        Self {
            target: Probability::new(0.999).unwrap_or_default(),
            window: Span(Duration::from_secs(30 * 86_400)),
        }
    }
}

/// A class of requests, told apart by method, and the backends that the incident's system sends it to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// The methods that belong to it.
    pub methods: Vec<String>,
    /// The one role that serves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// The roles that share it, and how.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub split: BTreeMap<String, Probability>,
}

impl Profile {
    /// The classes by which success is counted, each with the places of its methods in [`METHODS`]; where none is written, one
    /// for all traffic.
    pub fn classes(&self) -> Vec<(String, Vec<usize>)> {
        let places = |class: &Class| class.methods.iter().map(|method| method_place(method)).collect();
        let written = self.traffic.iter();
        let classes: Vec<_> = written
            .map(|(name, class)| (name.to_owned(), places(class)))
            .collect();
        match classes.is_empty() {
            true => vec![(ALL.to_owned(), (0..METHODS.len()).collect())],
            false => classes,
        }
    }

    /// The title, or the name where no title is written.
    pub fn headline(&self) -> &str {
        if self.title.is_empty() {
            &self.name
        } else {
            &self.title
        }
    }
}
