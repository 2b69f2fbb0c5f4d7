//! `chaosproxy faults`: what can be broken, what is, and breaking and mending it by hand.

use clap::Subcommand;

use super::{Outcome, Terminal};

mod add;
mod kinds;
mod list;
mod remove;

pub(super) use list::fault_table;
#[cfg(test)]
pub(super) use list::tests;

/// See, set and remove faults while the proxy runs
#[derive(Subcommand, Clone, Debug)]
pub(super) enum Command {
    Kinds(kinds::Args),
    List(list::Args),
    Add(Box<add::Args>),
    Remove(remove::Args),
}

impl Command {
    pub(super) async fn perform(self, terminal: Terminal) -> Outcome {
        match self {
            Self::Kinds(args) => args.perform(terminal),
            Self::List(args) => args.perform(terminal).await,
            Self::Add(args) => args.perform(terminal).await,
            Self::Remove(args) => args.perform(terminal).await,
        }
    }
}
