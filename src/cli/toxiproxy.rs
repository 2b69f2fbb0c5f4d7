//! `chaosproxy toxiproxy`: takes the place of `toxiproxy-server`, with its flags and its variable.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use clap::ArgAction;

use super::{Exit, Outcome, Terminal, Trouble, values};
use crate::{
    app::{self, InPlace, Plan},
    telemetry::{log, screen::Screen},
};

/// Serve Toxiproxy's API in the place of toxiproxy-server
#[derive(clap::Args, Clone, Debug)]
#[command(args_override_self = true)]
#[command(after_help = "\
Examples:
  chaosproxy toxiproxy
  chaosproxy toxiproxy --host 0.0.0.0 --config toxiproxy.json

Flags may have one dash, as in -host=0.0.0.0. LOG_LEVEL sets the level of the log. Everything else
of chaosproxy is there too: ask it with `chaosproxy status`.")]
pub(super) struct Args {
    /// Where the API listens
    #[arg(long, value_name = "HOST", default_value = "localhost")]
    host: String,
    /// On which port
    #[arg(long, value_name = "PORT", default_value = "8474")]
    port: String,
    /// Proxies to begin with, with their toxics: a JSON file, as `/populate` takes it
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    config: Option<OsString>,
    /// The seed of all dice, to repeat a run; by default a new one
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = values::signed_seed)]
    seed: Option<i64>,
    /// Let /metrics show Toxiproxy's counters of bytes
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    #[arg(action = ArgAction::Set, value_parser = values::go_bool)]
    proxy_metrics: bool,
    /// The same: there is no Go runtime to show
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    #[arg(action = ArgAction::Set, value_parser = values::go_bool)]
    runtime_metrics: bool,
    /// Show which version of Toxiproxy is answered for
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    #[arg(action = ArgAction::Set, value_parser = values::go_bool)]
    version: bool,
    /// What follows the flags: Toxiproxy does not look at it
    #[arg(last = true, hide = true)]
    rest: Vec<OsString>,
}

/// The command's name.
const NAME: &str = "toxiproxy";

/// What Toxiproxy's programs are called: started under such a name, this one is that command.
const NAMES: [&str; 2] = ["toxiproxy", "toxiproxy-server"];

/// Toxiproxy's flags that are no switches: each takes the next word, whatever that looks like.
const WITH_VALUE: [&str; 4] = ["host", "port", "config", "seed"];

/// Toxiproxy's variable for the level of its log.
const LOG_LEVEL: &str = "LOG_LEVEL";

/// Gives a command line for Toxiproxy the form that every other one has: the command, flags with two dashes, and what is left over.
pub(super) fn adapted(line: Vec<OsString>) -> Vec<OsString> {
    let mut line = line;
    let called = line.first().and_then(|name| Path::new(name).file_name());
    if called.is_some_and(|called| NAMES.iter().any(|name| called == OsStr::new(name))) {
        line.insert(1, NAME.into());
    }
    if line.get(1).is_none_or(|command| command != NAME) {
        return line;
    }
    let words = line.split_off(2);
    line.extend(flags(words));
    line
}

/// Flags as Go reads them: up to the first word that is none. What follows stands behind two dashes.
fn flags(words: Vec<OsString>) -> Vec<OsString> {
    let mut words = words.into_iter();
    let mut read = Vec::new();
    while let Some(word) = words.next() {
        if word == "-" || !word.as_encoded_bytes().starts_with(b"-") {
            read.extend([OsString::from("--"), word]);
            break;
        }
        let Some(name) = word.to_str().and_then(name_of_flag) else {
            // Two dashes, the letter of a flag of ours, or nothing that is known.
            let ends = word == "--";
            read.push(word);
            if ends {
                break;
            }
            continue;
        };
        let mut flag = OsString::from(format!("--{name}"));
        if WITH_VALUE.contains(&name)
            && let Some(value) = words.next()
        {
            flag.push("=");
            flag.push(value);
        }
        read.push(flag);
    }
    read.extend(words);
    read
}

