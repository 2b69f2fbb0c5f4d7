//! A connection that stands and falls with its backend.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    line::{Cut, Line, Piece, Shape},
    server::Server,
};

/// Resets a flow when its backend dies.
#[derive(Debug)]
pub(super) struct Bond {
    server: Arc<Server>,
    deaths: u64,
    looks_at: Option<Instant>,
}

impl Bond {
    /// Binds a flow to a backend; `None` where it never dies.
    pub(super) fn to(server: &Arc<Server>, now: Instant) -> Option<Box<dyn Shape>> {
        let next = server.may_die(now)?;
        let looks_at = if server.is_down(now) { now } else { next };
        Some(Box::new(Self {
            server: Arc::clone(server),
            deaths: server.deaths(now),
            looks_at: Some(looks_at),
        }))
    }

    fn is_broken(&self, now: Instant) -> bool {
        self.server.is_down(now) || self.server.deaths(now) > self.deaths
    }
}

impl Shape for Bond {
    fn shape(&mut self, at: Instant, piece: Piece, line: &mut Line) {
        if self.is_broken(at) {
            line.pass(at, Piece::Cut(Cut::Reset));
        }
        line.pass(at, piece);
    }

    fn alarm(&self) -> Option<Instant> {
        self.looks_at
    }

    fn ring(&mut self, at: Instant, line: &mut Line) {
        self.looks_at = self.server.may_die(at);
        if self.is_broken(at) {
            self.looks_at = None;
            line.pass(at, Piece::Cut(Cut::Reset));
        }
    }
}
