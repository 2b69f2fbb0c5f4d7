//! `chaosproxy faults list`: what is broken on purpose.

use crate::{
    admin::FaultStatus,
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
    for status in faults {
        table.row([
            status.name.clone(),
            status.fault.does(),
            status.fault.odds.to_string(),
            status.reach.to_string(),
            status.hit_count(),
            status.ends_in.map(rounded).unwrap_or_default(),
            status.owner.clone(),
        ]);
    }
    table
}

/// A span in whole seconds, rounded up, as a countdown is read.
pub(in crate::cli) fn rounded(span: Span) -> String {
    Span::secs(span.0.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)).to_string()
}

#[cfg(test)]
pub(in crate::cli) mod tests {
    use super::*;
    use crate::{admin::Reach, config, faults::Leg, units::Probability};

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
}
