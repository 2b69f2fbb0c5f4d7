//! A drill as it is told to those who must not know its cause. Pure, and the only place that decides what they may know; in a
//! drill that is not blind, they also know the phase.

use std::{collections::BTreeMap, sync::LazyLock};

use super::{
    event::{Event, Known, PhaseStarted, Said, Stamp},
    facts::Counts,
    profile::{Audience, Outcome, Profile},
    profiles::{self, SHIPPED},
    timeline::View,
};

/// What a drill is called towards those who must not know what it is about.
pub const EXERCISE: &str = "exercise";

impl View {
    /// What a responder sees of this moment.
    #[must_use]
    pub fn plain(self, blind: bool) -> Self {
        let plain = Self {
            faults: Vec::new(),
            hints: Vec::new(),
            next: None,
            // The original's success tells which incident this is.
            gauges: Vec::new(),
            total: Counts::default(),
            turned_away: None,
            ..self
        };
        if !blind {
            return plain;
        }
        Self {
            profile: EXERCISE.to_owned(),
            phase: EXERCISE.to_owned(),
            at: unpaced(plain.at),
            ..plain
        }
    }
}

impl Event {
    /// What a responder is told of this event, if anything: news and hints that are meant for them, what people said or declared
    /// themselves, and everything from the end on, when there is nothing left to guess.
    pub fn plain(&self, blind: bool) -> Option<Self> {
        match self {
            Self::Said(said) if said.to == Audience::Responders => Some(Self::Said(Said {
                by: None,
                ..said.clone()
            })),
            Self::PhaseStarted(phase) if !blind => Some(Self::PhaseStarted(PhaseStarted {
                faults: Vec::new(),
                because: String::new(),
                ..phase.clone()
            })),
            Self::ActProposed(act) | Self::ActStarted(act) if act.known != Known::Declared => None,
            // Whoever was seen to act and was refused must know why. In a blind drill that would tell what is looked for.
            Self::ActEnded(act)
                if act.known == Known::Observed && act.result == Outcome::Refused && !blind =>
            {
                Some(self.clone())
            }
            Self::ActEnded(act) if act.known != Known::Declared => None,
            Self::Hinted(_)
            | Self::Signalled(_)
            | Self::Held(_)
            | Self::Resumed(_)
            | Self::ActProposed(_)
            | Self::ActStarted(_)
            | Self::ActEnded(_)
            | Self::DrillEnded(_)
            | Self::Lifted(_)
            | Self::Judged(_) => Some(self.clone()),
            Self::DrillStarted(_)
            | Self::PhaseStarted(_)
            | Self::Said(_)
            | Self::MarkPassed(_)
            | Self::Extended(_)
            | Self::Overruled(_)
            | Self::Noted(_)
            | Self::Assessed(_)
            | Self::Sampled(_) => None,
        }
    }
}

/// What can be declared, with what it is, to those who must not know what a drill is about: the acts of every profile that ships
/// and of the one that runs, so that the list is the same whichever of those that ship it is.
pub fn menu(profile: &Profile) -> BTreeMap<String, String> {
    let mut menu = SHIPPED_ACTS.clone();
    for (name, act) in profile.acts.iter() {
        menu.entry(name.to_owned()).or_insert_with(|| act.say.clone());
    }
    menu
}

static SHIPPED_ACTS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let shipped = SHIPPED
        .iter()
        .filter_map(|shipped| profiles::load(shipped.name).ok());
    let mut menu = BTreeMap::new();
    for profile in shipped {
        for (name, act) in profile.acts.iter() {
            menu.entry(name.to_owned()).or_insert_with(|| act.say.clone());
        }
    }
    menu
});

/// A moment without the pace of the story, which tells whether people are meant to wait or to think.
pub const fn unpaced(at: Stamp) -> Stamp {
    Stamp {
        story: at.wall,
        wall: at.wall,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::event::ActEnded;

    #[test]
    fn who_was_seen_to_act_and_was_refused_is_told_why_unless_that_tells_what_is_looked_for() {
        let seen = |result| {
            Event::ActEnded(ActEnded {
                act: "restart".into(),
                by: "the proxy".into(),
                known: Known::Observed,
                seen: Some("its health checks failed and pass again".into()),
                result,
                message: Some("still cannot connect to the database".into()),
                next: Some("it was seen, and must come again after `restore-config`".into()),
                text: None,
            })
        };
        let refused = seen(Outcome::Refused);
        assert_eq!(refused.plain(false), Some(refused.clone()));
        assert_eq!(refused.plain(true), None);
        assert_eq!(seen(Outcome::Ok).plain(false), None);
    }
}
