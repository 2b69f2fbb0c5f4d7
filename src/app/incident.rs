//! One incident, from the invitation to look at it to its verdict.

use std::{io::Write, path::Path, sync::Arc};

use jiff::{Timestamp, tz::TimeZone};
use tokio::sync::watch;

use super::{App, Incident, Order, Plan, StartError, signals::Orders, world};
use crate::{
    admin::{self, Feed, JOURNAL},
    drill::{self, Ending, Outcome, Remote, Script, Settings, Terminal, journal::Journal, report},
};

/// Runs an incident to its end; the process then goes on, unless it was asked to end with it. Gives the exit status.
pub(super) async fn run(
    app: &App,
    incident: Incident,
    plan: &Plan,
    seed: u64,
    stage: &watch::Sender<Option<admin::Drill>>,
    feed: Feed,
    orders: &mut Orders,
) -> Result<u8, StartError> {
    let Incident {
        profile,
        mode,
        compression,
        exit,
    } = incident;
    let settings = Settings {
        mode,
        compression,
        seed,
        max_wall: None,
    };
    let name = format!("{}-{}", profile.name, moment());
    let script =
        Script::new(profile, &world::bindings(&app.control.document()), settings).map_err(|unfit| {
            StartError::Unfit(
                unfit
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("\n"),
            )
        })?;
    let folder = plan.reports.join(&name);
    std::fs::create_dir_all(&folder).map_err(StartError::system("the folder for reports cannot be made"))?;
    let journal = Journal::create(&folder.join(JOURNAL), &name).await;
    let journal = journal.map_err(StartError::system("the journal cannot be written"))?;
    let visits = app.demo.as_ref().map(crate::demo::Demo::visit);
    invite(app, &script, &folder, plan.json);
    let world = world::Proxy::new(
        &app.control,
        &app.metrics,
        &app.workers.held,
        &name,
        script.profile(),
    );
    let (remote, inbox) = drill::remote();
    stage.send_replace(Some(admin::Drill {
        name: name.clone(),
        profile: Arc::new(script.profile().clone()),
        remote: remote.clone(),
    }));
    let mut watcher = (Terminal::stderr(), feed);
    let running = drill::run(script, &world, journal, &mut watcher, inbox);
    let (outcome, ended) = Box::pin(steer(app, &remote, orders, running)).await;
    drop(visits);
    let status = conclude(&folder, &outcome, plan.json);
    if !exit && !ended && !matches!(outcome.ending, Ending::Interrupted(_)) {
        hint(app, plan.json);
        app.attend(orders).await;
    }
    Ok(status)
}

/// Drives the drill, and passes on to it what the process is told meanwhile. True when it was told to end.
async fn steer(
    app: &App,
    remote: &Remote,
    orders: &mut Orders,
    running: impl Future<Output = Outcome>,
) -> (Outcome, bool) {
    let mut running = std::pin::pin!(running);
    let mut told = false;
    loop {
        tokio::select! {
            outcome = &mut running => return (outcome, told),
            order = orders.next() => match order {
                Order::End(by) => {
                    told = true;
                    // A drill that has just ended needs no telling.
                    let _ = remote.interrupt(by);
                }
                Order::Panic => {
                    app.obey(Order::Panic);
                    let _ = remote.panic("SIGUSR1");
                }
                Order::Reload => app.obey(Order::Reload),
            },
        }
    }
}

/// A moment as part of a folder's name, which sorts by time.
fn moment() -> String {
    Timestamp::now()
        .to_zoned(TimeZone::UTC)
        .strftime("%Y%m%d-%H%M%S")
        .to_string()
}

/// Says where to look.
fn invite(app: &App, script: &Script, folder: &Path, json: bool) {
    if json {
        return;
    }
    let profile = script.profile();
    let mut lines = vec![format!("{}: {}", profile.name, profile.headline())];
    for listener in app.control.snapshot().listeners.values() {
        let scheme = match (listener.settings.protocol, listener.settings.tls.is_some()) {
            (crate::config::Protocol::Http, true) => "https://",
            (crate::config::Protocol::Http, false) => "http://",
            (crate::config::Protocol::Tcp, _) => "tcp://",
        };
        lines.push(format!(
            "  {:<10} {scheme}{}",
            listener.name,
            listener.sockets.bound()
        ));
    }
    if let Some(demo) = &app.demo {
        lines.push(format!(
            "  {:<10} psql -h {} -p {} shop",
            "database",
            demo.addresses.orders_db.ip(),
            demo.addresses.orders_db.port()
        ));
    }
    lines.push(format!("  {:<10} http://{}", "admin", app.admin));
    lines.push(format!("  {:<10} {}", "reports", folder.display()));
    lines.push(format!(
        "  {:<10} {} (repeat this run with --seed {})",
        "seed",
        script.seed(),
        script.seed()
    ));
    lines.push("  Ctrl-C ends it and leaves nothing broken".into());
    tell(&lines);
}

/// Writes the report and says how it went.
fn conclude(folder: &Path, outcome: &Outcome, json: bool) -> u8 {
    let mut lines = Vec::new();
    if let Some(lost) = &outcome.lost {
        lines.push(format!("evidence was lost: {lost}"));
    }
    let journal = std::fs::read_to_string(folder.join(JOURNAL));
    match journal.and_then(|text| report::save(&report::Report::of(&text), folder)) {
        Ok(saved) => lines.push(format!("report: {}", saved.markdown.display())),
        Err(error) => lines.push(format!(
            "the report could not be written: {error}; the journal is in {}",
            folder.display()
        )),
    }
    if json {
        let text = std::fs::read_to_string(folder.join("report.json")).unwrap_or_default();
        // A reader that has gone away does not want the rest.
        let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
    } else {
        tell(&lines);
    }
    outcome.judgement.exit
}

fn hint(app: &App, json: bool) {
    if !json {
        tell(&[format!(
            "The services go on, healthy, until Ctrl-C; `chaosproxy status --admin {}` shows them.",
            app.admin
        )]);
    }
}

/// Talk goes to stderr; a terminal that is gone is no reason to stop.
fn tell(lines: &[String]) {
    let mut out = std::io::stderr().lock();
    for line in lines {
        let _ = writeln!(out, "{line}");
    }
}
