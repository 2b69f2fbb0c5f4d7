//! `chaosproxy run`: serves a document, or runs an incident, or both.

use std::{
    fs,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::{Path, PathBuf},
};

use clap::ValueEnum;

use super::{
    Exit, Outcome, Terminal, Trouble,
    init::{Service, document},
    values,
};
use crate::{
    app::{self, Incident, Plan, StartError, Written},
    config,
    control::ChangeError,
    drill::{
        self,
        profiles::{self, Opened},
    },
    telemetry::{log, screen::Screen},
    units::Span,
};

/// Serve a document, run an incident, or both; `run` may be left out
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy --profile orm-break                    On the built-in services; nothing else is needed
  chaosproxy --profile orm-break --exit --junit out.xml
                                                    For CI: the exit status is the verdict
  chaosproxy --profile orm-break --mode rehearse    You are the team: act from a second terminal
  chaosproxy --config chaosproxy.yaml               Serve, until told to end
  chaosproxy --config chaosproxy.yaml --profile orm-break
  chaosproxy --backend app=127.0.0.1:9001           A quick start without a document, on port 8080

SIGTERM and Ctrl-C end it once what runs has ended, SIGHUP reads the document again,
SIGUSR1 is the emergency button.")]
pub(super) struct Args {
    /// The document: listeners, clusters, roles
    #[arg(
        long,
        value_name = "FILE",
        env = "CHAOSPROXY_CONFIG",
        hide_env_values = true,
        conflicts_with = "backends"
    )]
    config: Option<PathBuf>,
    /// A server to put the proxy in front of, without a document; may be repeated
    #[arg(long = "backend", value_name = "NAME=ADDRESS")]
    backends: Vec<Service>,
    /// The incident to run: a name that `chaosproxy profiles` lists, a file, sealed or not, or `wheel` for any
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
    /// Who drives it: replay (the original team, at its times), rehearse (people), step (the facilitator)
    #[arg(long, value_enum, default_value_t, hide_possible_values = true)]
    mode: Mode,
    /// How many minutes of the story pass in a minute; with people, of waiting only; by default what the
    /// profile says
    #[arg(long, value_name = "N", requires = "profile", value_parser = values::wait)]
    wait: Option<NonZeroU32>,
    /// End it after this time on the wall, such as 2m, with exit status 1; by default, and at most, what the
    /// profile says
    #[arg(long, value_name = "TIME", requires = "profile", value_parser = super::lasting::lasting)]
    max_wall: Option<Span>,
    /// Who acts in the team's place: original, or a file with a runbook; in a replay it is the original team
    #[arg(long, value_name = "WHO", requires = "profile")]
    autopilot: Option<String>,
    /// Keep what it is about from those who take part, until it is over; needs tokens
    #[arg(long, requires = "profile")]
    blind: bool,
    /// The seed of all dice, to repeat a run; by default a new one, which is shown
    #[arg(long, value_name = "N", value_parser = values::seed)]
    seed: Option<u64>,
    /// End when the incident has ended, with the verdict as exit status
    #[arg(long, requires = "profile")]
    exit: bool,
    /// Write the verdict and every check as JUnit XML, for CI
    #[arg(long, value_name = "FILE", requires = "profile")]
    junit: Option<PathBuf>,
    /// Where reports are written
    #[arg(long, value_name = "DIR", default_value = "./reports")]
    report_dir: PathBuf,
}

#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "The process")]
struct Process {
    /// How many threads carry traffic, 512 at most; by default the CPUs that the process may use
    #[arg(long, value_name = "N", value_parser = values::workers)]
    workers: Option<NonZeroUsize>,
    /// Where the admin API listens; by default what the document says, else 127.0.0.1:8474
    #[arg(long, value_name = "ADDRESS", value_parser = values::address)]
    admin: Option<SocketAddr>,
    /// The file that gives tokens to people; by default what the document says
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// Where history and journals are kept; by default what the document says
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// The form of log lines: text or json
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        default_value_t,
        hide_possible_values = true
    )]
    log_format: log::Format,
    /// What is logged: error, warn, info, debug, trace, or as in info,chaosproxy::net=debug; by default
    /// info, with --profile warn
    #[arg(long, value_name = "LEVEL", env = log::VARIABLE, hide_env_values = true)]
    log: Option<String>,
}

/// Who drives an incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// The original team's acts, at their times
    #[default]
    Replay,
    /// People, by what they do
    Rehearse,
    /// The facilitator, from phase to phase
    Step,
}