/// What stands behind the one or two dashes of a flag, its value included.
fn name_of_flag(word: &str) -> Option<&str> {
    let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    let is_name = name.len() > 1 && name.starts_with(|c: char| c.is_ascii_alphabetic());
    is_name.then_some(name)
}

impl Args {
    pub(super) fn perform(self, terminal: Terminal) -> Outcome {
        if self.version {
            let version = crate::toxiproxy::VERSION;
            Terminal::print(&format!("toxiproxy-server version {version}"))?;
            return Ok(Exit::Ok);
        }
        let screen = Screen::stderr();
        let written = std::env::var(LOG_LEVEL).ok();
        let (level, known) = level(written.as_deref());
        log::set_up(log::Format::Json, level, &screen)
            .map_err(|error| Trouble::usage(error.to_string(), "see `chaosproxy toxiproxy --help`"))?;
        if let (false, Some(written)) = (known, written) {
            tracing::warn!(
                LOG_LEVEL = written,
                level,
                "LOG_LEVEL names no level, so that the usual one holds: use one of {}",
                LEVELS.map(|(name, _)| name).join(", ")
            );
        }
        if !self.rest.is_empty() {
            tracing::warn!(
                words = ?self.rest,
                "what follows the first word that is no flag is not looked at, flags included, as with Toxiproxy: leave it out, or write it as a flag"
            );
        }
        Ok(app::run(self.plan(terminal), screen).map(Exit::of)?)
    }

    fn plan(self, terminal: Terminal) -> Plan {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host,
        };
        let place = InPlace {
            listen: format!("{host}:{}", self.port),
            config: self.config.filter(|file| !file.is_empty()).map(PathBuf::from),
            metrics: self.proxy_metrics || self.runtime_metrics,
        };
        // A seed is a number by which a run is repeated; one below 0 is one as well.
        let seed = self.seed.map(i64::cast_unsigned);
        Plan {
            seed,
            ..Plan::in_place(place, terminal.json)
        }
    }
}

/// Toxiproxy's levels, each with our word for it. What would show nothing shows errors: a log has to say why a process ends.
const LEVELS: [(&str, &str); 8] = [
    ("panic", "error"),
    ("fatal", "error"),
    ("error", "error"),
    ("warn", "warn"),
    ("info", "info"),
    ("debug", "debug"),
    ("trace", "trace"),
    ("disabled", "error"),
];

