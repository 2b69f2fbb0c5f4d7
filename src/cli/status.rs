//! `chaosproxy status`: everything that stands, on one page.

use std::fmt::Write as _;

use http::Method;

use super::{
    Exit, Outcome, Terminal, Trouble,
    client::{Client, Whereabouts},
    faults::fault_table,
    table::Table,
    terminal::{BAD, FAINT, GOOD, ODD, STRONG, styled},
};
use crate::{
    admin::{BackendStatus, ClientStatus, ClusterStatus, DrillStatus, Health, ListenerStatus, Status},
    units::{Probability, Span},
};

/// Show listeners, clusters, backends, faults and the drill
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy status
  chaosproxy status --json | jq .clusters
  chaosproxy status --ready          For a container's health check: exit status 0 or 1")]
pub(super) struct Args {
    /// Say nothing; end with 0 when the proxy can forward, with 1 when it cannot
    #[arg(long)]
    ready: bool,
    #[command(flatten)]
    whereabouts: Whereabouts,
}

impl Args {
    pub(super) async fn perform(self, terminal: Terminal) -> Outcome {
        let client = Client::new(&self.whereabouts)?;
        if self.ready {
            return ready(&client).await;
        }
        let status: Status = client.get("/api/v1/status").await?;
        terminal.show(&status, text)?;
        Ok(Exit::Ok)
    }
}

async fn ready(client: &Client) -> Result<Exit, Trouble> {
    client.send(Method::GET, "/readyz", None).await?.text()?;
    Ok(Exit::Ok)
}

fn text(status: &Status) -> String {
    let mut text = headline(status);
    text.push_str(&panic_line(status));
    let _ = write!(
        text,
        "\n{}\n{}",
        styled(STRONG, "Listeners"),
        listeners(&status.listeners).indented(2)
    );
    for cluster in &status.clusters {
        let _ = write!(
            text,
            "\n{}\n{}",
            cluster_line(cluster),
            backend_table(&cluster.backends).indented(2)
        );
    }
    let _ = match status.faults.as_deref().map(fault_table) {
        None => Ok(()),
        Some(table) if table.is_empty() => writeln!(text, "\n{} none", styled(STRONG, "Faults")),
        Some(table) => write!(text, "\n{}\n{}", styled(STRONG, "Faults"), table.indented(2)),
    };
    if let Some(drill) = &status.drill {
        let _ = writeln!(text, "\n{} {}", styled(STRONG, "Drill"), drill_line(drill));
    }
    text
}

/// Says that a panic is in force, if one is.
pub(super) fn panic_line(status: &Status) -> String {
    let reset = styled(STRONG, "chaosproxy panic reset");
    match status.panic {
        Some(_) => format!("{}: no fault is let in until `{reset}`\n", styled(BAD, "PANIC")),
        None => String::new(),
    }
}

/// What the proxy is.
pub(super) fn headline(status: &Status) -> String {
    let ready = if status.ready {
        styled(GOOD, "ready")
    } else {
        styled(BAD, "not ready")
    };
    let Status {
        version,
        up,
        revision,
        seed,
        ..
    } = status;
    let seed = seed.map(|seed| format!(", seed {seed}")).unwrap_or_default();
    format!(
        "chaosproxy {version} {ready}, up {}, revision {revision}{seed}\n",
        Span::secs(up.0.as_secs())
    )
}

fn listeners(listeners: &[ListenerStatus]) -> Table {
    let mut table = Table::new(&["listener", "address", "protocol", "connections", "came most"]);
    for listener in listeners {
        let protocol = match (listener.passes_unread, listener.tls) {
            (true, _) => format!("{}, tls unread", listener.protocol),
            (false, true) => format!("{} over tls", listener.protocol),
            (false, false) => listener.protocol.clone(),
        };
        let connections = format!("{} of {}", listener.connections, listener.connections_at_most);
        table.row([
            listener.name.clone(),
            listener.address.clone(),
            protocol,
            connections,
            busiest(&listener.busiest_clients),
        ]);
    }
    table
}

/// The addresses that connect most, as far as a line has room.
fn busiest(clients: &[ClientStatus]) -> String {
    const SHOWN: usize = 3;
    let times = |client: &ClientStatus| format!("{} {} times", client.address, client.connections);
    let shown: Vec<_> = clients.iter().take(SHOWN).map(times).collect();
    shown.join(", ")
}

/// What a cluster is.
pub(super) fn cluster_line(cluster: &ClusterStatus) -> String {
    let admitted = match cluster.admitted {
        Probability::ALWAYS => String::new(),
        share => format!(", {}", styled(ODD, format!("{share} admitted"))),
    };
    format!(
        "{} {} {}{admitted}",
        styled(STRONG, "Cluster"),
        styled(STRONG, &cluster.name),
        cluster.balance
    )
}

/// The table of backends, for `lb` too.
pub(super) fn backend_table(backends: &[BackendStatus]) -> Table {
    let mut table = Table::new(&[
        "backend",
        "address",
        "health",
        "tier",
        "weight",
        "active",
        "exchanges",
        "failed",
    ]);
    for backend in backends {
        table.row([
            backend.name.clone(),
            backend.address.clone(),
            health(backend),
            backend.tier.to_string(),
            backend.weight.to_string(),
            backend.active.to_string(),
            backend.exchanges.to_string(),
            backend.failed.to_string(),
        ]);
    }
    table
}

