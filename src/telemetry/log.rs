//! The log: `tracing` to stderr, as text for people or JSON for machines.

use jiff::Timestamp;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    EnvFilter, fmt,
    fmt::{format::Writer, time::FormatTime},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::screen::Screen;

/// The variable that sets the level where no flag does, in the syntax of `tracing` (`info`, `warn,chaosproxy::net=debug`).
pub const VARIABLE: &str = "CHAOSPROXY_LOG";

/// The level where nobody has set one.
pub const DEFAULT_LEVEL: &str = "info";

/// The level where nobody has set one and an incident runs: it tells its own story.
pub const LEVEL_OF_AN_INCIDENT: &str = "warn";

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

/// Sets up the log of the process: once, and before anything is worth logging. On a screen, its lines stand above those
/// that are kept up to date.
pub fn set_up(format: Format, level: &str, screen: &Screen) -> Result<(), LogError> {
    let filter = parse_level(level)?;
    // Where a line comes from helps those who look into the proxy, and nobody else.
    let detailed = filter
        .max_level_hint()
        .is_none_or(|level| level > LevelFilter::INFO);
    let registry = tracing_subscriber::registry().with(filter);
    let (colours, screen_is_live, screen) = (screen.has_colours(), screen.is_live(), screen.clone());
    let layer = fmt::layer().with_writer(move || screen.clone());
    let done = match format {
        Format::Text => {
            let layer = layer.with_ansi(colours).with_target(detailed).with_timer(Moment {
                short: screen_is_live,
            });
            registry.with(layer).try_init()
        }
        Format::Json => registry.with(layer.json().flatten_event(true)).try_init(),
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

/// The time of a line of text. Who looks at a terminal knows the day, and has little room.
struct Moment {
    short: bool,
}

impl FormatTime for Moment {
    fn format_time(&self, w: &mut Writer<'_>) -> std::fmt::Result {
        match self.short {
            true => write!(w, "{}", Timestamp::now().strftime("%H:%M:%SZ")),
            false => write!(w, "{:.3}", Timestamp::now()),
        }
    }
}

/// What a level may be, from nothing to everything.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

fn parse_level(level: &str) -> Result<EnvFilter, LogError> {
    let bad = |why| LogError::Level {
        level: level.into(),
        why,
    };
    if let Some(word) = level.split(',').find(|word| is_no_level(word)) {
        return Err(bad(instead_of(word.trim())));
    }
    EnvFilter::try_new(level).map_err(|error| bad(error.to_string()))
}

/// Whether a word stands where a level belongs and is none. The filter would take it for a part of the program, and log that
/// one alone: nothing, where there is no such part.
fn is_no_level(word: &str) -> bool {
    let word = word.trim();
    !word.is_empty() && !word.contains(['=', '[']) && word.parse::<LevelFilter>().is_err()
}

fn instead_of(word: &str) -> String {
    let lower = word.to_lowercase();
    let is_near = |level: &&&str| {
        lower.starts_with(**level)
            || level.starts_with(&lower)
            || strsim::damerau_levenshtein(&lower, level) * 3 <= level.len()
    };
    let near = LEVELS.iter().find(is_near);
    let near = near.map_or_else(
        || "use one of".to_owned(),
        |near| format!("did you mean `{near}`? There are"),
    );
    let part = if word.contains("::") || word == env!("CARGO_PKG_NAME") {
        format!(", and for a part of the program `{word}=debug`")
    } else {
        String::new()
    };
    format!("{near} `{}`{part}", LEVELS.join("`, `"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_words_or_one_for_each_part() {
        for good in [
            "info",
            "WARN",
            "warn,chaosproxy::net=debug",
            "chaosproxy=debug,hyper=info",
            "off",
            "info,",
        ] {
            assert!(parse_level(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_word_that_is_no_level_does_not_silence_the_process() {
        let check = |level: &str, words: &str| {
            let error = parse_level(level).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
            assert!(
                error.contains("`off`, `error`, `warn`, `info`, `debug`, `trace`"),
                "{error}"
            );
        };
        check("warning", "did you mean `warn`?");
        check("info,err", "did you mean `error`?");
        check("infp", "did you mean `info`?");
        check("verbose", "`verbose` is no log level: use one of");
        check("wat", "`wat` is no log level: use one of");
        check("chaosproxy::net", "`chaosproxy::net=debug`");
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
