//! Whether a fault hits an exchange: it must match, be its turn, and win its roll.

use std::net::IpAddr;

use http::{HeaderMap, header};
use tokio::time::Instant;

use super::{
    entry::{Entry, Sticky},
    fault::Fault,
};
use crate::{
    route::{Command, Dialect, matcher::Facts},
    units::{Dice, Probability, stable_hash},
};

/// The agents of platform probes, which are spared unless a fault says `probes: true`.
const PROBE_AGENTS: [&str; 1] = ["kube-probe/"];

/// Whether a fault hits an exchange: it must match, be its turn, and win its roll.
pub(super) fn strikes(fault: &Fault, dice: Dice, exchange: u64, facts: &Facts<'_>) -> bool {
    let entry = fault.entry();
    let concerned = entry.odds.get() > 0.0 && fault.holds(facts);
    if !concerned || fault.is_lifted() {
        return false;
    }
    let spared = !entry.probes && is_probe(facts);
    fault.meet(spared);
    !spared
        && is_its_turn(fault, entry)
        && dice.hits(
            entry.odds,
            fault.key(),
            subject(entry.sticky.as_ref(), facts).unwrap_or(exchange),
        )
}

impl Fault {
    /// Whether its error is of the database that a session names, where one may name it later.
    pub fn is_of_databases(&self, dialect: Dialect) -> bool {
        self.acts().is_of_databases(dialect)
    }

    /// The table of a command's that it is about; `None`: any.
    pub fn subject<'c>(&self, command: &'c Command) -> Option<&'c str> {
        self.acts()
            .subject(command)
            .or_else(|| self.matcher().table(command))
    }

    /// Whether its match holds, and its kind has to do with that: with the command, or with one that it sets going where the server
    /// is in a state in which that counts. One that hits by turns or odds is no state.
    pub fn holds(&self, facts: &Facts<'_>) -> bool {
        let holds = |facts: &Facts<'_>| self.matcher().holds(facts) && self.acts().concerns(facts);
        let queued = facts.command.map(Command::queued).unwrap_or_default();
        let counts = || {
            let dialect = facts.session.map(|session| session.dialect);
            is_whole(self.entry()) && dialect.is_some_and(|dialect| self.acts().meets_queued(dialect))
        };
        let mut each = queued.iter().map(|command| Facts {
            command: Some(command),
            ..*facts
        });
        holds(facts) || (!queued.is_empty() && counts() && each.any(|facts| holds(&facts)))
    }
}

/// Whether it hits whatever matches.
fn is_whole(entry: &Entry) -> bool {
    entry.odds == Probability::ALWAYS && (entry.first, entry.nth, entry.every) == (None, None, None)
}

fn is_its_turn(fault: &Fault, entry: &Entry) -> bool {
    if entry.first.is_none() && entry.nth.is_none() && entry.every.is_none() {
        return true;
    }
    let number = fault.see();
    entry.first.is_none_or(|first| number <= first.get())
        && entry.nth.is_none_or(|nth| number == nth.get())
        && entry.every.is_none_or(|every| number.is_multiple_of(every.get()))
}

fn is_probe(facts: &Facts<'_>) -> bool {
    let agent = facts.head.and_then(|head| head.headers.get(header::USER_AGENT));
    agent.is_some_and(|agent| {
        PROBE_AGENTS
            .iter()
            .any(|probe| agent.as_bytes().starts_with(probe.as_bytes()))
    })
}

/// What decides in the exchange's place; `None` where the exchange does not carry it.
fn subject(sticky: Option<&Sticky>, facts: &Facts<'_>) -> Option<u64> {
    match sticky? {
        Sticky::Header(name) => facts
            .head?
            .headers
            .get(&name.0)
            .map(|value| stable_hash(value.as_bytes())),
        Sticky::Cookie(name) => cookie(&facts.head?.headers, name).map(|value| stable_hash(value.as_bytes())),
        Sticky::Client => Some(match facts.client {
            IpAddr::V4(address) => stable_hash(&address.octets()),
            IpAddr::V6(address) => stable_hash(&address.octets()),
        }),
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut pairs = cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(key, value)| (key == name).then_some(value))
}

