//! What was done to a drill, in a line: the view below it is the same whatever was done.

use super::{Command, To};
use crate::drill::lead::Performance;

/// The line for a command; none where the view itself shows what was done.
pub(super) fn done(command: &Command) -> Option<String> {
    Some(match command {
        Command::Extend { by, .. } => format!("the phase has {by} more"),
        Command::Inject { text, to, .. } => {
            let to = match to {
                To::Responders => "responders",
                To::Facilitator => "the facilitator",
                To::Observers => "observers",
            };
            format!("told to {to}: “{text}”")
        }
        Command::Accept { act, .. } => format!("`{act}` is let through"),
        Command::Refuse { act, why, .. } => {
            format!("`{act}` is refused until it is accepted, with these words: “{why}”")
        }
        Command::Note { .. } => "written down".to_owned(),
        Command::Rate {
            objective, rating, ..
        } => format!("written down: `{objective}` {}", Performance::from(*rating)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: Command,
    }

    #[test]
    fn what_the_view_does_not_show_is_said() {
        let check = |line: &[&str], said: Option<&str>| {
            let line = std::iter::once("drill").chain(line.iter().copied());
            let command = Line::try_parse_from(line).unwrap().command;
            assert_eq!(done(&command).as_deref(), said);
        };
        check(&["extend", "5m"], Some("the phase has 5m more"));
        check(
            &["inject", "The CEO calls."],
            Some("told to responders: “The CEO calls.”"),
        );
        check(&["accept", "restart"], Some("`restart` is let through"));
        check(&["note", "good question"], Some("written down"));
        check(
            &["rate", "localise", "some"],
            Some("written down: `localise` performed with some challenges"),
        );
        check(&["hold"], None);
    }
}
