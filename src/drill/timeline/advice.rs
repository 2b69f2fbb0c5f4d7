//! What people are told of acts that the proxy sees: how one is done so that it counts, and when one will count that a gate
//! refused.

use crate::drill::{
    profile::{Header, Sight},
    script::Script,
};

/// What whoever declares an act is told that counts only when it is seen.
pub(super) fn seen_only(script: &Script, act: usize) -> String {
    let act = &script.acts[act];
    let ways: Vec<_> = act.seen_by.iter().map(|sight| done(script, sight)).collect();
    let ways = match ways.is_empty() {
        true => "the facilitator lets it through".to_owned(),
        false => ways.join(", or "),
    };
    format!(
        "`{}` counts when the proxy sees it, not when somebody says so: {ways}",
        act.name
    )
}

/// The commands by which people would have done what the proxy does itself for whoever declares an act; nothing where it can do
/// nothing of it.
pub(super) fn performed(script: &Script, deeds: &[Sight]) -> Option<String> {
    let from_here = |deed: &&Sight| matches!(deed, Sight::Admitted(_) | Sight::Drained(_));
    let commands: Vec<_> = deeds
        .iter()
        .filter(from_here)
        .map(|deed| done(script, deed))
        .collect();
    (!commands.is_empty()).then(|| commands.join(" and "))
}

/// When an act will count that was seen before these others were done.
pub(super) fn next_chance(script: &Script, missing: &[usize], stands: bool) -> String {
    let names = missing.iter().map(|act| format!("`{}`", script.acts[*act].name));
    let names = names.collect::<Vec<_>>().join(" and ");
    match stands {
        true => format!("it was seen, and counts once {names} is done"),
        false => format!("it was seen, and must come again after {names}"),
    }
}

/// What somebody does that shows as this.
fn done(script: &Script, sight: &Sight) -> String {
    let each = |role: &str, between: &str, command: &dyn Fn(&str) -> String| {
        let mut commands: Vec<_> = script.places(role).map(command).collect();
        commands.dedup();
        commands.join(between)
    };
    let servers = |role: &str| script.places(role).collect::<Vec<_>>().join(", ");
    match sight {
        Sight::Drained(role) => each(role, " or ", &|place| match place.contains('/') {
            true => format!("`chaosproxy lb drain {place}`"),
            false => format!("`chaosproxy lb drain` for a backend of {place}"),
        }),
        Sight::Admitted(admission) => each(&admission.role, " and ", &|place| {
            let cluster = place.split('/').next().unwrap_or(place);
            format!("`chaosproxy lb admit {} --cluster {cluster}`", admission.share)
        }),
        Sight::RolledBack => "`chaosproxy config rollback`".to_owned(),
        Sight::Restarted(role) => format!(
            "restart {}, so that its health checks fail and pass again",
            servers(role)
        ),
        Sight::RestartedAtOnce(role) => format!("restart {} within a minute", servers(role)),
        Sight::RestartedInTurn(role) => {
            format!(
                "restart {} one after the other, a minute or more apart",
                servers(role)
            )
        }
        Sight::MonitorsFell => "switch the monitoring off, so that it asks no more".to_owned(),
        Sight::Header(Header { role, name, is }) => {
            let value = is
                .as_ref()
                .map_or("something else".to_owned(), |is| format!("`{is}`"));
            format!(
                "have every server of {} say {value} in its header `{name}`",
                servers(role)
            )
        }
        Sight::Signal(name) => format!(
            "have a tool call the webhook that says `{name}` (`POST /api/v1/webhooks/mapped?signal={name}`)"
        ),
    }
}
