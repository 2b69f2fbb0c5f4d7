//! One incident, from the invitation to look at it to its verdict.

use std::{
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use anstyle::Style;
use jiff::{Timestamp, tz::TimeZone};
use tokio::sync::{oneshot, watch};

use super::{
    App, Incident, Order, Plan, StartError,
    keys::{self, Key, Keys},
    signals::Orders,
    world,
};
use crate::{
    admin::{self, Feed, JOURNAL},
    config::{self, Protocol},
    control::Author,
    demo::{Demo, Monitor},
    drill::{
        self, Mode, Outcome, Remote, Script, Settings, Terminal, Verdict,
        journal::{self, Journal},
        plain::EXERCISE,
        report,
    },
    telemetry::screen::Screen,
    units::Span,
};

/// What an incident runs in.
pub(super) struct Setting<'a> {
    pub(super) app: &'a App,
    pub(super) plan: &'a Plan,
    pub(super) screen: &'a Screen,
    /// Where the admin API finds the drill.
    pub(super) stage: &'a watch::Sender<Option<admin::Drill>>,
}

impl Setting<'_> {
    /// Runs an incident to its end. Gives the exit status, and whether the process was told to end meanwhile. Whoever waits for
    /// an answer is told once it has begun.
    pub(super) async fn run(
        &self,
        incident: Incident,
        seed: u64,
        feed: Feed,
        orders: &mut Orders,
        answer: &mut Option<oneshot::Sender<Result<(), String>>>,
    ) -> Result<(u8, bool), StartError> {
        let (app, junit) = (self.app, incident.junit.clone());
        if incident.blind.is_some() && !app.tells_apart {
            return Err(StartError::Unguarded(NEEDS_TOKENS.to_owned()));
        }
        let sealed = incident.sealed.clone();
        let script = script(app, incident, seed)?;
        let title = title(&script, sealed.as_deref());
        let (name, folder) = new_folder(&self.plan.reports, title, script.is_blind())
            .map_err(StartError::system("the folder for reports cannot be made"))?;
        let journal = Journal::create(&folder.join(JOURNAL), &name).await;
        let journal = journal.map_err(StartError::system("the journal cannot be written"))?;
        let visits = app.demo.as_ref().map(Demo::visit);
        let monitor = app.demo.as_ref().and_then(Demo::monitor);
        self.say(&invitation(app, &script, &folder));
        let world = world::Proxy::new(&app.control, &app.metrics, &name, &script, monitor.clone());
        let (remote, inbox) = drill::remote();
        self.stage.send_replace(Some(admin::Drill {
            name,
            profile: Arc::new(script.profile().clone()),
            blind: script.is_blind(),
            remote: remote.clone(),
        }));
        if let Some(answer) = answer.take() {
            // An asker who has gone needs no answer.
            let _ = answer.send(Ok(()));
        }
        let terminal = Terminal::new(self.screen.clone(), script.is_blind());
        let mut watcher = (terminal, feed);
        let mut hands = Hands {
            setting: self,
            remote,
            monitor: monitor.as_ref(),
            orders,
            keys: self.keys(script.mode()),
        };
        let running = drill::run(script, &world, journal, &mut watcher, inbox);
        let (outcome, told) = Box::pin(hands.steer(running)).await;
        drop(hands);
        drop((visits, monitor));
        let written = self.conclude(&folder, junit.as_deref(), &outcome);
        // A verdict that was to be written down and was not has not been shown.
        let unseen = !written && outcome.judgement.verdict == Verdict::Held;
        let status = match unseen {
            true => Verdict::Incomplete.exit(),
            false => outcome.judgement.exit,
        };
        Ok((status, told))
    }

    /// The keys of the terminal, where people drive.
    fn keys(&self, mode: Mode) -> Keys {
        let keys = Keys::listen(matches!(mode, Mode::Rehearse | Mode::Step), self.screen);
        if keys.are_heard() {
            self.say(&[keys::HELP.to_owned(), String::new()]);
        }
        keys
    }

    /// Says that the process goes on without a drill.
    pub(super) fn goes_on(&self) {
        let status = format!("chaosproxy status --admin {}", self.app.admin);
        self.say(&[format!(
            "The services go on, healthy, until Ctrl-C; `{status}` shows them."
        )]);
    }

    /// Writes the report and says where it is; whether everything that was asked for was written.
    fn conclude(&self, folder: &Path, junit: Option<&Path>, outcome: &Outcome) -> bool {
        let mut lines = Vec::new();
        if let Some(lost) = &outcome.lost {
            lines.push(format!("evidence was lost: {lost}"));
        }
        let path = folder.join(JOURNAL);
        // What people say from here on waits until the report is there, and is then added to it.
        let _alone = journal::lock(&path);
        let journal = journal::load(&path);
        let report = journal.map(|text| report::Report::of(&text));
        let saved = report.and_then(|report| {
            lines.push(format!(
                "report: {}",
                report::save(&report, folder)?.html.display()
            ));
            let Some(file) = junit else { return Ok(()) };
            report::write(file, &report::junit(&report).map_err(io::Error::other)?)
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))
        });
        if let Err(error) = &saved {
            lines.push(format!(
                "not every report could be written: {error}; the journal is in {}",
                folder.display()
            ));
        }
        self.say(&lines);
        if self.plan.json {
            let text = fs::read_to_string(folder.join("report.json")).unwrap_or_default();
            // A reader that has gone away does not want the rest.
            let _ = writeln!(io::stdout(), "{}", text.trim_end());
        }
        saved.is_ok()
    }

    fn say(&self, lines: &[String]) {
        self.screen.say(lines);
    }
}

