//! The log: `tracing` to stderr, as text for people or JSON for machines.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// The variable that sets the level where no flag does, in the syntax of `tracing` (`info`, `warn,chaosproxy::net=debug`).
pub const VARIABLE: &str = "CHAOSPROXY_LOG";

/// The level where nobody has set one.
pub const DEFAULT_LEVEL: &str = "info";

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people; coloured on a terminal.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level is not understood.
    #[error("`{level}` is no log level: {why}; write `info`, or `warn,chaosproxy::net=debug`")]
    Level {
        /// As written.
        level: String,
        /// What the parser said.
        why: String,
    },
    /// Somebody else was first.
    #[error("the log is already set up")]
    Twice,
}

/// Sets up the log of the process: once, and before anything is worth logging.
pub fn set_up(format: Format, level: &str) -> Result<(), LogError> {
    let filter = parse_level(level)?;
    let registry = tracing_subscriber::registry().with(filter);
    let done = match format {
        Format::Text => {
            let layer = fmt::layer().with_writer(io::stderr).with_ansi(colours());
            registry.with(layer).try_init()
        }
        Format::Json => {
            let layer = fmt::layer().json().flatten_event(true).with_writer(io::stderr);
            registry.with(layer).try_init()
        }
    };
    done.map_err(|_| LogError::Twice)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A panic is a line like any other: which thread, where, and what it said.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let said = panic.payload_as_str().unwrap_or("nothing that can be shown");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(thread = thread.name(), place, said, "panic: this is a bug");
}

fn parse_level(level: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(level).map_err(|error| LogError::Level {
        level: level.into(),
        why: error.to_string(),
    })
}

/// On a terminal, unless <https://no-color.org> is asked for: set and not empty.
fn colours() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !refused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_words_or_one_for_each_part() {
        for good in ["info", "warn,chaosproxy::net=debug", "off"] {
            assert!(parse_level(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_bad_level_is_named_with_a_good_one_beside_it() {
        let error = parse_level("chaosproxy=loud").unwrap_err().to_string();
        assert!(error.starts_with("`chaosproxy=loud` is no log level"), "{error}");
        assert!(
            error.ends_with("write `info`, or `warn,chaosproxy::net=debug`"),
            "{error}"
        );
    }
}
