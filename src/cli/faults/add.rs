//! `chaosproxy faults add`: a fault by hand, in the grammar of the document.

use std::num::NonZeroU64;

use clap::builder::NonEmptyStringValueParser as Name;

use crate::{
    admin::{Add, Added, FaultStatus},
    cli::{
        Exit, Outcome, Terminal, Trouble,
        client::{Client, Whereabouts},
        faults::list::rounded,
        terminal::{GOOD, STRONG, styled},
        values,
    },
    config::{self, Named},
    faults::{Do, Entry, Leg, Sticky, Where},
    route::{Match, name::FieldName},
    units::{Probability, Span, shell_word},
};

/// Set a fault, for a while
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  chaosproxy faults add 'latency: {add: 300ms, jitter: 100ms}' --cluster app --odds 20% --for 5m
  chaosproxy faults add 'abort: {status: 503}' --match '{method: POST, path: /orders/**}' --for 90s
  chaosproxy faults add reset --backend app-a --for 30s --name cut-a
  chaosproxy faults add 'throttle: {rate: 64KiB/s}' --listener public --leg client --for 1m

It is gone when its time is over, when it is removed, when somebody panics, and when the proxy ends.
`chaosproxy faults kinds` shows what there is.")]
pub(in crate::cli) struct Args {
    /// What happens, as `do` in a document: one kind with its settings, or its bare name
    #[arg(value_name = "DO")]
    does: String,
    /// How long it lives, as in 30s, 5m, 1h
    #[arg(long, value_name = "SPAN")]
    r#for: Span,
    /// What to call it; by default its kind
    #[arg(long, value_parser = Name::new())]
    name: Option<String>,
    /// The share of exchanges that it hits
    #[arg(long, value_name = "SHARE", default_value = "100%")]
    odds: Probability,
    #[command(flatten)]
    place: Place,
    /// Decide once per value of this header field, so that a user is always in or always out
    #[arg(long, value_name = "HEADER")]
    sticky: Option<FieldName>,
    /// Hit only the first so many exchanges
    #[arg(long, value_name = "N", value_parser = values::turn)]
    first: Option<NonZeroU64>,
    /// Hit only this one, counted from 1
    #[arg(long, value_name = "N", value_parser = values::turn)]
    nth: Option<NonZeroU64>,
    /// Hit only every so manieth
    #[arg(long, value_name = "N", value_parser = values::turn)]
    every: Option<NonZeroU64>,
    /// Hit the platform's probes (kube-probe) too
    #[arg(long)]
    probes: bool,
    #[command(flatten)]
    whereabouts: Whereabouts,
}

#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Which traffic (all that is named must hold)")]
struct Place {
    /// Traffic of this listener
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// Traffic that took this route
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// Traffic to this cluster
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Traffic to this backend, as app-a or app/app-a
    #[arg(long, value_name = "NAME")]
    backend: Option<String>,
    /// Traffic to what the document binds to this role
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
    /// The side of the proxy: client or upstream
    #[arg(long, value_name = "LEG")]
    leg: Option<String>,
    /// What the exchange must look like, as `match` in a document
    #[arg(long, value_name = "MATCH")]
    r#match: Option<String>,
}

impl Args {
    pub(super) async fn perform(self, terminal: Terminal) -> Outcome {
        let client = Client::new(&self.whereabouts)?;
        let entry = self.entry()?;
        let name = match self.name {
            Some(name) => name,
            None => free_name(
                &kind(&entry),
                &client.get::<Vec<FaultStatus>>("/api/v1/faults").await?,
            ),
        };
        let faults = std::iter::once((name, entry)).collect::<Named<Entry>>();
        let added: Added = client
            .post("/api/v1/faults", &Add { faults, lease: false })
            .await?;
        terminal.show(&added, added_text)?;
        Ok(Exit::Ok)
    }

    /// The fault that was described.
    fn entry(&self) -> Result<Entry, Trouble> {
        Ok(Entry {
            r#where: self.place.read()?,
            odds: self.odds,
            sticky: self.sticky.clone().map(Sticky::Header),
            r#for: Some(self.r#for),
            first: self.first,
            nth: self.nth,
            every: self.every,
            probes: self.probes,
            ..Entry::new(config::read::<Do>("DO", &self.does)?)
        })
    }
}

impl Place {
    fn read(&self) -> Result<Where, Trouble> {
        let leg = self
            .leg
            .as_deref()
            .map(|leg| config::read::<Leg>("--leg", leg))
            .transpose()?;
        let r#match = self
            .r#match
            .as_deref()
            .map(|text| config::read::<Match>("--match", text))
            .transpose()?;
        Ok(Where {
            listener: self.listener.clone(),
            route: self.route.clone(),
            cluster: self.cluster.clone(),
            backend: self.backend.clone(),
            role: self.role.clone(),
            leg,
            r#match: r#match.unwrap_or_default(),
        })
    }
}

