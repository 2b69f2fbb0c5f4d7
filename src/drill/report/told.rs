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
            vec![
                Name(act.act.clone()),
                Plain(format!(" by {}{}: ", act.by, text.unwrap_or_default())),
                Strong(result(act.result).to_owned()),
                Plain(message.unwrap_or_default()),
            ]
        }
        Event::Said(said) => vec![Plain(format!("To the {}: “{}”", word(&said.to), said.text))],
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
        Event::DrillStarted(_) | Event::Sampled(_) | Event::Lifted(_) | Event::Judged(_) => Vec::new(),
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
