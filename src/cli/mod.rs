//! The command line: one file per command.
//!
//! A command reads its arguments, asks the admin API or a file, and shows what came back; what it shows is made by pure
//! functions from data to text. To add a command: write its file, and add it to [`Command`] and to [`Command::perform`].

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, Id, Parser, Subcommand, error::ErrorKind, parser::ValueSource};

use self::{
    terminal::Terminal,
    trouble::{Exit, Outcome, Trouble},
};

mod act;
mod check;
mod client;
mod compare;
mod completions;
mod config;
mod count;
mod drill;
mod faults;
mod init;
mod lasting;
mod lb;
mod man;
mod panic;
mod profiles;
mod report;
mod run;
mod schema;
mod status;
mod table;
mod terminal;
mod top;
mod toxiproxy;
mod trouble;
mod values;

/// A load-balancing reverse proxy that re-enacts documented incidents, so that teams can rehearse their recovery
#[derive(Parser, Clone, Debug)]
#[command(name = "chaosproxy", version, max_term_width = 100, after_help = EXAMPLES)]
#[command(disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Write the result as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    run: run::Args,
}

/// The one flag that belongs to every command.
const JSON: &str = "json";

const EXAMPLES: &str = "\
Examples:
  chaosproxy --profile orm-break                 Watch a real incident; nothing else is needed
  chaosproxy --config chaosproxy.yaml            Serve what the document says
  chaosproxy faults add 'latency: {add: 300ms}' --cluster app --odds 20% --for 5m
  chaosproxy panic                               All faults off, now

Exit status: 0 done, 1 not done or a check failed, 2 wrong usage, document or profile,
3 stopped by a rule, 4 panic, 5 not everything was evaluated";

/// The commands.
#[derive(Subcommand, Clone, Debug)]
enum Command {
    Run(Box<run::Args>),
    Check(check::Args),
    Init(init::Args),
    Profiles(profiles::Args),
    #[command(subcommand)]
    Faults(faults::Command),
    Status(status::Args),
    Top(top::Args),
    #[command(subcommand)]
    Lb(lb::Command),
    Act(act::Args),
    #[command(subcommand)]
    Drill(Box<drill::Command>),
    Panic(panic::Args),
    #[command(subcommand)]
    Config(config::Command),
    Report(report::Args),
    Compare(compare::Args),
    Toxiproxy(toxiproxy::Args),
    Schema(schema::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::read(std::env::args_os()).unwrap_or_else(|error| error.exit());
    let json = cli.json;
    match cli.perform() {
        Ok(exit) => exit.into(),
        Err(trouble) => {
            if !trouble.what.is_empty() {
                Terminal::say(&if json { trouble.json() } else { trouble.to_string() });
            }
            trouble.exit.into()
        }
    }
}

impl Cli {
    /// Reads a command line. What belongs to `run` is said either without a command or after `run`.
    fn read(line: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Self, clap::Error> {
        let line = toxiproxy::adapted(line.into_iter().map(Into::into).collect());
        let mut grammar = Self::command();
        let matches = grammar.try_get_matches_from_mut(line)?;
        if let Some(command) = matches.subcommand_name() {
            let said =
                |id: &&Id| *id != JSON && matches.value_source(id.as_str()) == Some(ValueSource::CommandLine);
            if let Some(id) = matches.ids().find(said) {
                let flag = id.as_str().replace('_', "-");
                let words = format!(
                    "'--{flag}' says how to run the proxy, and stands before '{command}', which does not"
                );
                return Err(grammar.error(ErrorKind::ArgumentConflict, words));
            }
        }
        Self::from_arg_matches(&matches)
    }

    fn perform(self) -> Outcome {
        let terminal = Terminal { json: self.json };
        match self.command {
            None => self.run.perform(terminal),
            Some(command) => command.perform(terminal),
        }
    }
}

impl Command {
    fn perform(self, terminal: Terminal) -> Outcome {
        match self {
            Self::Run(args) => args.perform(terminal),
            Self::Check(args) => args.perform(terminal),
            Self::Init(args) => args.perform(terminal),
            Self::Profiles(args) => args.perform(terminal),
            Self::Faults(command) => wait_for(command.perform(terminal)),
            Self::Status(args) => wait_for(args.perform(terminal)),
            Self::Top(args) => wait_for(args.perform(terminal)),
            Self::Lb(command) => wait_for(command.perform(terminal)),
            Self::Act(args) => wait_for(args.perform(terminal)),
            Self::Drill(command) => wait_for(command.perform(terminal)),
            Self::Panic(args) => wait_for(args.perform(terminal)),
            Self::Config(command) => wait_for(command.perform(terminal)),
            Self::Report(args) => args.perform(terminal),
            Self::Compare(args) => args.perform(terminal),
            Self::Toxiproxy(args) => args.perform(terminal),
            Self::Schema(args) => args.perform(),
            Self::Completions(args) => args.perform(terminal),
            Self::Man(args) => args.perform(terminal),
        }
    }
}

/// Runs a command that asks the admin API.
fn wait_for(command: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Trouble::new(
                format!("this process cannot start: {error}"),
                "check the limits of this machine",
            )
        })?;
    runtime.block_on(command)
}

#[cfg(test)]
mod tests;
