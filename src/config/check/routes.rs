//! Routes: where they lead, and whether anything gets there.

use std::collections::HashMap;

use super::{Finding, matches::is_foreign};
use crate::{
    config::{
        document::Document,
        listener::{Listener, Protocol},
        path::Path,
    },
    route::{Match, RouteSettings},
    units::Span,
};

pub(super) fn check(
    document: &Document,
    name: &str,
    listener: &Listener,
    path: &Path,
    found: &mut Vec<Finding>,
) {
    if listener.routes.is_empty() && listener.cluster.is_none() {
        let what = format!("listener `{name}` sends what it takes nowhere");
        let mend = "add `cluster: ...`, or `routes` with one each";
        found.push(Finding::new(path.clone(), what, mend));
    }
    // What is no request takes the first route, whatever its match.
    let of_requests = listener.protocol == Protocol::Http;
    let mut before = Before {
        of_requests,
        ..Before::default()
    };
    for (i, route) in listener.routes.iter().enumerate() {
        let path = path.key("routes").item(i);
        found.extend(leads_nowhere(document, &path, &route.cluster));
        found.extend(impossible(&path, listener, &route.r#match));
        before.pass(&path, i, route, found);
        settings(&path, route, found);
    }
    let Some(cluster) = &listener.cluster else { return };
    found.extend(leads_nowhere(document, path, cluster));
    if let Some(first) = before.open {
        let what = format!("nothing gets here: `routes[{first}]` takes everything");
        found.push(Finding::new(
            path.key("cluster"),
            what,
            if of_requests {
                "remove it, or that route"
            } else {
                ELSEWHERE
            },
        ));
    }
}

fn leads_nowhere(document: &Document, path: &Path, cluster: &str) -> Option<Finding> {
    let home = Path::of(["clusters"]);
    let known = document.clusters.names();
    let unknown = !document.clusters.has(cluster);
    unknown.then(|| Finding::unknown(path.key("cluster"), "cluster", cluster, &home, known))
}

/// How to mend what only routes of requests could do.
const ELSEWHERE: &str =
    "remove it, or give it a listener of its own: only requests of HTTP have several routes";

/// What the routes before one have taken: the first that takes everything, each match and name with its first route, and all
/// matches in their order.
#[derive(Default)]
struct Before<'d> {
    of_requests: bool,
    open: Option<usize>,
    matches: HashMap<String, usize>,
    routes: Vec<&'d Match>,
    names: HashMap<&'d str, usize>,
}

impl<'d> Before<'d> {
    /// Finds what the routes before this one leave it, and puts it among them.
    fn pass(&mut self, path: &Path, i: usize, route: &'d RouteSettings, found: &mut Vec<Finding>) {
        let form = format!("{:?}", route.r#match);
        let same = self.matches.get(&form).map(|first| (*first, "the same"));
        let whole = |first| (first, "all that it asks for");
        let taken = self.open.map(|first| (first, "everything")).or(same);
        if let Some((first, takes)) = taken.or_else(|| self.covering(&route.r#match).map(whole)) {
            let what = format!("nothing gets here: `routes[{first}]` before it takes {takes}");
            found.push(Finding::new(
                path.clone(),
                what,
                match self.of_requests {
                    true => "put it before that route, or remove one of them",
                    false => ELSEWHERE,
                },
            ));
        }
        if let Some((name, first)) = route
            .name
            .as_deref()
            .and_then(|name| Some((name, self.names.get(name)?)))
        {
            let what = format!("`routes[{first}]` is called `{name}` too");
            found.push(Finding::new(
                path.key("name"),
                what,
                "give one of them another name",
            ));
        }
        self.matches.entry(form).or_insert(i);
        self.routes.push(&route.r#match);
        let takes_all = route.r#match.is_empty() || !self.of_requests;
        self.open = self.open.or(takes_all.then_some(i));
        if let Some(name) = &route.name {
            self.names.entry(name).or_insert(i);
        }
    }

    /// The first route that takes whatever is as this asks.
    fn covering(&self, asked: &Match) -> Option<usize> {
        self.routes.iter().position(|before| before.covers(&[asked]))
    }
}

/// A match that no exchange of this listener can hold, or that none is asked.
fn impossible(path: &Path, listener: &Listener, r#match: &Match) -> Option<Finding> {
    let path = path.key("match");
    let protocol = listener.protocol.as_str();
    if listener.protocol != Protocol::Http && !r#match.is_empty() {
        let what = format!(
            "all that comes to a `{protocol}` listener goes by its first route, and no match is asked"
        );
        let mend = "remove the match, and give what is to go elsewhere a listener of its own; faults may have such a match";
        return Some(Finding::new(path, what, mend));
    }
    if is_foreign(listener.protocol, r#match) {
        let what = "an `http` listener sees no commands of a database, so this never holds";
        return Some(Finding::new(
            path,
            what,
            "remove what it asks of a session or a command",
        ));
    }
    let blind = listener.tls.is_none() && !r#match.tls_name.is_empty();
    let what = "a listener without `tls` sees no name, so this never holds";
    blind.then(|| Finding::new(path.key("tls_name"), what, "match on `host`, or set `tls`"))
}

/// A route's own settings.
fn settings(path: &Path, route: &RouteSettings, found: &mut Vec<Finding>) {
    let limits = [
        ("timeout", route.timeout),
        ("answer_timeout", route.answer_timeout),
        ("idle_timeout", route.idle_timeout),
    ];
    for (name, _) in limits.into_iter().filter(|(_, limit)| *limit == Some(Span::ZERO)) {
        let what = "nothing can be answered within no time";
        found.push(Finding::new(path.key(name), what, "leave it out for no limit"));
    }
    let Some(retry) = &route.retry else { return };
    let path = path.key("retry");
    if retry.attempts.is_some_and(|attempts| attempts.get() == 1) {
        let what = "one attempt is the first try: nothing is ever tried again";
        found.push(Finding::new(
            path.key("attempts"),
            what,
            "write `attempts: 2`, or remove `retry`",
        ));
    }
    if let (Some(per_try), Some(timeout)) = (retry.per_try_timeout, route.timeout)
        && per_try > timeout
    {
        let what = format!("one try may take {per_try}, longer than the whole request's {timeout}");
        found.push(Finding::new(
            path.key("per_try_timeout"),
            what,
            "make it shorter than the route's `timeout`",
        ));
    }
    if let (Some(backoff), Some(most)) = (retry.backoff, retry.max_backoff)
        && backoff > most
    {
        let what = format!("the first wait, {backoff}, is longer than the longest, {most}");
        found.push(Finding::new(
            path.key("backoff"),
            what,
            "make it shorter than `max_backoff`",
        ));
    }
}