/// Without tokens everybody who reaches the admin port is the facilitator.
pub const NEEDS_TOKENS: &str = "a blind drill needs tokens, since without them everybody who reaches the admin port may see everything; \
     name a file with a token for the facilitator and one for responders, by `admin.tokens_file` in the document or with --tokens FILE";

/// What a drill is called where everybody reads it.
fn title<'a>(script: &'a Script, sealed: Option<&'a str>) -> &'a str {
    match sealed {
        Some(id) => id,
        None if script.is_blind() => EXERCISE,
        None => &script.profile().name,
    }
}

/// The incident, bound to the document in force.
fn script(app: &App, incident: Incident, seed: u64) -> Result<Script, StartError> {
    let settings = Settings {
        mode: incident.mode,
        compression: incident.compression,
        seed,
        max_wall: incident.max_wall,
        blind: incident.blind,
    };
    let bindings = admin::bindings(&app.control.document());
    let script = Script::new(incident.profile, &bindings, settings);
    let flown = script.and_then(|script| match &incident.autopilot {
        Some(autopilot) => script.flown_by(autopilot),
        None => Ok(script),
    });
    flown.map_err(|unfit| {
        let lines: Vec<_> = unfit.iter().map(ToString::to_string).collect();
        StartError::Unfit(lines.join("\n"))
    })
}

/// Only its owner looks into the folder of a blind drill: the journal in it tells all.
const CLOSED: u32 = 0o700;

/// A folder of its own for each drill, named by incident and time, also where two begin in the same second.
fn new_folder(reports: &Path, incident: &str, closed: bool) -> io::Result<(String, PathBuf)> {
    let at =
        |path: &Path, error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    fs::create_dir_all(reports).map_err(|error| at(reports, error))?;
    let first = format!("{incident}-{}", moment());
    let mut name = first.clone();
    for n in 2.. {
        let folder = reports.join(&name);
        let mut builder = fs::DirBuilder::new();
        if closed {
            builder.mode(CLOSED);
        }
        match builder.create(&folder) {
            Ok(()) => return Ok((name, folder)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => name = format!("{first}-{n}"),
            Err(error) => return Err(at(&folder, error)),
        }
    }
    unreachable!("there is a number that no folder has")
}

/// Everybody who has a hand on the drill from within the process.
struct Hands<'a> {
    setting: &'a Setting<'a>,
    remote: Remote,
    monitor: Option<&'a Monitor>,
    orders: &'a mut Orders,
    keys: Keys,
}

impl Hands<'_> {
    /// Drives the drill, and passes on to it what the process is told meanwhile. True when it was told to end.
    async fn steer(&mut self, running: impl Future<Output = Outcome>) -> (Outcome, bool) {
        let mut running = std::pin::pin!(running);
        let (mut told, mut paged) = (false, false);
        loop {
            tokio::select! {
                outcome = &mut running => return (outcome, told),
                () = alert(self.monitor), if !paged => {
                    paged = true;
                    // The first alert is the one that counts; a drill that has just ended needs none.
                    let _ = self.remote.signal("page");
                }
                key = self.keys.next() => self.press(key),
                order = self.orders.next() => match order {
                    Order::End(by) => {
                        told = true;
                        // A drill that has just ended needs no telling.
                        let _ = self.remote.interrupt(by);
                    }
                    Order::Panic => {
                        self.setting.app.obey(Order::Panic);
                        let _ = self.remote.panic("SIGUSR1");
                    }
                    Order::Reload => self.setting.app.obey(Order::Reload),
                },
            }
        }
    }

    fn press(&self, key: Key) {
        let by = format!("{} (a key)", super::whoami());
        if key == Key::Panic {
            self.setting
                .app
                .control
                .panic(&Author::new(super::whoami(), "key"));
        }
        keys::press(key, &by, &self.remote, self.setting.screen);
    }
}

