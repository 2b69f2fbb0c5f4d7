//! What the proxy says of itself while it runs: one line an event, to standard error.

use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, fmt};

use super::Trouble;

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    Text,
    /// For programs: one JSON object a line
    Json,
}

/// Sends events to standard error from now on.
pub(super) fn start(format: Format, filter: &str) -> Result<(), Trouble> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Trouble::usage(
            format!("`{filter}` is no log level: {error}"),
            "write error, warn, info, debug or trace, or `info,chaosproxy::proxy=debug` for one part",
        )
    })?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        Format::Text => lines.with_ansi(is_for_eyes()).try_init(),
        Format::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Trouble::new(format!("logs cannot be written: {error}"), "report this as a bug"))
}

/// Whether colours would be seen.
fn is_for_eyes() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}