/// Whether a fault makes a replica of a database, of which sessions that begin are told: only where none of their changes passes.
pub fn stands_by(fault: &Fault, facts: &Facts<'_>, now: Instant) -> bool {
    let is_whole = is_whole(fault.entry()) && !fault.matcher().needs_command();
    let age = now.saturating_duration_since(fault.begun());
    is_whole && !fault.is_lifted() && fault.acts().stands_by(age) && fault.matcher().holds(facts)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::request;

    use super::*;
    use crate::{
        faults::{
            Plan, Unit, effective,
            trial::{entry, facts, in_session, plan, request},
        },
        route::{Dialect, Session},
    };

    fn compiled(text: &str) -> Arc<Fault> {
        Fault::compile(text, &entry(text), Instant::now())
    }

    #[test]
    fn a_command_that_a_kind_has_nothing_to_do_with_takes_no_turn() {
        let [read, write] = ["select 1 from orders", "insert into stock values (1)"]
            .map(|text| Command::new(Dialect::Postgres, text.into()));
        let hits = |text: &str| {
            let fault = compiled(text);
            [&read, &write, &read, &write, &write].map(|command| {
                let facts = Facts {
                    command: Some(command),
                    ..in_session(None)
                };
                strikes(&fault, Dice::new(7), 1, &facts)
            })
        };
        assert_eq!(
            hits("{first: 1, do: deadlocks}"),
            [false, true, false, false, false]
        );
        assert_eq!(
            hits("{every: 2, do: read_only}"),
            [false, false, false, true, false]
        );
        assert_eq!(
            hits("{nth: 2, do: {missed_migration: {table: orders}}}"),
            [false, false, true, false, false]
        );
    }

    #[test]
    fn a_match_that_asks_for_something_of_a_statement_lets_pings_be() {
        let meets = |text: &str| compiled(text).meets(Unit::Ping, Dialect::Mysql);
        for text in [
            "{do: hang}",
            "{where: {match: {user: web}}, do: {latency: {add: 1s}}}",
            "{do: {abort: {error: deadlock}}}",
        ] {
            assert!(meets(text), "{text}");
        }
        for text in [
            "{where: {match: {statement: \"*\"}}, do: hang}",
            "{where: {match: {sql: read}}, do: reset}",
            "{do: reset}",
            "{do: too_many_connections}",
        ] {
            assert!(!meets(text), "{text}");
        }
    }

    fn with(fields: &[(&'static str, &str)]) -> request::Parts {
        let mut head = request("/orders");
        for (name, value) in fields {
            head.headers.insert(*name, value.parse().unwrap());
        }
        head
    }

    /// How many of 10,000 exchanges each fault hits.
    fn shares(faults: &[Arc<Fault>]) -> Vec<u32> {
        let mut hits = vec![0; faults.len()];
        for exchange in 0..10_000 {
            let plan = plan(faults, exchange);
            for i in 0..plan.len() {
                hits[faults
                    .iter()
                    .position(|fault| Arc::ptr_eq(fault, plan.fault(i)))
                    .unwrap()] += 1;
            }
        }
        hits
    }

    fn assert_in_band(hits: u32, share: f64) {
        let (n, hits) = (10_000.0, f64::from(hits));
        // 3.29 standard deviations hold 99.9% of a binomial distribution.
        let band = 3.29 * (n * share * (1.0 - share)).sqrt();
        assert!(
            (hits - n * share).abs() <= band,
            "{hits} of {n}, should be {share}"
        );
    }

    #[test]
    fn the_end_of_a_transaction_meets_states_for_what_is_queued() {
        let session = Session {
            dialect: Dialect::Redis,
            user: "default".into(),
            database: "0".into(),
        };
        let exec = |queued: &[&str]| {
            let queued = queued.iter().map(|text| (*text).into()).collect();
            Command::new(Dialect::Redis, "EXEC".into()).after(queued)
        };
        let hits = |fault: &str, queued: &[&str]| {
            let command = exec(queued);
            let facts = Facts {
                session: Some(&session),
                command: Some(&command),
                ..facts(None)
            };
            strikes(&compiled(fault), Dice::new(7), 1, &facts)
        };
        let write = ["get a", "set cart:1 x"];
        assert!(hits("{do: read_only}", &write) && !hits("{do: read_only}", &["get a"]));
        assert!(
            !hits("{odds: 99.999%, do: read_only}", &write) && !hits("{every: 1, do: read_only}", &write)
        );
        let aborts = |matches: &str, error: &str| {
            let fault = format!("{{where: {{match: {{{matches}}}}}, do: {{abort: {{error: {error}}}}}}}");
            hits(&fault, &write)
        };
        assert!(aborts("sql: write, table: \"cart:*\"", "out_of_memory"));
        assert!(aborts("statement: \"set *\"", "{code: MOVED, message: 1 a:1}"));
        assert!(
            !aborts("sql: write, table: a", "out_of_memory"),
            "both of one command"
        );
        assert!(!aborts("sql: write", "permission_denied"), "of a command alone");
    }

    #[test]
    fn odds_are_honest() {
        for percent in [0.5, 1.0, 5.0, 20.0, 50.0, 80.0, 99.0] {
            assert_in_band(
                shares(&[compiled(&format!("{{odds: {percent}%, do: reset}}"))])[0],
                percent / 100.0,
            );
        }
        assert_eq!(
            shares(&[
                compiled("{odds: 0%, do: reset}"),
                compiled("{odds: 100%, do: reset}")
            ]),
            [0, 10_000]
        );
    }

    #[test]
    fn faults_are_tried_in_order_on_what_is_left() {
        let texts = [
            "{odds: 50%, do: {latency: {add: 1s}}}",
            "{odds: 20%, do: {abort: {}}}",
            "{odds: 50%, every: 2, do: hang}",
            "{odds: 50%, do: {throttle: {rate: 1KiB/s}}}",
            "{do: reset}",
        ];
        let entries = texts.map(entry);
        let told = |place: usize| effective(&entries[place], &entries[..place], &[]).max;
        let told: Vec<f64> = (0..texts.len()).map(told).collect();
        for (told, expected) in told.iter().zip([0.5, 0.2, 0.2, 0.3, 0.6]) {
            assert!((told - expected).abs() < 1e-9, "{told} {expected}");
        }
        for (hits, share) in shares(&texts.map(compiled)).into_iter().zip(told) {
            assert_in_band(hits, share);
        }
    }

    #[test]
    fn what_sticks_together_is_in_or_out_together() {
        let check = |sticky: &str, field: &'static str, value: fn(u64) -> String| {
            let faults = [compiled(&format!("{{odds: 50%, sticky: {sticky}, do: reset}}"))];
            let is_in = |user, exchange| {
                let head = with(&[(field, &value(user))]);
                !Plan::roll(&faults, Dice::new(3), exchange, &facts(Some(&head))).is_empty()
            };
            let users_in = (0..100).filter(|user| is_in(*user, 0)).count();
            assert!((25..75).contains(&users_in), "{sticky}: {users_in}");
            for user in 0..100 {
                assert!(
                    (1..20).all(|exchange| is_in(user, exchange) == is_in(user, 0)),
                    "{sticky}"
                );
            }
        };
        check("{header: X-User}", "x-user", |user| format!("u{user}"));
        check("{cookie: session}", "cookie", |user| {
            format!("theme=dark; session=s{user}; a=b")
        });
    }

    #[test]
    fn a_client_is_always_in_or_always_out() {
        let faults = [compiled("{odds: 50%, sticky: client, do: reset}")];
        let first = plan(&faults, 0).is_empty();
        assert!((1..100).all(|exchange| plan(&faults, exchange).is_empty() == first));
    }

    #[test]
    fn turns_are_counted_among_those_that_match() {
        let check = |turns: &str, expected: &[u64]| {
            let faults = [compiled(&format!(
                "{{{turns}, where: {{match: {{path: /orders}}}}, do: reset}}"
            ))];
            let mut hit = Vec::new();
            for number in 1..=9 {
                let other = request("/other");
                assert!(Plan::roll(&faults, Dice::new(1), number, &facts(Some(&other))).is_empty());
                let head = request("/orders");
                if !Plan::roll(&faults, Dice::new(1), number, &facts(Some(&head))).is_empty() {
                    hit.push(number);
                }
            }
            assert_eq!(hit, expected, "{turns}");
        };
        check("first: 2", &[1, 2]);
        check("nth: 3", &[3]);
        check("every: 4", &[4, 8]);
        check("first: 6, every: 3", &[3, 6]);
    }

    #[test]
    fn platform_probes_are_spared_unless_asked_for() {
        let head = with(&[("user-agent", "kube-probe/1.31")]);
        let check = |text: &str, spared: bool| {
            let plan = Plan::roll(&[compiled(text)], Dice::new(1), 1, &facts(Some(&head)));
            assert_eq!(plan.is_empty(), spared, "{text}");
        };
        check("{do: reset}", true);
        check("{probes: true, do: reset}", false);
    }
}
