//! The traffic that a fault can stand in, and whether it can do anything to it.

use super::{
    Finding,
    errors::{ill_written, undone, unsaid},
    matches::{SPEAK_DATABASE, unheld},
    requests::unspoken,
    unseen::unseen,
    way::Way,
};
use crate::{
    config::{
        allow::is_public,
        document::{Document, Target},
        listener::Protocol,
        path::Path,
    },
    faults::{Do, Entry, IdleCut, Leg, Where},
    units::{Address, Span},
    upstream::settings::BackendSettings,
};

/// The traffic that a fault can stand in.
pub(super) struct Reach<'d>(Vec<Way<'d>>);

impl<'d> Reach<'d> {
    pub(super) fn of(document: &'d Document, place: &Where) -> Self {
        let bound = place.role.as_deref().and_then(|role| document.roles.get(role));
        let wanted = |want: &Option<String>, is: &str| want.as_deref().is_none_or(|want| want == is);
        let mut ways = Vec::new();
        for (name, listener) in document
            .listeners
            .iter()
            .filter(|(name, _)| wanted(&place.listener, name))
        {
            for (i, (route, cluster)) in listener.ways(name).enumerate() {
                let plays = bound.is_none_or(|bound| bound.iter().any(|target| target.cluster == cluster));
                let here = wanted(&place.route, &route) && wanted(&place.cluster, cluster) && plays;
                if !here {
                    continue;
                }
                let settings = document.clusters.get(cluster);
                let meant = |backend: &&BackendSettings| is_meant(document, place, cluster, &backend.name());
                let backends = settings.into_iter().flat_map(|cluster| &cluster.backends);
                let backends: Vec<_> = backends.filter(meant).collect();
                if settings.is_none() || !backends.is_empty() {
                    ways.push(Way {
                        listener,
                        place: (name, i),
                        route,
                        to: cluster,
                        backends,
                        cluster: settings,
                    });
                }
            }
        }
        Self(ways)
    }

    /// The routes that lead there.
    pub(super) fn ways(&self) -> &[Way<'d>] {
        &self.0
    }

    /// A finding where a fault can match nothing.
    pub(super) fn nothing(&self, path: &Path, entry: &Entry) -> Option<Finding> {
        let place = &entry.r#where;
        let (whole, path) = (path, path.key("where"));
        let finding = |what: &str, mend: &str| Some(Finding::new(path.clone(), what, mend));
        // These two ask nothing of traffic: one answers health checks, the other is a reload.
        let of_traffic = !matches!(entry.r#do, Do::Health(_) | Do::BadReload(_));
        if of_traffic && self.0.is_empty() {
            let (what, mend) = nowhere(place);
            return finding(&what, mend);
        }
        if place.leg == Some(Leg::Client) && place.backend.is_some() {
            let what = "the client's side knows no backend, so the fault can hit nothing";
            return finding(what, "remove `leg: client` or `backend`");
        }
        if let Some(found) = unseen(whole, entry, &self.0) {
            return Some(found);
        }
        if entry.r#do.is_of_database() && !self.0.is_empty() && !self.0.iter().any(Way::speaks) {
            let what =
                "no listener that leads here speaks the protocol of a database, so the fault can hit nothing";
            return finding(what, SPEAK_DATABASE);
        }
        if let Some((what, mend)) = self.out_of_reach(entry) {
            return finding(&what, &mend);
        }
        // Where sessions pass unread, others are what an error is said to, and where there are none, health checks.
        let hears = |way: &&Way<'_>| way.speaks() && !way.is_blind();
        let is_heard = self.0.iter().any(|way| hears(&way));
        let told = |way: &&Way<'_>| !is_heard || !way.speaks() || hears(way);
        let protocols = || self.0.iter().filter(told).map(Way::protocol);
        if let Some(found) = unspoken(whole, entry, &self.0) {
            return Some(found);
        }
        if let Some((what, mend)) = self.lacks(entry) {
            return finding(what, mend);
        }
        if let Some(what) = ill_written(&entry.r#do, protocols()) {
            let path = whole.key("do").key("abort").key("error");
            return Some(Finding::new(path, what, "write it as the server would"));
        }
        if let Some((what, mend)) = unsaid(&entry.r#do, protocols()) {
            return Some(Finding::new(whole.key("do"), what, mend));
        }
        if let Some((what, mend)) = undone(&entry.r#do, protocols()) {
            return Some(Finding::new(
                whole.key("do").key("abort").key("after"),
                what,
                mend,
            ));
        }
        unheld(whole, entry, &self.0)
    }

