//! What happened, told once for every form of the report: pieces of text that each form dresses in its own way.

use Piece::{Faint, Name, Plain, Strong};

use super::words::{result, word};
use crate::drill::{event::Event, watch::ending};

/// A piece of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it is.
    Plain(String),
    /// What should be seen first.
    Strong(String),
    /// A name from the profile.
    Name(String),
    /// What may be overlooked.
    Faint(String),
}

/// An event as a sentence. What is no part of the story has none.
pub(super) fn told(event: &Event) -> Vec<Piece> {
    let plain = |text: &str| Plain(text.to_owned());
    match event {
        Event::PhaseStarted(phase) => {
            let mut pieces = vec![Strong(format!("Phase {}", phase.phase))];
            if phase.faults.is_empty() {
                pieces.push(plain(": no fault is active"));
            }
            for (i, fault) in phase.faults.iter().enumerate() {
                pieces.push(plain(if i == 0 { ": active: " } else { ", " }));
                pieces.push(Name(fault.clone()));
            }
            pieces.extend(ticked(&format!(" ({})", phase.because)));
            pieces
        }
        Event::ActStarted(act) => vec![Name(act.act.clone()), Plain(format!(" begun by {}", act.by))],
        Event::ActEnded(act) => {
            let message = act.message.as_ref().map(|message| format!(": “{message}”"));
            let text = act.text.as_ref().map(|text| format!(", who adds: “{text}”"));
            let mut pieces = vec![
                Name(act.act.clone()),
                Plain(format!(" by {}{}: ", act.by, text.unwrap_or_default())),
                Strong(result(act.result).to_owned()),
                Plain(message.unwrap_or_default()),
            ];
            if let Some(next) = &act.next {
                pieces.extend(ticked(&format!("; {next}")));
            }
            if let Some(seen) = &act.seen {
                pieces.extend(ticked(&format!(" (seen: {seen})")));
            }
            pieces
        }
        Event::ActProposed(act) => vec![
            Name(act.act.clone()),
            Plain(format!(" declared by {}: it needs others, too", act.by)),
        ],
        Event::Said(said) => {
            let by = said
                .by
                .as_ref()
                .map(|by| format!(", by {by}"))
                .unwrap_or_default();
            vec![Plain(format!("To the {}{by}: “{}”", word(&said.to), said.text))]
        }
        Event::MarkPassed(mark) => vec![Faint(format!("the original: {}", mark.name.replace('_', " ")))],
        Event::Signalled(signal) => {
            let about = signal.about().map(|about| format!(" ({about})"));
            vec![
                Strong(format!("Signal {}", signal.name)),
                Plain(format!(" received{}", about.unwrap_or_default())),
            ]
        }
        Event::DrillEnded(ended) => vec![
            Strong("The end".to_owned()),
            Plain(format!(": {}", ending(&ended.how))),
        ],
        other => led(other),
    }
}

/// What the facilitator and the observers did.
fn led(event: &Event) -> Vec<Piece> {
    match event {
        Event::Held(hand) => vec![Faint(format!("held by {}", hand.by))],
        Event::Resumed(hand) => vec![Faint(format!("resumed by {}", hand.by))],
        Event::Extended(it) => vec![Faint(format!(
            "{} more for phase {}, by {}",
            it.more, it.phase, it.by
        ))],
        Event::Hinted(hint) => vec![
            Strong(format!("Hint {}", hint.level)),
            Plain(format!(
                " by {}: “{}” (from here on {} at best)",
                hint.by, hint.text, hint.costs
            )),
        ],
        Event::Overruled(it) => {
            let ruled = match &it.why {
                None => format!(" let through by {}", it.by),
                Some(why) => format!(" to be refused, says {}: “{why}”", it.by),
            };
            vec![Name(it.act.clone()), Plain(ruled)]
        }
        Event::Noted(note) => vec![Plain(format!("Note by {}: {}", note.by, note.text))],
        Event::Assessed(it) => {
            let why = it.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let said = format!(" {}, says {}{why}", it.rating, it.by);
            vec![Name(it.objective.clone()), Plain(said)]
        }
        _ => Vec::new(),
    }
}

/// A text in which names stand between backticks.
fn ticked(text: &str) -> impl Iterator<Item = Piece> {
    let parts = text.split('`').enumerate();
    parts.map(|(i, part)| match i % 2 {
        0 => Plain(part.to_owned()),
        _ => Name(part.to_owned()),
    })
}
