//! `chaosproxy run`: serves a document, or runs an incident, or both.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf};

use clap::ValueEnum;

use super::{Outcome, Terminal, Trouble, init::Service, logs};

/// Serve a document, run an incident, or both (this is what `chaosproxy` without a command does)
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy run --profile orm-break                       The built-in services; nothing else is needed
  chaosproxy run --profile orm-break --wait 60 --exit      For CI: ends by itself, the exit status is the verdict
  chaosproxy run --config chaosproxy.yaml                  Serve, until told to end
  chaosproxy run --config chaosproxy.yaml --profile orm-break
  chaosproxy run --backend app=127.0.0.1:9001              A quick start without a document, on port 8080")]
pub(super) struct Args {
    /// The document: listeners, clusters, roles
    #[arg(long, value_name = "FILE", env = "CHAOSPROXY_CONFIG", conflicts_with = "backends")]
    config: Option<PathBuf>,
    /// A server to put the proxy in front of, without a document; may be repeated
    #[arg(long = "backend", value_name = "NAME=ADDRESS")]
    backends: Vec<Service>,
    /// The incident to run: a name that `chaosproxy profiles` lists, or a file
    #[arg(long, value_name = "NAME|FILE")]
    profile: Option<String>,
    #[command(flatten)]
    drill: Drill,
    #[command(flatten)]
    process: Process,
}

#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "The incident")]
struct Drill {
    /// Who drives it
    #[arg(long, value_enum, default_value_t, requires = "profile")]
    mode: Mode,
    /// How many minutes of the story pass in a minute; by default what the profile says
    #[arg(long, value_name = "N", requires = "profile")]
    wait: Option<std::num::NonZeroU32>,
    /// The seed of all dice, to repeat a run; by default a new one, which is printed
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// End when the incident has ended, with the verdict as exit status
    #[arg(long, requires = "profile")]
    exit: bool,
    /// Where the report is written
    #[arg(long, value_name = "DIR", default_value = "./reports")]
    report_dir: PathBuf,
}

#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "The process")]
struct Process {
    /// How many threads carry traffic; by default the CPUs that the process may use
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// Where the admin API listens; by default what the document says, else 127.0.0.1:8474
    #[arg(long, value_name = "ADDRESS", env = "CHAOSPROXY_ADMIN")]
    admin: Option<SocketAddr>,
    /// Where history and journals are kept; by default what the document says
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// The form of log lines
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    log_format: logs::Format,
    /// What is logged: error, warn, info, debug, trace, or a filter such as info,chaosproxy::proxy=debug
    #[arg(long, value_name = "LEVEL", env = "CHAOSPROXY_LOG", default_value = "info")]
    log: String,
}

/// Who drives an incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// The original team's acts, at their times
    #[default]
    Replay,
}
