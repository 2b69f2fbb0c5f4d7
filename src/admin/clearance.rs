//! What a caller may know of what is broken on purpose: by their role, and by whether a blind drill runs.
//!
//! Two places keep to it. An endpoint says in the table whether it is [`Secrecy::Open`]; and every type that can be an answer
//! says, as [`Tell`], what is left of it for those who may not know all. Both are asked in `endpoint`, and nowhere else.

use super::{
    refusal::{Kind, Refusal},
    tokens::Role,
};

/// What a caller may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Clearance {
    /// What a plain balancer shows, and that there is an exercise.
    Blind,
    /// What a plain balancer shows, and in which phase the drill is.
    Plain,
    /// Everything.
    Full,
}

/// Whether an answer is for everybody who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// It is, as [`Tell`] tells it.
    Open,
    /// Once no drill runs; before, only for those who may know everything.
    Afterwards,
    /// Only for those who may know everything.
    Kept,
}

impl Clearance {
    /// What this role may know, while a blind drill runs or not.
    pub(super) fn of(role: Role, runs_blind: bool) -> Self {
        match role {
            Role::Facilitator => Self::Full,
            Role::Observer if !runs_blind => Self::Full,
            Role::Responder if !runs_blind => Self::Plain,
            Role::Observer | Role::Responder => Self::Blind,
        }
    }

    /// Whether everything may be known.
    pub(super) fn is_full(self) -> bool {
        self == Self::Full
    }

    /// Whether a drill would be known to be blind by this.
    pub(super) fn is_blind(self) -> bool {
        self == Self::Blind
    }
}

impl Secrecy {
    /// Lets a caller through, or says why not.
    pub(super) fn allows(self, clearance: Clearance, drill_runs: bool) -> Result<(), Refusal> {
        match self {
            Self::Open => Ok(()),
            _ if clearance.is_full() => Ok(()),
            Self::Afterwards if !drill_runs => Ok(()),
            Self::Afterwards => Err(Refusal::new(
                Kind::Sealed,
                "it is sealed until the exercise is over",
                "ask again then, or ask the facilitator",
            )),
            Self::Kept => Err(Refusal::new(
                Kind::Sealed,
                "what is broken on purpose is not for everybody to know",
                "ask the facilitator",
            )),
        }
    }
}

/// An answer, and what is left of it for those who may not know everything.
pub(super) trait Tell: Sized {
    /// What somebody with less than [`Clearance::Full`] is told.
    #[must_use]
    fn told(self, clearance: Clearance) -> Self;
}