impl From<Mode> for drill::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Replay => Self::Replay,
            Mode::Rehearse => Self::Rehearse,
            Mode::Step => Self::Step,
        }
    }
}

/// The port of a quick start.
const PORT: u16 = 8080;

impl Args {
    pub(super) fn perform(self, terminal: Terminal) -> Outcome {
        let (form, level) = (self.process.log_format, self.level().to_owned());
        let plan = self.plan(terminal)?;
        if plan.incident.is_some() {
            // Before anything is started for a drill that could not be written down.
            fs::create_dir_all(&plan.reports).map_err(|error| {
                Trouble::file("made", &plan.reports, &error).or("name another with --report-dir")
            })?;
        }
        let screen = Screen::stderr();
        log::set_up(form, &level, &screen)
            .map_err(|error| Trouble::usage(error.to_string(), "see `chaosproxy run --help`"))?;
        Ok(app::run(plan, screen).map(Exit::of)?)
    }

    fn level(&self) -> &str {
        match (&self.process.log, &self.profile) {
            (Some(level), _) => level,
            (None, Some(_)) => log::LEVEL_OF_AN_INCIDENT,
            (None, None) => log::DEFAULT_LEVEL,
        }
    }

    /// What is to be run; every file that it needs has been read and proved.
    fn plan(self, terminal: Terminal) -> Result<Plan, Trouble> {
        let document = self.document()?;
        let Self {
            profile,
            drill,
            process,
            ..
        } = self;
        if document.is_none() && profile.is_none() {
            return Err(Trouble::usage(
                "there is nothing to run",
                "see an incident with `chaosproxy --profile orm-break`, serve a document with --config FILE, \
                 or write one with `chaosproxy init --backend app=127.0.0.1:9001`",
            ));
        }
        if let Some(file) = &drill.junit {
            writable(file)?;
        }
        let autopilot = drill
            .autopilot
            .as_deref()
            .map(drill::Autopilot::load)
            .transpose()?;
        let seed = drill.seed.unwrap_or_else(app::fresh_seed);
        let asks_in_document = |written: &Written| written.document.admin.tokens_file.is_some();
        let tells_apart = process.tokens.is_some() || document.as_ref().is_some_and(asks_in_document);
        let incident = profile.map(|name| {
            chosen(&name, document.as_ref(), seed).map(|Opened { profile, sealed, .. }| Incident {
                profile,
                mode: drill.mode.into(),
                compression: drill.wait,
                max_wall: drill.max_wall,
                autopilot,
                blind: (drill.blind || sealed.is_some()).then_some(seed),
                sealed,
                exit: drill.exit,
                junit: drill.junit,
            })
        });
        Ok(Plan {
            document,
            incident: guarded(incident.transpose()?, tells_apart)?,
            seed: Some(seed),
            workers: process.workers,
            admin: process.admin,
            tokens: process.tokens,
            state: process.state,
            reports: drill.report_dir,
            json: terminal.json,
            toxiproxy: None,
        })
    }

    fn document(&self) -> Result<Option<Written>, Trouble> {
        match &self.config {
            Some(file) => read(file).map(Some),
            None if self.backends.is_empty() => Ok(None),
            None => made_of(&self.backends).map(Some),
        }
    }
}

impl From<StartError> for Trouble {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Problems(problems) | StartError::Change(ChangeError::Problems(problems)) => {
                problems.into()
            }
            StartError::Unguarded(_) => Self::usage(error.to_string(), ""),
            StartError::Unfit(_) => Self::usage(
                error.to_string(),
                "`chaosproxy profiles show NAME` tells what it needs",
            ),
            StartError::Change(_) | StartError::Admin(_) | StartError::System { .. } | StartError::Failed => {
                Self::new(error.to_string(), "")
            }
        }
    }
}

/// Refuses a blind drill that everybody could look into, before anything is bound.
fn guarded(incident: Option<Incident>, tells_apart: bool) -> Result<Option<Incident>, Trouble> {
    match &incident {
        Some(incident) if incident.blind.is_some() && !tells_apart => {
            Err(StartError::Unguarded(app::NEEDS_TOKENS.to_owned()).into())
        }
        _ => Ok(incident),
    }
}

/// The profile of this name or in this file, or the one at which the wheel stops.
fn chosen(name: &str, document: Option<&Written>, seed: u64) -> Result<Opened, Trouble> {
    if name != profiles::WHEEL {
        return Ok(profiles::open(name)?);
    }
    let found = app::turn_wheel(document.map(|written| &written.document), seed);
    let profile =
        found.map_err(|why| Trouble::usage(why, "`chaosproxy profiles show NAME` tells what it needs"))?;
    Ok(Opened {
        profile,
        extends: Vec::new(),
        sealed: None,
    })
}

