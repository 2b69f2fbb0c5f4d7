//! `chaosproxy faults list`: what is broken on purpose.

use crate::{
    admin::{FaultStatus, Reach},
    cli::{
        Exit, Outcome, Terminal,
        client::{Client, Whereabouts},
        table::Table,
    },
    units::Span,
};

/// List the faults that stand, in the order in which they are tried
#[derive(clap::Args, Clone, Debug)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    whereabouts: Whereabouts,
}

impl Args {
    pub(super) async fn perform(self, terminal: Terminal) -> Outcome {
        let faults: Vec<FaultStatus> = Client::new(&self.whereabouts)?.get("/api/v1/faults").await?;
        terminal.show(&faults, |faults| text(faults))?;
        Ok(Exit::Ok)
    }
}

fn text(faults: &[FaultStatus]) -> String {
    match faults {
        [] => "no fault stands\n`chaosproxy faults kinds` shows what can be set".to_owned(),
        faults => fault_table(faults).indented(0),
    }
}

/// The table of faults, for `status` too.
pub(in crate::cli) fn fault_table(faults: &[FaultStatus]) -> Table {
    let mut table = Table::new(&["fault", "does", "odds", "reaches", "hits", "ends in", "held by"]);
    for FaultStatus {
        name,
        owner,
        ends_in,
        matched,
        hits,
        reach,
        fault,
        ..
    } in faults
    {
        table.row([
            name.clone(),
            does(fault),
            fault.odds.to_string(),
            reaches(reach),
            hit_count(fault, *hits, *matched),
            ends_in.map(rounded).unwrap_or_default(),
            owner.clone(),
        ]);
    }
    table
}

/// How many exchanges a fault touched, of how many that match where those were more; a dash where they are not counted.
pub(in crate::cli) fn hit_count(fault: &crate::faults::Entry, hits: u64, matched: u64) -> String {
    match fault.r#do.touches_exchanges() {
        true if matched > hits => format!("{hits} of {matched}"),
        true => hits.to_string(),
        false => "–".to_owned(),
    }
}

/// What a fault does, on one line, as it could be written.
pub(in crate::cli) fn does(fault: &crate::faults::Entry) -> String {
    let value = serde_json::to_value(&fault.r#do).unwrap_or_default();
    match value.as_object().and_then(|kinds| kinds.iter().next()) {
        Some((kind, settings)) => match settings.as_object() {
            Some(settings) if !settings.is_empty() => format!("{kind}: {}", flow(&settings.clone().into())),
            Some(_) => kind.clone(),
            None => format!("{kind}: {}", flow(settings)),
        },
        None => flow(&value),
    }
}

/// YAML in its flow form.
fn flow(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Object(map) => {
            let pairs: Vec<_> = map
                .iter()
                .map(|(key, value)| format!("{key}: {}", flow(value)))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// How far a fault reaches, in a few words.
pub(in crate::cli) fn reaches(reach: &Reach) -> String {
    let leg = serde_json::to_value(reach.leg)
        .ok()
        .and_then(|leg| leg.as_str().map(str::to_owned));
    let leg = leg.unwrap_or_default();
    let some = if reach.narrowed { ", some" } else { "" };
    match reach.backends.as_slice() {
        [] => format!("nothing ({leg}{some})"),
        [one] => format!("{one} ({leg}{some})"),
        many if many.len() == reach.of_backends => format!("all {} backends ({leg}{some})", many.len()),
        many => format!("{} of {} backends ({leg}{some})", many.len(), reach.of_backends),
    }
}

/// A span in whole seconds, rounded up, as a countdown is read.
pub(in crate::cli) fn rounded(span: Span) -> String {
    Span::secs(span.0.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)).to_string()
}

#[cfg(test)]
pub(in crate::cli) mod tests {
    use super::*;
    use crate::{config, faults::Leg, units::Probability};

    pub(in crate::cli) fn sample() -> FaultStatus {
        FaultStatus {
            name: "slow-checkout".to_owned(),
            owner: "ada".to_owned(),
            by_hand: true,
            lease: Some(7),
            ends_in: Some(Span::millis(299_700)),
            matched: 6003,
            hits: 1204,
            reach: Reach {
                leg: Leg::Upstream,
                listeners: vec!["public".to_owned()],
                backends: vec!["app/app-a".to_owned(), "app/app-b".to_owned()],
                of_backends: 3,
                odds: "20%".parse::<Probability>().unwrap(),
                narrowed: false,
            },
            fault: config::read(
                "test",
                "{where: {cluster: app}, odds: 20%, do: {latency: {add: 300ms, jitter: 100ms}}, for: 5m}",
            )
            .unwrap(),
        }
    }

    #[test]
    fn faults_are_listed_with_what_they_reach() {
        let text = text(&[sample()]);
        insta::assert_snapshot!(anstream::adapter::strip_str(&text), @r"
        fault          does                                  odds  reaches                     hits          ends in  held by
        slow-checkout  latency: {add: 300ms, jitter: 100ms}  20%   2 of 3 backends (upstream)  1204 of 6003  5m       ada
        ");
        assert!(super::text(&[]).contains("no fault stands"));
    }

    #[test]
    fn reach_is_told_in_a_few_words() {
        let check = |backends: &[&str], narrowed: bool, expected: &str| {
            let backends = backends.iter().map(|b| (*b).to_owned()).collect();
            assert_eq!(
                reaches(&Reach {
                    backends,
                    narrowed,
                    ..sample().reach
                }),
                expected
            );
        };
        check(&[], false, "nothing (upstream)");
        check(&["app/a"], true, "app/a (upstream, some)");
        check(&["app/a", "app/b", "db/c"], false, "all 3 backends (upstream)");
    }
}
