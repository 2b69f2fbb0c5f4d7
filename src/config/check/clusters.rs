//! Clusters and their backends.

use super::{Finding, plain};
use crate::{
    config::{
        document::Document,
        listener::{Listener, Protocol},
        path::Path,
    },
    units::Span,
    upstream::{ClusterSettings, Weight, probe::Probe},
};

pub(super) fn check(document: &Document, found: &mut Vec<Finding>) {
    for (name, cluster) in document.clusters.iter() {
        let path = Path::of(["clusters", name]);
        weights(&path, cluster, found);
        times(&path, cluster, found);
        databases(&path, cluster, found);
        found.extend(waits(&path, cluster));
        plain::cluster(document, (name, cluster), &path, found);
        found.extend(spoken(document, name, &path).or_else(|| checked(document, (name, cluster), &path)));
    }
}

/// The listeners that lead to a cluster and say what its servers speak. What passes as bytes may be anything.
fn speakers<'d>(document: &'d Document, cluster: &str) -> impl Iterator<Item = (&'d str, &'d Listener)> {
    let leads_here = move |(name, listener): &(&str, &Listener)| {
        listener.protocol != Protocol::Tcp && listener.ways(name).any(|(_, to)| to == cluster)
    };
    document.listeners.iter().filter(leads_here)
}

/// A finding where listeners of several protocols lead to one cluster.
fn spoken(document: &Document, cluster: &str, path: &Path) -> Option<Finding> {
    let mut listeners = speakers(document, cluster);
    let (first, one) = listeners.next()?;
    let (second, other) = listeners.find(|(_, other)| other.protocol != one.protocol)?;
    let what = format!(
        "its servers would be asked in two protocols: listener `{first}` speaks `{}`, and `{second}` speaks `{}`",
        one.protocol.as_str(),
        other.protocol.as_str()
    );
    Some(Finding::new(
        path.clone(),
        what,
        "give each protocol a cluster of its own",
    ))
}

/// A finding where servers are checked in another protocol than they speak. At another port than traffic goes to there may be
/// anything, such as an agent that speaks HTTP beside a database.
fn checked(document: &Document, (name, cluster): (&str, &ClusterSettings), path: &Path) -> Option<Finding> {
    let health = cluster.health.as_ref()?;
    let (asks, kind) = (speaks(&health.probe)?, health.probe.name());
    let is_own = |port: u16| {
        cluster
            .backends
            .iter()
            .all(|backend| backend.address.port() != port)
    };
    let (listener, other) = speakers(document, name).find(|(_, listener)| listener.protocol != asks)?;
    if health.port().is_some_and(is_own) {
        return None;
    }
    let speaks = other.protocol.as_str();
    Some(Finding::new(
        path.key("health").key(kind),
        format!(
            "this would ask servers in `{kind}` that speak `{speaks}`: listener `{listener}` leads to them"
        ),
        format!("check them by `{speaks}` or `tcp`, or set the `port` at which something else answers"),
    ))
}

/// What a check speaks; `None`: it only connects, or says what is written.
const fn speaks(probe: &Probe) -> Option<Protocol> {
    match probe {
        Probe::Tcp(_) => None,
        Probe::Http(_) | Probe::Grpc(_) => Some(Protocol::Http),
        Probe::Postgres(_) => Some(Protocol::Postgres),
        Probe::Mysql(_) => Some(Protocol::Mysql),
        Probe::Redis(_) => Some(Protocol::Redis),
    }
}

/// Each tier needs a backend that gets something.
fn weights(path: &Path, cluster: &ClusterSettings, found: &mut Vec<Finding>) {
    let of_tier = |tier: u8| {
        cluster
            .backends
            .iter()
            .filter(move |b| b.tier.unwrap_or(0) == tier)
    };
    let mut tiers: Vec<u8> = cluster.backends.iter().map(|b| b.tier.unwrap_or(0)).collect();
    tiers.sort_unstable();
    tiers.dedup();
    for tier in tiers {
        if of_tier(tier).all(|b| b.weight.is_some_and(|weight: Weight| weight.get() == 0)) {
            let which = if tier == 0 {
                String::new()
            } else {
                format!(" of tier {tier}")
            };
            let what = format!("every backend{which} has weight 0, so that none gets anything");
            found.push(Finding::new(
                path.key("backends"),
                what,
                "give one of them a weight of at least 1",
            ));
        }
    }
}

