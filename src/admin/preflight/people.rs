//! What comes from outside: alerts, the time that they take, and people.

use super::{Line, Plan, Point};
use crate::{
    admin::{Desk, Role, Tool},
    drill::{Script, signal::PAGE},
    units::Span,
};

/// Whether an alert has ever come in.
pub(super) fn alert(desk: &Desk) -> Line {
    let tools = desk.heard.tools();
    let next = "send a test alert to /api/v1/webhooks/alertmanager (or grafana, pagerduty, mapped) and wait for it with \
                `--wait-alert 60s`";
    let about = |tool: &Tool| {
        let text = tool.signal.as_ref().and_then(|signal| signal.text.clone());
        let text = text.map(|text| format!(" (“{text}”)")).unwrap_or_default();
        let said = tool
            .signal
            .as_ref()
            .map_or("nothing that counts", |signal| &signal.name);
        format!("{} said {said}{text} {} ago", tool.tool, tool.ago)
    };
    let is_page = |tool: &&Tool| tool.signal.as_ref().is_some_and(|signal| signal.name == PAGE);
    if let Some(page) = tools
        .iter()
        .filter(|tool| tool.pages > 0)
        .min_by_key(|tool| tool.ago)
    {
        let says = match is_page(&page) {
            true => about(page),
            false => format!("{}, and an alert before that", about(page)),
        };
        return Line::ok(Point::Alert, says);
    }
    let said: Vec<_> = tools.iter().map(about).collect();
    match said.is_empty() {
        true => {
            let says = "no tool has said anything since the proxy began: detection will not be measured";
            Line::warning(Point::Alert, says, next)
        }
        false => Line::warning(Point::Alert, format!("no alert yet: {}", said.join("; ")), next),
    }
}

/// How long an alert takes by the usual rules of monitoring, from the fault to the person.
const USUAL_ALERT: Span = Span::secs(5 * 60);

/// Whether an alert has the time to come: monitoring is not compressed with the story.
pub(super) fn pace(plan: &Plan<'_>, script: Option<&Script>, alert_after: Option<Span>) -> Line {
    if !plan.peopled {
        return Line::ok(Point::Pace, "nobody has to wait for an alert");
    }
    let Some(script) = script else {
        return Line::warning(
            Point::Pace,
            "not known before the roles are bound",
            "bind them first",
        );
    };
    let after = alert_after.unwrap_or(USUAL_ALERT);
    let hurried = script.hurried().into_iter().filter(|(_, lasts)| *lasts < after.0);
    let short: Vec<_> = hurried
        .map(|(phase, lasts)| format!("`{phase}` lasts {}", Span::secs(lasts.as_secs())))
        .collect();
    match short.is_empty() {
        true => Line::ok(
            Point::Pace,
            format!("no phase with faults is compressed to less than the {after} that an alert takes"),
        ),
        false => Line::warning(
            Point::Pace,
            format!(
                "compressed, {} on the wall: an alert that takes {after} comes too late for it",
                short.join(" and ")
            ),
            "compress less with `--wait N`, or say with `--alert-after TIME` how long your alerts really take",
        ),
    }
}

/// Whether somebody may do what must be done.
pub(super) fn people(plan: &Plan<'_>) -> Line {
    if plan.blind && plan.desk.known().is_none() {
        return Line::failed(
            Point::People,
            "a blind drill needs tokens: without them whoever reaches the admin port is told everything",
            "give each person a token and a role: `admin.tokens_file` in the document",
        );
    }
    if !plan.peopled {
        return Line::ok(Point::People, "nobody has to act");
    }
    let acts = plan.profile.acts.iter();
    let needed = acts
        .map(|(_, act)| usize::from(act.people.get()))
        .max()
        .unwrap_or(1);
    let Some(known) = plan.desk.known() else {
        return Line::warning(
            Point::People,
            "there are no tokens: whoever reaches the admin port may do everything, under any name",
            "give each person a token and a role: `admin.tokens_file` in the document",
        );
    };
    let of = |role: Role| {
        known
            .iter()
            .filter(move |one| one.role == role)
            .map(|one| one.name.as_str())
    };
    let list = |role: Role| {
        let names: Vec<_> = of(role).collect();
        let count = names.len();
        let s = if count == 1 { "" } else { "s" };
        match count {
            0 => format!("no {}", role.name()),
            _ => format!("{count} {}{s} ({})", role.name(), names.join(", ")),
        }
    };
    let says = [Role::Facilitator, Role::Responder, Role::Observer]
        .map(list)
        .join(", ");
    let responders = of(Role::Responder)
        .collect::<std::collections::BTreeSet<_>>()
        .len();
    if responders == 0 {
        let next = "add one to `admin.tokens_file`: responders declare acts and work the balancer";
        return Line::failed(Point::People, says, next);
    }
    if responders < needed {
        return Line::failed(
            Point::People,
            format!("{says}; an act needs {needed} people"),
            "give each of them a token of their own",
        );
    }
    match of(Role::Observer).next() {
        None => Line::warning(
            Point::People,
            says,
            "tools that send alerts, and people who only look on and rate, need no more than an observer's token",
        ),
        Some(_) => Line::ok(Point::People, says),
    }
}
