//! The ground that a fault stands on: which requests get there, and what it shares with another fault.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::time::Instant;

use super::{
    matches::is_foreign,
    reach::Reach,
    way::{Missed, Way},
};
use crate::{
    config::{document::Document, listener::Protocol, sight::Sight},
    faults::{Do, Entry, Fault, Leg, Overlap, Unit, Where},
    route::Match,
    upstream::settings::BackendSettings,
};

/// The ground that a fault stands on.
pub struct Ground<'d> {
    entry: &'d Entry,
    fault: Arc<Fault>,
    /// `None` where there is no document.
    reach: Option<Reach<'d>>,
    /// Those of its routes that something takes which the match asks for, by listener and place.
    taken: BTreeMap<(&'d str, usize), usize>,
    /// Whether what a request asks for may be something else on the backends' side.
    rewritten: bool,
}

impl<'d> Ground<'d> {
    /// The ground of a fault, in a document or, as in a profile, without one.
    pub fn of(document: Option<&'d Document>, entry: &'d Entry) -> Self {
        let mut ground = Self {
            entry,
            fault: Fault::compile("", entry, Instant::now()),
            reach: document.map(|document| Reach::of(document, &entry.r#where)),
            taken: BTreeMap::new(),
            rewritten: document.is_some_and(rewrites),
        };
        let ways = ground
            .reach
            .iter()
            .flat_map(|reach| reach.ways().iter().enumerate());
        let taken = ways.filter(|(_, way)| ground.misses(way).is_none());
        ground.taken = taken.map(|(i, way)| (way.place, i)).collect();
        ground
    }

    /// How much of what it meets a fault that is tried before meets, too.
    pub fn overlap(&self, earlier: &Self) -> Overlap {
        let is_tried = !matches!(self.entry.r#do, Do::Health(_) | Do::BadReload(_));
        if !is_tried || self.fault.leg() != earlier.fault.leg() {
            return Overlap::None;
        }
        let (Some(mine), Some(theirs)) = (&self.reach, &earlier.reach) else {
            return self.overlap_by_names(earlier);
        };
        if earlier
            .entry
            .r#where
            .r#match
            .is_apart(&self.entry.r#where.r#match)
        {
            return Overlap::None;
        }
        let mut overlaps = self
            .taken
            .iter()
            .map(|(place, i)| match earlier.taken.get(place) {
                Some(there) => self.overlap_on(&mine.ways()[*i], earlier, &theirs.ways()[*there]),
                None => Overlap::None,
            });
        let first = overlaps.next().unwrap_or(Overlap::None);
        overlaps.fold(first, either)
    }

    /// The listeners at which sessions pass unread that it does not meet, and nobody knows how many they are.
    pub fn unread(&self) -> BTreeSet<&'d str> {
        let ways = self
            .taken
            .values()
            .filter_map(|i| self.reach.as_ref()?.ways().get(*i));
        ways.filter(|way| way.shows(self.entry) == Sight::Read)
            .map(|way| way.place.0)
            .collect()
    }

    /// Whether it meets the health checks of backends, which take no route.
    pub(super) fn meets_checks(&self) -> bool {
        self.fault.leg() == Leg::Upstream && self.fault.meets_checks()
    }

    /// Why nothing that the match asks for takes a route; `None`: something may.
    pub(super) fn misses(&self, way: &Way<'_>) -> Option<Missed> {
        let written = &self.entry.r#where.r#match;
        // What meets connections meets them before they take a route.
        if self.fault.at_connection() {
            return None;
        }
        if way.shows(self.entry) == Sight::Nothing {
            return Some(Missed::Apart);
        }
        let read = if way.is_blind() {
            Protocol::Tcp
        } else {
            way.protocol()
        };
        if is_foreign(read, written) {
            return Some(Missed::Apart);
        }
        let asked = self.as_it_came(way, written);
        (!asked.is_empty()).then(|| way.misses(&asked)).flatten()
    }

    /// The same on one route.
    fn overlap_on(&self, way: &Way<'_>, earlier: &Self, there: &Way<'_>) -> Overlap {
        let (mine_shown, theirs_shown) = (way.shows(self.entry), there.shows(earlier.entry));
        let has =
            |backend: &&&BackendSettings| there.backends.iter().any(|known| std::ptr::eq(*known, **backend));
        let shared = way.backends.iter().filter(has).count();
        if shared == 0 || self.is_met_before(earlier, way.protocol()) {
            return Overlap::None;
        }
        let rule = way.rule().map(|route| self.as_it_came(way, &route.r#match));
        let (mine, theirs) = (&self.entry.r#where.r#match, &earlier.entry.r#where.r#match);
        let asked: Vec<_> = rule.iter().chain([mine]).collect();
        // What passes unread is left to what meets that.
        let sees_as_much = theirs_shown == Sight::All || mine_shown == Sight::Read;
        if sees_as_much && shared == way.backends.len() && theirs.covers(&asked) {
            Overlap::Whole
        } else {
            Overlap::Unknown
        }
    }

    /// The same by names alone. Two roles are two parts of a story.
    fn overlap_by_names(&self, earlier: &Self) -> Overlap {
        let (mine, theirs) = (&self.entry.r#where, &earlier.entry.r#where);
        let names = |place: &'d Where| [&place.listener, &place.route, &place.cluster, &place.role];
        let mut pairs = names(theirs).into_iter().zip(names(mine));
        let differ = |(their, mine): (&Option<String>, &Option<String>)| {
            their.is_some() && mine.is_some() && their != mine
        };
        if pairs.clone().any(differ) || theirs.r#match.is_apart(&mine.r#match) {
            return Overlap::None;
        }
        let named = |(their, mine): (&Option<String>, &Option<String>)| their.is_none() || their == mine;
        let all = pairs.all(named) && named((&theirs.backend, &mine.backend));
        if all && theirs.r#match.covers(&[&mine.r#match]) {
            Overlap::Whole
        } else {
            Overlap::Unknown
        }
    }

    /// Whether it is met before the other although that is written first: with a connection, before there is a request or a
    /// command.
    fn is_met_before(&self, other: &Self, protocol: Protocol) -> bool {
        match protocol.dialect() {
            Some(dialect) => {
                let meets = |one: &Self, unit| one.fault.meets(unit, dialect);
                !meets(self, Unit::Command) && !meets(other, Unit::Session)
            }
            None => protocol == Protocol::Http && self.fault.at_connection() && !other.fault.at_connection(),
        }
    }

    /// What a match asks of a request that holds on both sides of the proxy: before backends it has other headers, and may have
    /// another path.
    fn as_it_came(&self, way: &Way<'_>, asked: &Match) -> Match {
        let mut asked = asked.clone();
        if self.fault.leg() == Leg::Client {
            return asked;
        }
        asked.header = Default::default();
        asked.host = Default::default();
        asked.user_agent = Default::default();
        if self.rewritten || way.rule().is_some_and(|route| route.rewrite.is_some()) {
            asked.path = Default::default();
            asked.grpc = Default::default();
            asked.query = Default::default();
        }
        asked
    }
}

/// Whether a fault may change what a request asks for.
fn rewrites(document: &Document) -> bool {
    let mut faults = document.faults.iter();
    faults.any(|(_, entry)| matches!(&entry.r#do, Do::Rewrite(rewrite) if rewrite.request.path.is_some()))
}

/// Of two parts together.
fn either(one: Overlap, other: Overlap) -> Overlap {
    if one == other { one } else { Overlap::Unknown }
}
