//! `chaosproxy top`: what `status` shows, as it changes.

mod rates;
mod stage;

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _},
};

use tokio::time::Instant;

use self::{
    rates::{ClusterRate, Rates},
    stage::{Stage, Until},
};
use super::{
    Exit, Outcome, Terminal, Trouble,
    client::{Client, Whereabouts},
    status::{cluster_line, drill_line, headline, health, panic_line},
    table::Table,
    terminal::{BAD, FAINT, GOOD, ODD, STRONG, styled},
};
use crate::{admin::Status, drill::watch, units::Span};

/// Watch listeners, clusters, backends, faults and the drill as they change
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy top
  chaosproxy top --every 200ms
  chaosproxy top | cat               Once: what happened in a second
  chaosproxy top --json | jq .clusters

q or Ctrl-C leaves, Ctrl-Z stops until `fg`. Rates, success and latency are of the time since the last look; latency is told to the next of five steps
a decade.")]
pub(super) struct Args {
    /// How often it is looked
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = often)]
    every: Span,
    #[command(flatten)]
    whereabouts: Whereabouts,
}

/// Whoever looks more often than that costs the proxy more than it is worth.
const OFTENEST: Span = Span::millis(100);

fn often(text: &str) -> Result<Span, String> {
    let every: Span = text.parse().map_err(|error| format!("{error}"))?;
    match every < OFTENEST {
        true => Err(format!("at most once every {OFTENEST}")),
        false => Ok(every),
    }
}

impl Args {
    pub(super) async fn perform(self, terminal: Terminal) -> Outcome {
        let client = Client::new(&self.whereabouts)?;
        let mut look = Look::first(&client).await?;
        if terminal.json || !io::stdout().is_terminal() {
            tokio::time::sleep(self.every.0).await;
            let rates = look.again(&client).await?;
            terminal.show(&rates, |rates| page(&look.status, rates, USUAL_WIDTH).join("\n"))?;
            return Ok(Exit::Ok);
        }
        let mut stage = Stage::enter().map_err(|error| unable(&error))?;
        let mut rates = None;
        loop {
            match stage.wait(self.every.0).await.map_err(|error| unable(&error))? {
                Until::Left => return Ok(Exit::Ok),
                // What was seen last: rates of a moment would say little.
                Until::Back if rates.is_some() => {}
                Until::Due | Until::Back => rates = Some(look.again(&client).await?),
            }
            let Some(rates) = &rates else { continue };
            let (width, _) = stage.size();
            match stage.draw(&page(&look.status, rates, width)) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(Trouble::unread()),
                drawn => drawn.map_err(|error| unable(&error))?,
            }
        }
    }
}

fn unable(error: &io::Error) -> Trouble {
    Trouble::new(
        format!("the terminal cannot be drawn on: {error}"),
        "`chaosproxy top | cat` shows it once, `chaosproxy status` without rates",
    )
}

/// How wide a page is that nobody looks at.
const USUAL_WIDTH: usize = 120;

/// What was seen last, and when.
struct Look {
    status: Status,
    at: Instant,
}

impl Look {
    async fn first(client: &Client) -> Result<Self, Trouble> {
        Ok(Self {
            status: client.get("/api/v1/status").await?,
            at: Instant::now(),
        })
    }

    /// Looks again, and tells what happened since.
    async fn again(&mut self, client: &Client) -> Result<Rates, Trouble> {
        let now = Self::first(client).await?;
        let rates = Rates::between(&self.status, &now.status, now.at - self.at);
        *self = now;
        Ok(rates)
    }
}

/// Everything that stands, with what happened lately.
fn page(status: &Status, rates: &Rates, width: usize) -> Vec<String> {
    let mut text = headline(status);
    text.push_str(&panic_line(status));
    let listeners = status.listeners.iter().map(|listener| {
        let count = styled(STRONG, listener.connections);
        format!("{} {} ({count} connections)", listener.name, listener.address)
    });
    let _ = writeln!(text, "{}\n", listeners.collect::<Vec<_>>().join(", "));
    for (cluster, rate) in status.clusters.iter().zip(&rates.clusters) {
        let _ = writeln!(text, "{}{}", cluster_line(cluster), latency(rate));
        let mut table = Table::new(&["backend", "health", "rate", "success", "active", "weight"]);
        for (backend, rate) in cluster.backends.iter().zip(&rate.backends) {
            table.row([
                backend.name.clone(),
                health(backend),
                per_second(rate.rate),
                success(rate.success),
                backend.active.to_string(),
                backend.weight.to_string(),
            ]);
        }
        let _ = writeln!(text, "{}", table.indented(2));
    }
    text.push_str(&faults(status, rates));
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    if let Some(drill) = &status.drill {
        lines.push(String::new());
        match &drill.view {
            Some(view) if view.ended.is_none() => lines.extend(watch::lines(view, width)),
            _ => lines.push(format!("{} {}", styled(STRONG, "Drill"), drill_line(drill))),
        }
    }
    lines
}