/// How a backend is.
pub(super) fn health(backend: &BackendStatus) -> String {
    let (style, word) = match backend.health {
        _ if backend.drained => (ODD, "drained"),
        Health::Up => (GOOD, "up"),
        Health::Down => (BAD, "down"),
        Health::Ejected => (BAD, "ejected"),
        Health::Unknown => (FAINT, "unknown"),
    };
    let word = match backend.replication {
        Some(is) => format!("{}, {is}", styled(style, word)),
        None => styled(style, word),
    };
    match backend.why.as_str() {
        _ if backend.drained => word,
        "" => word,
        why => format!("{word}: {why}"),
    }
}

/// Where a drill stands.
pub(super) fn drill_line(drill: &DrillStatus) -> String {
    let DrillStatus {
        drill,
        profile,
        view,
        blind,
        sealed,
        ..
    } = drill;
    let profile = match blind {
        true => format!("{profile}, blind"),
        false => profile.clone(),
    };
    match view {
        _ if *sealed && *blind => "an exercise runs".to_owned(),
        None => format!("{drill} of {profile}: about to begin"),
        Some(view) if view.ended.is_some() => format!("{drill} of {profile}: over"),
        Some(view) => format!(
            "{drill} of {profile}: phase {} at {}",
            view.phase,
            view.at.offset().rounded()
        ),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{admin::Panicked, cli::faults::tests::sample};

    pub(in crate::cli) fn backend(name: &str) -> BackendStatus {
        BackendStatus {
            cluster: "app".to_owned(),
            name: name.to_owned(),
            address: format!("{name}.internal:9001"),
            tier: 0,
            weight: 1,
            drained: false,
            health: Health::Up,
            replication: None,
            why: String::new(),
            active: 3,
            exchanges: 48_211,
            failed: 2,
        }
    }

    pub(in crate::cli) fn status() -> Status {
        let down = BackendStatus {
            health: Health::Down,
            why: "connection refused".to_owned(),
            ..backend("app-b")
        };
        let drained = BackendStatus {
            drained: true,
            tier: 1,
            ..backend("spare")
        };
        Status {
            version: "0.1.0".to_owned(),
            up: Span::millis(192_400),
            ready: true,
            revision: 4,
            seed: Some(4711),
            listeners: vec![ListenerStatus {
                name: "public".to_owned(),
                address: "0.0.0.0:8080".to_owned(),
                protocol: "http".to_owned(),
                tls: true,
                passes_unread: false,
                connections: 64,
                connections_at_most: 10_000,
                busiest_clients: vec![
                    ClientStatus {
                        address: "10.0.0.7".to_owned(),
                        connections: 4_120,
                    },
                    ClientStatus {
                        address: "10.0.0.9".to_owned(),
                        connections: 12,
                    },
                ],
            }],
            clusters: vec![ClusterStatus {
                name: "app".to_owned(),
                balance: "least_request".to_owned(),
                admitted: "25%".parse().unwrap(),
                backends: vec![backend("app-a"), down, drained],
                took: Vec::new(),
            }],
            faults: Some(vec![sample()]),
            panic: None,
            drill: Some(DrillStatus {
                blind: false,
                over: false,
                sealed: false,
                drill: "orm-break-20240117T2332".to_owned(),
                profile: "orm-break".to_owned(),
                view: None,
                hint: None,
            }),
        }
    }

    #[test]
    fn the_page_tells_everything_that_stands() {
        insta::assert_snapshot!(anstream::adapter::strip_str(&text(&status())), @r"
        chaosproxy 0.1.0 ready, up 3m12s, revision 4, seed 4711

        Listeners
          listener  address       protocol       connections  came most
          public    0.0.0.0:8080  http over tls  64 of 10000  10.0.0.7 4120 times, 10.0.0.9 12 times

        Cluster app least_request, 25% admitted
          backend  address              health                    tier  weight  active  exchanges  failed
          app-a    app-a.internal:9001  up                        0     1       3       48211      2
          app-b    app-b.internal:9001  down: connection refused  0     1       3       48211      2
          spare    spare.internal:9001  drained                   1     1       3       48211      2

        Faults
          fault          does                                  odds  reaches                     hits          ends in  held by
          slow-checkout  latency: {add: 300ms, jitter: 100ms}  20%   2 of 3 backends (upstream)  1204 of 6003  5m       ada

        Drill orm-break-20240117T2332 of orm-break: about to begin
        ");
    }

    #[test]
    fn a_panic_and_an_unready_proxy_are_seen_first() {
        let panic = Panicked {
            lifted: 1,
            leases: 1,
            took_ms: 0.2,
            clean: true,
        };
        let page = text(&Status {
            ready: false,
            panic: Some(panic),
            faults: Some(Vec::new()),
            drill: None,
            ..status()
        });
        let first: Vec<_> = page.lines().take(2).collect();
        insta::assert_snapshot!(anstream::adapter::strip_str(&first.join("\n")), @r"
        chaosproxy 0.1.0 not ready, up 3m12s, revision 4, seed 4711
        PANIC: no fault is let in until `chaosproxy panic reset`
        ");
    }
}