/// Finds out before a drill, and not after it, that its verdict cannot be written there.
fn writable(file: &Path) -> Result<(), Trouble> {
    let is_new = !file.exists();
    let tried = fs::File::options().append(true).create(true).open(file);
    let tried = tried.and_then(|_| if is_new { fs::remove_file(file) } else { Ok(()) });
    tried.map_err(|error| Trouble::file("written", file, &error))
}

fn read(file: &Path) -> Result<Written, Trouble> {
    let loaded = config::load(file)?;
    Ok(Written {
        file: (file != Path::new("-")).then(|| file.to_owned()),
        name: loaded.tree.file().to_owned(),
        text: loaded.tree.text().to_owned(),
        document: loaded.document,
    })
}

/// The document of a quick start: what `chaosproxy init` would write.
fn made_of(backends: &[Service]) -> Result<Written, Trouble> {
    let text = document(backends, &[], PORT);
    let loaded = config::read_document("--backend", &text)?;
    Ok(Written {
        file: None,
        name: "--backend".to_owned(),
        text,
        document: loaded.document,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};

    const TERMINAL: Terminal = Terminal { json: false };

    fn plan(line: &[&str]) -> Result<Plan, String> {
        let line = std::iter::once("chaosproxy").chain(line.iter().copied());
        let cli = Cli::read(line).map_err(|error| error.to_string())?;
        let args = match cli.command {
            None => cli.run,
            Some(Command::Run(args)) => *args,
            Some(_) => return Err("another command".to_owned()),
        };
        args.plan(TERMINAL).map_err(|trouble| trouble.to_string())
    }

    #[test]
    fn run_is_what_happens_without_a_command() {
        for line in [
            &["--profile", "orm-break"][..],
            &["run", "--profile", "orm-break"],
        ] {
            let plan = plan(line).unwrap();
            assert_eq!(plan.incident.unwrap().profile.name, "orm-break");
            assert!(plan.document.is_none(), "the built-in services");
        }
    }

    #[test]
    fn what_cannot_be_a_drill_is_refused_before_anything_starts() {
        let wall = plan(&["--profile", "orm-break", "--max-wall", "0s"]).unwrap_err();
        assert!(wall.contains("never begins"), "{wall}");
        let line = ["chaosproxy", "--profile", "orm-break", "--report-dir", "/proc/x"];
        let trouble = Cli::read(line).unwrap().run.perform(TERMINAL).unwrap_err();
        assert!(
            trouble.to_string().contains("/proc/x cannot be made") && trouble.next.contains("--report-dir"),
            "{trouble}"
        );
    }

    #[test]
    fn a_quick_start_needs_no_document() {
        let plan = plan(&[
            "--backend",
            "app-a=10.0.0.5:9001",
            "--backend",
            "app-b=10.0.0.6:9001",
        ])
        .unwrap();
        let document = plan.document.unwrap().document;
        assert_eq!(document.clusters.get("app").unwrap().backends.len(), 2);
        let replica = document
            .roles
            .get("http.replica")
            .unwrap()
            .iter()
            .map(ToString::to_string);
        assert_eq!(replica.collect::<Vec<_>>(), ["app/app-b"]);
    }

    #[test]
    fn what_cannot_be_run_is_told_before_anything_is_bound() {
        let check = |line: &[&str], words: &str| {
            let trouble = plan(line).unwrap_err();
            assert!(trouble.contains(words), "{trouble}");
        };
        check(&[], "there is nothing to run");
        check(&["--profile", "orm-brek"], "did you mean `orm-break`?");
        check(&["--config", "/nowhere/chaosproxy.yaml"], "there is no such file");
        check(&["--profile", "orm-break", "--blind"], "--tokens FILE");
        check(&["--exit"], "--profile");
        check(&["--junit", "out.xml"], "--profile");
        check(
            &["--profile", "orm-break", "--junit", "/nowhere/out.xml"],
            "cannot be written",
        );
        let minutes = "write a whole number from 1 to 4294967295, as in `--wait 10`";
        check(&["--profile", "orm-break", "--wait", "0"], minutes);
        check(&["--profile", "orm-break", "--wait", "abc"], minutes);
        check(&["--seed", "x"], "write a whole number from 0 to");
        check(&["--admin", "foo"], "as in `127.0.0.1:8474`");
        check(&["--workers", "513"], "from 1 to 512");
        check(&["--config", "a", "--backend", "b=c:1"], "cannot be used with");
    }
}