/// Waits for an alert of the demo's monitoring, where there is one.
async fn alert(monitor: Option<&Monitor>) {
    let raised = match monitor {
        Some(monitor) => monitor.alert().await,
        None => false,
    };
    if !raised {
        std::future::pending::<()>().await;
    }
}

/// A moment as part of a folder's name, which sorts by time.
fn moment() -> String {
    Timestamp::now()
        .to_zoned(TimeZone::UTC)
        .strftime("%Y%m%d-%H%M%S")
        .to_string()
}

/// Says what is about to happen and where to look.
fn invitation(app: &App, script: &Script, folder: &Path) -> Vec<String> {
    let profile = script.profile();
    let origin = profile.origin.as_ref();
    let mut lines = vec![match origin {
        _ if script.is_blind() => {
            format!("{BOLD}EXERCISE{BOLD:#} {DIM}· what it is about is sealed until it is over{DIM:#}")
        }
        Some(origin) => format!("{BOLD}{}{BOLD:#} {DIM}· {}{DIM:#}", profile.name, origin.report),
        None => format!("{BOLD}{}{BOLD:#}", profile.name),
    }];
    let mut places = vec![];
    let snapshot = app.control.snapshot();
    let mut listeners: Vec<_> = snapshot.listeners.values().collect();
    // What a browser can look at comes first.
    listeners.sort_by_key(|listener| listener.settings.protocol != Protocol::Http);
    for listener in listeners {
        let address = listener.sockets.bound();
        let demo = app.demo.as_ref().map(|demo| &demo.addresses);
        if demo.is_some_and(|at| at.auth == address) {
            // Nobody but the application asks there.
            continue;
        }
        let demo = demo.filter(|at| at.orders_db == address);
        let place = match (listener.settings.protocol, listener.settings.tls.is_some()) {
            _ if demo.is_some() => format!("psql -h {} -p {} shop", address.ip(), address.port()),
            (Protocol::Http, true) => format!("https://{address}"),
            (Protocol::Http, false) => format!("http://{address}"),
            (protocol, _) => format!("{}://{address}", protocol.as_str()),
        };
        places.push((listener.name.to_string(), place));
    }
    places.push(("admin".into(), format!("http://{}", app.admin)));
    places.push(("report".into(), folder.join("report.html").display().to_string()));
    let column = places
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    let place = |(name, place): &(String, String)| format!("  {DIM}{name:column$}{DIM:#}  {place}");
    lines.extend(places.iter().map(place));
    lines.push(format!("{}Ctrl-C ends it and leaves no fault.", pace(script)));
    lines.extend(whose_turn(script, app.admin));
    lines.push(String::new());
    lines
}

/// How fast the story runs.
fn pace(script: &Script) -> String {
    match (script.mode(), script.compression()) {
        (_, 1) => String::new(),
        (Mode::Replay, n) => format!("{n} minutes of the story pass in a minute. "),
        (_, n) => format!("{n} minutes of waiting pass in a minute, thinking is never hurried. "),
    }
}

/// What people do next, where people drive.
fn whose_turn(script: &Script, admin: SocketAddr) -> Option<String> {
    let admin = match admin == config::Admin::default().bind.0 {
        true => String::new(),
        false => format!(" --admin {admin}"),
    };
    let limit = Span(script.max_wall());
    match script.mode() {
        Mode::Replay => None,
        Mode::Rehearse => Some(format!(
            "{BOLD}You are the team.{BOLD:#} In another terminal, `chaosproxy act{admin}` lists what you can do. It is over \
             after {limit} at the latest."
        )),
        Mode::Step => Some(format!(
            "{BOLD}You lead.{BOLD:#} In another terminal, `chaosproxy drill next{admin}` goes on to the next phase. It is over \
             after {limit} at the latest."
        )),
    }
}

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