/// The name of a fault's kind.
fn kind(entry: &Entry) -> String {
    let does = entry.does();
    does.split(':').next().unwrap_or_default().to_owned()
}

/// The kind's name, with a number where it is taken.
fn free_name(kind: &str, taken: &[FaultStatus]) -> String {
    let is_free = |name: &String| taken.iter().all(|fault| fault.name != *name);
    let numbered = (2..).map(|n| format!("{kind}-{n}"));
    std::iter::once(kind.to_owned())
        .chain(numbered)
        .find(is_free)
        .unwrap_or_default()
}

fn added_text(added: &Added) -> String {
    let said = |fault: &FaultStatus| {
        let ends = fault
            .ends_in
            .map(|ends| format!(", for {}", rounded(ends)))
            .unwrap_or_default();
        let on = match fault.fault.r#do.touches_exchanges() {
            true => format!(" on {} of exchanges", fault.fault.odds),
            false => String::new(),
        };
        format!(
            "{} stands: {}{on}{ends}\n  reaches {}\n  take it back with `{}`\n",
            styled(GOOD, &fault.name),
            fault.fault.does(),
            fault.reach,
            styled(
                STRONG,
                format!("chaosproxy faults remove {}", shell_word(&fault.name))
            ),
        )
    };
    added.faults.iter().map(said).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::faults::list::tests::sample;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &[&str]) -> Result<Entry, String> {
        let line = std::iter::once("add").chain(line.iter().copied());
        Line::try_parse_from(line)
            .map_err(|e| e.to_string())?
            .args
            .entry()
            .map_err(|e| e.to_string())
    }

    #[test]
    fn the_command_line_speaks_the_grammar_of_the_document() {
        let check = |line: &[&str], written: &str| {
            let expected: Entry = config::read("test", written).unwrap();
            assert_eq!(parse(line).unwrap(), expected);
        };
        check(
            &[
                "latency: {add: 300ms}",
                "--cluster",
                "app",
                "--odds",
                "20%",
                "--for",
                "5m",
            ],
            "{do: {latency: {add: 300ms}}, where: {cluster: app}, odds: 20%, for: 5m}",
        );
        check(
            &[
                "reset",
                "--leg",
                "client",
                "--match",
                "{method: POST}",
                "--sticky",
                "x-user",
                "--for",
                "1s",
            ],
            "{do: reset, where: {leg: client, match: {method: POST}}, sticky: {header: x-user}, for: 1s}",
        );
    }

    #[test]
    fn what_is_wrong_is_shown_where_it_stands() {
        let wrong = |line: &[&str]| parse(line).unwrap_err();
        assert!(wrong(&["latency: {ad: 300ms}", "--for", "5m"]).contains("DO:1:11"));
        assert!(
            wrong(&["latency {add: 300ms}", "--for", "5m"]).contains("a colon is missing after `latency`")
        );
        assert!(wrong(&["reset", "--for", "5m", "--nth", "0"]).contains("write a whole number from 1 on"));
        assert!(wrong(&["reset", "--for", "5m", "--odds", "20"]).contains("write `20%`"));
        assert!(wrong(&["reset"]).contains("--for <SPAN>"));
        assert!(wrong(&["reset", "--for", "5"]).contains("`5s` or `5ms`"));
        assert!(wrong(&["reset", "--for", "5s", "--odds", "120%"]).contains("between 0% and 100%"));
    }

    #[test]
    fn a_fault_without_a_name_is_called_after_its_kind() {
        let taken = |name: &str| FaultStatus {
            name: name.to_owned(),
            ..sample()
        };
        assert_eq!(free_name("latency", &[]), "latency");
        assert_eq!(
            free_name("latency", &[taken("latency"), taken("latency-2")]),
            "latency-3"
        );
    }

    #[test]
    fn what_was_set_is_told_with_the_way_back() {
        let text = added_text(&Added {
            leases: vec![7],
            faults: vec![sample()],
        });
        insta::assert_snapshot!(anstream::adapter::strip_str(&text), @r"
        slow-checkout stands: latency: {add: 300ms, jitter: 100ms} on 20% of exchanges, for 5m
          reaches 2 of 3 backends (upstream)
          take it back with `chaosproxy faults remove slow-checkout`
        ");
        let text = added_text(&Added {
            leases: vec![8],
            faults: vec![FaultStatus {
                name: "we ird/n".to_owned(),
                ..sample()
            }],
        });
        let text = anstream::adapter::strip_str(&text).to_string();
        assert!(text.contains("`chaosproxy faults remove 'we ird/n'`"), "{text}");
    }
}
