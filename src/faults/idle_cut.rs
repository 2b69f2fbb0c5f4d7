//! `idle_cut`: a firewall on the way that forgets connections which stand idle, and says so to nobody.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    doc::{Doc, Hook},
    hook::{Acts, Ask, Flow},
    line::{Cut, Legacy, Line, Piece, Shape},
    track::Track,
};
use crate::{route::matcher::Facts, units::Span};

/// Forgets connections that stand idle: what either side sends afterwards is lost, without FIN or RST.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdleCut {
    /// After how long without a byte in either direction.
    pub after: Span,
}

/// The page of `idle_cut`.
pub(super) const DOC: Doc = Doc {
    kind: "idle_cut",
    does: "Connections that stand idle are forgotten, as by a firewall: what either side sends then is lost, without FIN or RST; once lifted, those on which something was lost are reset, and the others go on",
    acts_at: &[Hook::Flow],
    settings: &[(
        "after",
        "after how long without a byte in either direction; less than the cluster's `idle_timeout`",
    )],
    examples: &[r#"{do: {idle_cut: {after: 60s}}}"#],
};

impl Acts for IdleCut {
    fn doc(&self) -> &'static Doc {
        &DOC
    }

    /// A body of HTTP is no connection.
    fn marks(&self, facts: &Facts<'_>) -> bool {
        facts.head.is_none()
    }

    fn tracks(&self) -> bool {
        true
    }

    fn flow(&self, ask: &mut Ask, _: Flow) -> Option<Box<dyn Shape>> {
        let track = ask.track.clone().filter(|_| ask.marked)?;
        track.begin(ask.now);
        Some(Box::new(Firewall {
            after: self.after,
            track,
        }))
    }
}

#[derive(Debug)]
struct Firewall {
    after: Span,
    track: Arc<Track>,
}

impl Shape for Firewall {
    fn shape(&mut self, at: Instant, piece: Piece, line: &mut Line) {
        if self.track.moves(at, self.after) {
            line.pass(at, piece);
        }
    }

    fn release(&mut self, line: &mut Line) {
        // What was sent is lost, and nobody could make sense of the rest.
        if self.track.is_forgotten() {
            line.hold(Piece::Cut(Cut::Reset));
        }
    }

    fn legacy(&self) -> Legacy {
        Legacy {
            lost: self.track.is_forgotten(),
            ..Legacy::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::{
        Chain, Plan,
        trial::{advance, facts, fault, lift, ms, plan, push, text},
    };
    use crate::units::Dice;

    /// Both directions of a connection that stands.
    fn directions(now: Instant) -> (Arc<crate::faults::Fault>, Chain, Chain) {
        let fault = fault("{idle_cut: {after: 60s}}", now);
        let mut plan = Plan::of_standing(std::slice::from_ref(&fault), Dice::new(7), 1, &facts(None));
        let mut flow = |direction| plan.flow(direction, now).unwrap();
        let (request, reply) = (flow(Flow::Request), flow(Flow::Reply));
        (fault, request, reply)
    }

    #[test]
    fn traffic_either_way_keeps_a_connection_known() {
        let now = Instant::now();
        let (_, mut request, mut reply) = directions(now);
        assert_eq!(push(&mut request, now + ms(59_000), text("a")), [text("a")]);
        assert_eq!(push(&mut reply, now + ms(110_000), text("b")), [text("b")]);
        assert_eq!(push(&mut request, now + ms(165_000), Piece::End), [Piece::End]);
    }

    #[test]
    fn what_is_sent_after_the_pause_is_lost_both_ways_and_nobody_is_told() {
        let now = Instant::now();
        let (fault, mut request, mut reply) = directions(now);
        assert_eq!(push(&mut reply, now + ms(1000), text("a")), [text("a")]);
        let late = now + ms(61_000);
        assert_eq!(push(&mut request, late, text("b")), []);
        assert_eq!(push(&mut reply, late + ms(1), text("c")), []);
        assert_eq!(push(&mut request, late + ms(2), Piece::End), []);
        assert_eq!(advance(&mut reply, late + ms(100_000)), []);
        fault.lift();
        assert_eq!(lift(&mut reply, late + ms(100_001)), [Piece::Cut(Cut::Reset)]);
        assert_eq!(lift(&mut request, late + ms(100_001)), [Piece::Cut(Cut::Reset)]);
    }

    #[test]
    fn lifted_in_time_it_leaves_connections_alone_and_bodies_of_http_always() {
        let now = Instant::now();
        let (fault, mut request, _) = directions(now);
        fault.lift();
        assert_eq!(lift(&mut request, now + ms(100_000)), []);
        let body = super::super::trial::fault("{idle_cut: {after: 60s}}", now);
        assert!(plan(&[body], 1).flow(Flow::Reply, now).is_none());
    }
}