fn faults(status: &Status, rates: &Rates) -> String {
    // Whoever may not know them is not told that there are none.
    let Some(standing) = &status.faults else {
        return String::new();
    };
    if standing.is_empty() {
        return format!("{} none\n", styled(STRONG, "Faults"));
    }
    let mut table = Table::new(&["fault", "does", "odds", "reaches", "hits", "rate", "held by"]);
    for (fault, rate) in standing.iter().zip(&rates.faults) {
        table.row([
            fault.name.clone(),
            fault.fault.does(),
            fault.fault.odds.to_string(),
            fault.reach.to_string(),
            fault.hit_count(),
            per_second(rate.rate),
            fault.owner.clone(),
        ]);
    }
    format!("{}\n{}", styled(STRONG, "Faults"), table.indented(2))
}

fn per_second(rate: f64) -> String {
    match rate {
        0.0 => styled(FAINT, "0/s"),
        rate if rate < 10.0 => format!("{rate:.1}/s"),
        rate => format!("{rate:.0}/s"),
    }
}

/// The share that succeeded; nothing of nothing.
fn success(share: Option<f64>) -> String {
    let Some(share) = share else { return String::new() };
    let style = match share {
        share if share >= 0.999 => GOOD,
        share if share >= 0.95 => ODD,
        _ => BAD,
    };
    styled(style, format!("{:.1}%", share * 100.0))
}

fn latency(rate: &ClusterRate) -> String {
    let told = |ms: f64| match ms {
        f64::INFINITY => "more than 100s".to_owned(),
        ms if ms < 1.0 => format!("{ms}ms"),
        ms if ms < 1000.0 => format!("{ms:.0}ms"),
        ms => format!("{:.1}s", ms / 1e3),
    };
    match rate.p50_ms.zip(rate.p99_ms) {
        Some((p50, p99)) => format!(
            ", {}, half within {}, 99% within {}",
            per_second(rate.rate),
            told(p50),
            told(p99)
        ),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{admin::Took, cli::status::tests::status};

    #[test]
    fn the_page_tells_what_happened_lately() {
        let before = status();
        let mut now = status();
        let cluster = &mut now.clusters[0];
        cluster.backends[0].exchanges += 400;
        cluster.backends[0].failed += 4;
        cluster.backends[1].exchanges += 3;
        cluster.backends[1].failed += 3;
        cluster.took = vec![
            Took {
                at_most_ms: Some(4.0),
                count: 300,
            },
            Took {
                at_most_ms: Some(1600.0),
                count: 103,
            },
        ];
        now.faults.iter_mut().flatten().for_each(|fault| fault.hits += 81);
        let rates = Rates::between(&before, &now, std::time::Duration::from_secs(2));
        let text = page(&now, &rates, 100).join("\n");
        insta::assert_snapshot!(anstream::adapter::strip_str(&text), @r"
        chaosproxy 0.1.0 ready, up 3m12s, revision 4, seed 4711
        public 0.0.0.0:8080 (64 connections)

        Cluster app least_request, 25% admitted, 202/s, half within 4ms, 99% within 1.6s
          backend  health                    rate   success  active  weight
          app-a    up                        200/s  99.0%    3       1
          app-b    down: connection refused  1.5/s  0.0%     3       1
          spare    drained                   0/s    -        3       1

        Faults
          fault          does                                  odds  reaches                     hits          rate  held by
          slow-checkout  latency: {add: 300ms, jitter: 100ms}  20%   2 of 3 backends (upstream)  1285 of 6003  40/s  ada

        Drill orm-break-20240117T2332 of orm-break: about to begin
        ");
    }

    #[test]
    fn nobody_may_look_all_the_time() {
        assert!(often("50ms").unwrap_err().contains("100ms"));
        assert_eq!(often("200ms"), Ok(Span::millis(200)));
    }
}