    /// Why a kind can do nothing where its traffic goes, or to what its match asks for, and what mends it.
    fn out_of_reach(&self, entry: &Entry) -> Option<(String, String)> {
        if entry.r#where.r#match.compile().needs_command()
            && let Some(acts) = entry.r#do.misses_commands()
        {
            let what = format!("the match asks for a command, but this {acts}, so the fault can hit nothing");
            let mend = "remove `sql`, `table` and `statement` from the match, or write another kind";
            return Some((what, mend.to_owned()));
        }
        let Do::IdleCut(IdleCut { after }) = &entry.r#do else {
            return None;
        };
        let passes = |way: &&Way<'_>| way.protocol() != Protocol::Http;
        match self.0.iter().filter(passes).max_by_key(|way| way.idle()) {
            None => {
                let what = "connections of HTTP are not forgotten: only `tcp` listeners and those of databases pass them on";
                Some((what.to_owned(), "use `hang` or `stall`".to_owned()))
            }
            Some(way) if way.idle() <= after.0 => {
                let what = format!(
                    "the proxy itself ends connections that stand idle for {}, before the fault can",
                    Span(way.idle())
                );
                let mend = format!(
                    "set `idle_timeout` of the cluster `{}` longer than {after}",
                    way.to
                );
                Some((what, mend))
            }
            Some(_) => None,
        }
    }

    /// A finding where a fault can hit a server that may be somebody else's.
    pub(super) fn somebody_else(&self, document: &Document, path: &Path) -> Option<Finding> {
        let mut backends = self.0.iter().flat_map(|way| &way.backends);
        let public = backends.find(|backend| is_kept_out(document, &backend.address))?;
        let what = format!(
            "the fault can hit `{}`, which may be somebody else's server",
            public.address
        );
        let mend = "narrow `where`, or list its host in `safety: {allow_public: [...]}` if it is yours";
        Some(Finding::new(path.clone(), what, mend))
    }

    /// What its traffic lacks, so that a kind can do nothing to it, and what mends it.
    fn lacks(&self, entry: &Entry) -> Option<(&'static str, &'static str)> {
        let (place, ways) = (&entry.r#where, &self.0);
        if ways.is_empty() {
            return None;
        }
        // The handshake of a database's client is its protocol's own.
        let shakes = |way: &Way<'_>| way.listener.tls.is_some() && !way.protocol().asks_for_tls();
        match (&entry.r#do, place.leg()) {
            (Do::Tls(_), Leg::Client) if ways.iter().all(|way| way.protocol().asks_for_tls()) => Some((
                "clients of PostgreSQL and MySQL ask for TLS within their protocol, where no handshake is spoiled",
                "name a cluster that has `tls`, for the handshake with its servers",
            )),
            (Do::Tls(_), Leg::Client) if !ways.iter().any(shakes) => Some((
                "no listener that leads here begins with TLS, so there is no handshake to spoil",
                "set `tls` on a listener that speaks `http`, `tcp` or `redis`, or name a cluster that has `tls`",
            )),
            (Do::Tls(_), Leg::Client) if !entry.is_known_at_handshake() => Some((
                "before a client's handshake only its listener and address are known, so the fault can hit nothing",
                "name the `listener` alone, and of `match` only `client`; or a cluster, for the handshake with its backends",
            )),
            (Do::Tls(_), Leg::Upstream) if !ways.iter().any(Way::is_secured) => Some((
                "no cluster that is reached here has `tls`, so there is no handshake to spoil",
                "set `tls` on the cluster, or name the listener alone for the handshake with clients",
            )),
            (Do::Abort(abort), Leg::Upstream) if abort.unanswered => Some((
                "what no backend has answered is known on the client's leg alone, so the fault can hit nothing",
                "add `leg: client`, or remove `unanswered`",
            )),
            (Do::Abort(abort), _) if abort.is_for_sessions() && !ways.iter().any(Way::speaks) => Some((
                "no listener that leads here speaks the protocol of a database, so nobody gets the `error`",
                "write `status`, or set `protocol: postgres`, `mysql` or `redis` on the listener",
            )),
            _ if !place.r#match.tls_name.is_empty() && ways.iter().all(|way| way.listener.tls.is_none()) => {
                Some((
                    "no listener that leads here has `tls` and sees a name, so the match never holds",
                    "match on `host`, or set `tls` on the listener",
                ))
            }
            _ => None,
        }
    }
}

/// Why no traffic is where a fault is to stand, and what mends it.
fn nowhere(place: &Where) -> (String, &'static str) {
    let named = [
        ("listener", &place.listener),
        ("route", &place.route),
        ("cluster", &place.cluster),
        ("backend", &place.backend),
        ("role", &place.role),
    ];
    let mut named = named
        .into_iter()
        .filter_map(|(kind, name)| Some((kind, name.as_deref()?)));
    let (what, mend) = match (named.next(), named.next()) {
        (None, _) => (
            "no listener leads anywhere".to_owned(),
            "add a route to a cluster",
        ),
        (Some(("listener", name)), None) => (
            format!("the listener `{name}` leads nowhere"),
            "add a route to a cluster",
        ),
        (Some((kind, name)), None) => (
            format!("no listener leads to the {kind} `{name}`"),
            "add a route that leads there",
        ),
        (Some(_), Some(_)) => (
            "no exchange is in all of these places at once".to_owned(),
            "remove one of them, or add the route that leads there",
        ),
    };
    (format!("{what}, so the fault can hit nothing"), mend)
}

/// Whether a fault allows this backend, by all the names that it gives. The client's side knows no backend, so there a role that
/// is one stands for its whole cluster.
pub(super) fn is_meant(document: &Document, place: &Where, cluster: &str, backend: &str) -> bool {
    let bound = place.role.as_deref().and_then(|role| document.roles.get(role));
    let is_known = place.leg() == Leg::Upstream;
    let is = |target: &Target| {
        let named = target.backend.as_deref().filter(|_| is_known);
        target.cluster == cluster && named.is_none_or(|name| name == backend)
    };
    let named = match place.backend.as_deref().map(|want| (want, want.split_once('/'))) {
        None => true,
        Some((_, Some((of, name)))) => of == cluster && name == backend,
        Some((want, None)) => want == backend,
    };
    named
        && place.cluster.as_deref().is_none_or(|want| want == cluster)
        && bound.is_none_or(|bound| bound.iter().any(is))
}

/// Whether a server may be somebody else's, and the document does not say that it is not.
pub(super) fn is_kept_out(document: &Document, address: &Address) -> bool {
    is_public(address) && !document.safety.allow_public.iter().any(|host| host.is(address))
}