/// A finding where it is said how long one waits, and nobody has to.
fn waits(path: &Path, cluster: &ClusterSettings) -> Option<Finding> {
    let limits = &cluster.limits;
    let is_limited = limits.connections.is_some() || limits.requests.is_some();
    let written = [
        ("waiting", limits.waiting.is_some()),
        ("waiting_timeout", limits.waiting_timeout.is_some()),
    ];
    let (key, _) = written
        .into_iter()
        .find(|(_, is_written)| *is_written && !is_limited)?;
    Some(Finding::new(
        path.key("limits").key(key),
        "nobody waits where any number of connections and requests may be under way",
        "set `connections` or `requests` beside it, or remove it",
    ))
}

/// How databases are asked, and which of them get anything.
fn databases(path: &Path, cluster: &ClusterSettings, found: &mut Vec<Finding>) {
    let probe = cluster.health.as_ref().map(|health| &health.probe);
    let asked = probe.and_then(|probe| Some((probe.name(), probe.login()?)));
    if cluster.only.is_some() && asked.is_none() {
        found.push(Finding::new(
            path.key("only"),
            "nothing tells a primary from a replica here",
            "add a health check that asks the database: `health: {postgres: {user: probe}}`, or mysql, or redis",
        ));
    }
    let Some((kind, login)) = asked else { return };
    let path = path.key("health").key(kind);
    let has_password = login.password.is_some() || login.password_file.is_some();
    if login.password.is_some() && login.password_file.is_some() {
        found.push(Finding::new(
            path.key("password"),
            "there are two passwords",
            "keep one of `password` and `password_file`",
        ));
    }
    match login.user {
        Some("") => found.push(Finding::new(
            path.key("user"),
            "nobody can log in without a name",
            "name a user of the database",
        )),
        Some(_) if kind == "redis" && !has_password => found.push(Finding::new(
            path.key("user"),
            "a user of Redis logs in with a password",
            "add `password_file`, or leave `user` out",
        )),
        _ => {}
    }
}

fn times(path: &Path, cluster: &ClusterSettings, found: &mut Vec<Finding>) {
    let limits = [
        ("connect_timeout", cluster.connect_timeout),
        ("answer_timeout", cluster.answer_timeout),
        ("idle_timeout", cluster.idle_timeout),
    ];
    for (name, _) in limits.into_iter().filter(|(_, limit)| *limit == Some(Span::ZERO)) {
        let what = "nothing can be done within no time";
        found.push(Finding::new(path.key(name), what, "leave it out for the default"));
    }
    if let (Some(least), Some(most)) = (cluster.dns.at_least, cluster.dns.at_most)
        && least > most
    {
        let what = format!("the shortest life of an answer, {least}, is longer than the longest, {most}");
        found.push(Finding::new(
            path.key("dns").key("at_least"),
            what,
            "make it shorter than `at_most`",
        ));
    }
    let times_out = cluster.outlier.as_ref();
    if let Some((first, most)) = times_out.and_then(|outlier| outlier.eject_for.zip(outlier.max_eject_for))
        && first > most
    {
        let what = format!("the longest time out, {most}, is shorter than the first, {first}");
        found.push(Finding::new(
            path.key("outlier").key("max_eject_for"),
            what,
            "make it at least as long as `eject_for`",
        ));
    }
    if let Some(health) = &cluster.health
        && health.timeout() > health.every()
    {
        let (timeout, every) = (Span(health.timeout()), Span(health.every()));
        let what = format!("a check may take {timeout}, longer than the {every} to the next");
        let health = path.key("health");
        found.push(Finding::new(
            health.key("timeout"),
            what,
            "make `timeout` at most as long as `every`",
        ));
    }
}
