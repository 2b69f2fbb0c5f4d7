//! What the facilitator asks of a drill, and the words in which people rate it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::profile::Audience;
use crate::units::Span;

/// Something that the facilitator, or an observer, asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Lead {
    /// Who asks.
    pub by: String,
    /// What for.
    pub verb: Verb,
    /// By which the answer finds the asker.
    pub ticket: u64,
}

/// What can be asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Verb {
    /// Go on: to this phase, or by the first way out that is written.
    Next(Option<String>),
    /// Let the story stand still.
    Hold,
    /// Let it go on.
    Resume,
    /// Give the phase so much more story time.
    Extend(Span),
    /// Tell people something that the profile does not know of.
    Inject {
        /// Who is told.
        to: Audience,
        /// What they are told.
        text: String,
    },
    /// Give the hint of this level, from 1.
    Hint(usize),
    /// Let an act through, whatever its gates say.
    Accept(String),
    /// Refuse an act, whatever its gates say, until it is accepted.
    Refuse {
        /// The act.
        act: String,
        /// What whoever tries it is told.
        why: String,
    },
    /// Write something down.
    Note(String),
    /// Say how an objective was performed.
    Rate {
        /// The objective.
        objective: String,
        /// How it was performed.
        rating: Performance,
        /// Why one thinks so.
        why: Option<String>,
    },
}

/// How an objective was performed: the four steps that evaluators of exercises use, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Performance {
    /// Performed without challenges.
    Without,
    /// Performed with some challenges.
    Some,
    /// Performed with major challenges.
    Major,
    /// Unable to be performed.
    Unable,
}

impl Performance {
    /// The best rating that is left to a room that needed a hint of this level, from 1.
    pub const fn after_hint(level: usize) -> Self {
        match level {
            0 => Self::Without,
            1 | 2 => Self::Some,
            _ => Self::Major,
        }
    }
}

impl fmt::Display for Performance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Without => "performed without challenges",
            Self::Some => "performed with some challenges",
            Self::Major => "performed with major challenges",
            Self::Unable => "unable to be performed",
        })
    }
}
