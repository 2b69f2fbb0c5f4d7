//! Requests that a match asks for, and that never get where the fault stands.

use super::{
    Finding,
    ground::Ground,
    way::{Missed, Way},
};
use crate::{
    config::{document::Document, path::Path, refusal::list},
    faults::{Do, Entry},
};

/// A finding where no request that the match asks for takes a route to the fault.
pub(super) fn unreached(
    document: &Document,
    path: &Path,
    entry: &Entry,
    ways: &[Way<'_>],
) -> Option<Finding> {
    if matches!(entry.r#do, Do::Health(_) | Do::BadReload(_)) {
        return None;
    }
    let ground = Ground::of(Some(document), entry);
    if ground.meets_checks() {
        return None;
    }
    let missed: Option<Vec<_>> = ways.iter().map(|way| Some((way, ground.misses(way)?))).collect();
    let missed = missed.filter(|missed| !missed.is_empty())?;
    if entry.r#where.r#match.is_empty() {
        return Some(Finding::new(
            path.key("where"),
            "nothing that is read where this leads is what it meets, so the fault can hit nothing",
            "name the place of what it is to meet, or use a fault of bytes where sessions pass unread",
        ));
    }
    let path = path.key("where").key("match");
    let taken = missed.iter().find_map(|(way, missed)| match missed {
        Missed::Before(place) => Some((way, *place)),
        Missed::Apart => None,
    });
    if let Some((way, place)) = taken {
        let (listener, _) = way.place;
        let (route, cluster) = way.listener.ways(listener).nth(place)?;
        return Some(Finding::new(
            path,
            format!(
                "route `{route}` takes what the match asks for before it gets here, so the fault can hit nothing"
            ),
            format!(
                "name where such requests go (`route: {route}`, `cluster: {cluster}`), or match on what gets past that route"
            ),
        ));
    }
    let names: Vec<&str> = missed.iter().map(|(way, _)| way.route.as_str()).collect();
    Some(Finding::new(
        path,
        "no route that leads here takes what the match asks for, so the fault can hit nothing",
        format!(
            "match on what is taken by {}, or name the place where such requests go",
            list(&names)
        ),
    ))
}
