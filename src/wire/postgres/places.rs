//! Which answer of the server belongs to which message of the client: within a unit both are counted, each kind by itself.

/// The answers that are counted: a statement was parsed, or bound, something was closed, a command is done.
pub(super) const PARSED: u8 = b'1';
pub(super) const BOUND: u8 = b'2';
pub(super) const CLOSED: u8 = b'3';
pub(super) const DONE: u8 = b'C';

/// How many there are of each kind, asked for or given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Places([u64; 4]);

impl Places {
    /// The place that the next answer of a kind has among those of its unit.
    pub(super) const fn of(&self, kind: u8) -> u64 {
        self.0[slot(kind)]
    }

    /// The same, and it is counted.
    pub(super) const fn take(&mut self, kind: u8) -> u64 {
        let place = self.of(kind);
        self.0[slot(kind)] += 1;
        place
    }
}

/// As what an answer of the server counts, if it is one to a single message. An empty query, and rows up to a limit, are done.
pub(super) const fn counted(kind: u8) -> Option<u8> {
    match kind {
        PARSED | BOUND | CLOSED => Some(kind),
        DONE | b'I' | b's' => Some(DONE),
        _ => None,
    }
}

const fn slot(kind: u8) -> usize {
    match kind {
        PARSED => 0,
        BOUND => 1,
        CLOSED => 2,
        _ => 3,
    }
}
