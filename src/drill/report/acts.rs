//! What became of each act, gathered once for every form of the report: what people did, what the end cut short, what waits
//! for somebody else, and what nobody tried.

use serde::{Deserialize, Serialize};

use crate::drill::{
    event::{ActEnded, ActStarted, Known, Stamp},
    ledger::Ledger,
    offset::Offset,
    profile::{Act, Outcome, Profile},
};

/// An act, and each time that somebody tried it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActLine {
    /// Its name.
    pub act: String,
    /// What it is; nothing where the profile does not know it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub say: String,
    /// Whether it leads nowhere.
    #[serde(default)]
    pub detour: bool,
    /// How many people must declare it.
    pub people: u8,
    /// What came of it in the original, and when; it never did it where there is nothing.
    pub original: Vec<Once>,
    /// Each time that it was tried; nobody did where there is nothing.
    pub tries: Vec<Try>,
}

/// One time that the original team tried an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Once {
    /// When it was decided.
    pub at: Offset,
    /// What came of it.
    pub result: Outcome,
}

/// One time that an act was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Try {
    /// When it was decided; or begun, where it never was.
    #[serde(flatten)]
    pub at: Stamp,
    /// Who did it.
    pub by: String,
    /// How it is known.
    pub known: Known,
    /// By what the proxy saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// What came of it.
    pub result: Came,
    /// What the gate said when it refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it will count, where the proxy saw it and a gate refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What the person added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What came of an act that somebody tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Came {
    /// It was done.
    Ok,
    /// It was refused.
    Refused,
    /// It was begun, and the end of the drill cut it short.
    Unfinished,
    /// It was declared, and others must, too.
    Proposed,
}

impl Came {
    /// In words.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Ok => "done",
            Self::Refused => "refused",
            Self::Unfinished => "begun, not finished",
            Self::Proposed => "declared, but it needs others, too",
        }
    }
}

impl ActLine {
    fn known(name: &str, act: &Act) -> Self {
        Self {
            act: name.to_owned(),
            say: act.say.clone(),
            detour: act.detour,
            people: act.people.get(),
            original: act
                .originals()
                .map(|(_, at, result)| Once { at, result })
                .collect(),
            tries: Vec::new(),
        }
    }

    /// An act that the profile does not know: somebody declared it who was not to know which do.
    fn unknown(name: &str) -> Self {
        Self {
            act: name.to_owned(),
            say: String::new(),
            detour: false,
            people: 1,
            original: Vec::new(),
            tries: Vec::new(),
        }
    }

    /// When the original did it, in words.
    pub(super) fn original(&self) -> String {
        let times: Vec<_> = self.original.iter().map(|once| once.at.to_string()).collect();
        match times.is_empty() {
            true => "never".into(),
            false => times.join(", "),
        }
    }

    /// What it is, in words.
    pub(super) fn what(&self) -> String {
        let detour = if self.detour { " (a detour)" } else { "" };
        format!("{}{detour}", self.say)
    }
}

/// The acts of a drill: those of the profile in its order, then those that it does not know.
pub(super) fn acts(ledger: &Ledger, profile: Option<&Profile>) -> Vec<ActLine> {
    let known = profile.into_iter().flat_map(|profile| profile.acts.iter());
    let mut lines: Vec<_> = known.map(|(name, act)| ActLine::known(name, act)).collect();
    let ended = ledger.acts().map(|(at, act)| (&act.act, decided(at, act)));
    let begun = ledger.unfinished();
    let begun = begun.map(|(at, act)| (&act.act, open(at, act, Came::Unfinished)));
    let waiting = ledger.proposed();
    let waiting = waiting.map(|(at, act)| (&act.act, open(at, act, Came::Proposed)));
    for (name, tried) in ended.chain(begun).chain(waiting) {
        match lines.iter_mut().find(|line| line.act == *name) {
            Some(line) => line.tries.push(tried),
            None => lines.push(ActLine {
                tries: vec![tried],
                ..ActLine::unknown(name)
            }),
        }
    }
    lines
}

fn decided(at: Stamp, act: &ActEnded) -> Try {
    Try {
        at,
        by: act.by.clone(),
        known: act.known,
        seen: act.seen.clone(),
        result: match act.result {
            Outcome::Ok => Came::Ok,
            Outcome::Refused => Came::Refused,
        },
        message: act.message.clone(),
        next: act.next.clone(),
        text: act.text.clone(),
    }
}

/// What was never decided.
fn open(at: Stamp, act: &ActStarted, result: Came) -> Try {
    Try {
        at,
        by: act.by.clone(),
        known: act.known,
        seen: None,
        result,
        message: None,
        next: None,
        text: None,
    }
}