/// Our word for one of Toxiproxy's levels, in any case of its letters, and whether it is known; the usual one where it is not, as
/// a container may have the variable for another program.
fn level(written: Option<&str>) -> (&'static str, bool) {
    let Some(written) = written.filter(|written| !written.is_empty()) else {
        return (log::DEFAULT_LEVEL, true);
    };
    let mut levels = LEVELS.iter();
    match levels.find(|(name, _)| name.eq_ignore_ascii_case(written)) {
        Some((_, ours)) => (ours, true),
        None => (log::DEFAULT_LEVEL, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};

    fn args(line: &[&str]) -> Args {
        let cli = Cli::read(line.iter().map(OsString::from)).unwrap();
        match cli.command {
            Some(Command::Toxiproxy(args)) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_flags_of_toxiproxy_server_are_understood() {
        let check = |line: &[&str]| {
            let plan = args(line).plan(Terminal { json: false });
            let place = plan.toxiproxy.unwrap();
            assert_eq!(place.listen, "0.0.0.0:9000", "{line:?}");
            assert_eq!(place.config.as_deref(), Some(Path::new("t.json")), "{line:?}");
            assert!(place.metrics && plan.seed == Some(7), "{line:?}");
        };
        check(&[
            "chaosproxy",
            "toxiproxy",
            "--host",
            "0.0.0.0",
            "--port",
            "9000",
            "--config",
            "t.json",
            "--seed",
            "7",
            "--proxy-metrics",
        ]);
        check(&[
            "/usr/bin/chaosproxy",
            "toxiproxy",
            "-host=0.0.0.0",
            "-port=9000",
            "-config=t.json",
            "-seed=7",
            "-runtime-metrics=true",
        ]);
        check(&[
            "/toxiproxy-server",
            "-host",
            "0.0.0.0",
            "-port",
            "9000",
            "-config",
            "t.json",
            "-seed",
            "7",
            "-proxy-metrics",
            "-runtime-metrics",
        ]);
    }

    #[test]
    fn flags_are_read_as_go_reads_them() {
        let metrics = |word: &str| args(&["toxiproxy", &format!("-proxy-metrics={word}")]).proxy_metrics;
        for (yes, no) in ["1", "t", "T", "TRUE", "true", "True"]
            .iter()
            .zip(["0", "f", "F", "FALSE", "false", "False"])
        {
            assert!(metrics(yes) && !metrics(no), "{yes} {no}");
        }
        let line = ["toxiproxy", "-proxy-metrics=yes"].map(OsString::from);
        assert!(Cli::read(line).is_err());
        let last = args(&[
            "toxiproxy",
            "-port=1",
            "--port",
            "2",
            "-config=a",
            "-config=",
            "-proxy-metrics",
            "-proxy-metrics=0",
            "-version",
            "-version=false",
        ]);
        assert!(!last.version && last.rest.is_empty());
        let place = last.plan(Terminal { json: false }).toxiproxy.unwrap();
        assert_eq!(
            (&*place.listen, place.config, place.metrics),
            ("localhost:2", None, false)
        );
        let dashed = args(&["toxiproxy", "-config", "-x.json"]);
        assert_eq!(dashed.config.as_deref(), Some(OsStr::new("-x.json")));
    }

    #[test]
    fn what_follows_the_flags_is_not_looked_at() {
        let check = |line: &[&str], port: &str, rest: &[&str]| {
            let args = args(line);
            assert_eq!(
                (&*args.port, args.rest.as_slice()),
                (port, &*rest.iter().map(OsString::from).collect::<Vec<_>>()),
                "{line:?}"
            );
        };
        check(
            &["toxiproxy", "-port=1", "serve", "-port=2"],
            "1",
            &["serve", "-port=2"],
        );
        check(&["toxiproxy", "-port", "1", "--", "-port=2"], "1", &["-port=2"]);
        check(&["toxiproxy", "-", "--", "x"], "8474", &["-", "--", "x"]);
        check(&["toxiproxy", "-proxy-metrics", "true"], "8474", &["true"]);
    }

    #[test]
    fn without_flags_it_is_where_toxiproxy_is() {
        let place = args(&["toxiproxy"])
            .plan(Terminal { json: false })
            .toxiproxy
            .unwrap();
        assert_eq!(
            (&*place.listen, place.config, place.metrics),
            ("localhost:8474", None, false)
        );
        let v6 = args(&["toxiproxy", "-host", "::1"]).plan(Terminal { json: false });
        assert_eq!(v6.toxiproxy.unwrap().listen, "[::1]:8474");
    }

    #[test]
    fn other_commands_keep_their_flags_as_they_are() {
        let line: Vec<OsString> = ["chaosproxy", "status", "-host"]
            .iter()
            .map(OsString::from)
            .collect();
        assert_eq!(adapted(line.clone()), line);
    }

    #[test]
    fn levels_are_those_of_toxiproxy() {
        let check = |written: &str, ours: &str, known: bool| {
            assert_eq!(level(Some(written)), (ours, known), "{written}");
        };
        assert_eq!(level(None), ("info", true));
        check("", "info", true);
        check("fatal", "error", true);
        check("INFO", "info", true);
        check("Warn", "warn", true);
        check("warning", "info", false);
        check("bogus", "info", false);
    }
}
