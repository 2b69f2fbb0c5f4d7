//! What is under way: what is left of the command and of the reply that pass through, or are dropped.

use super::{
    frame::{bulk, part},
    words::Front,
};
use crate::wire::dialogue::Lost;

/// What is left of the client's command.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// Bytes of its line or string.
    bytes: usize,
    /// Strings after those.
    strings: u64,
    dropped: bool,
}

impl From<Front> for Asked {
    fn from(front: Front) -> Self {
        Self {
            bytes: front.line,
            strings: front.strings,
            dropped: false,
        }
    }
}

impl Asked {
    /// The same, not to be passed on.
    pub(super) const fn dropped(self) -> Self {
        Self {
            dropped: true,
            ..self
        }
    }

    /// Whether it is not passed on.
    pub(super) const fn is_dropped(&self) -> bool {
        self.dropped
    }

    /// Whether anything is left.
    pub(super) const fn is_under_way(&self) -> bool {
        self.bytes > 0 || self.strings > 0
    }

    /// Takes what is there of it from the input: how much that is.
    pub(super) fn pass(&mut self, rest: &[u8]) -> Result<Option<usize>, Lost> {
        if self.bytes == 0 && self.strings > 0 {
            if rest.first().is_some_and(|byte| *byte != b'$') {
                return Err(Lost("a command of Redis is made of strings"));
            }
            let Some(string) = bulk(rest)? else {
                return Ok(None);
            };
            self.strings -= 1;
            self.bytes = string.whole;
        }
        let n = self.bytes.min(rest.len());
        self.bytes -= n;
        Ok(Some(n))
    }
}

/// What is left of the server's reply.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    /// Bytes of its line or string.
    bytes: usize,
    /// Values after those.
    values: u64,
    /// Whether it is dropped.
    pub(super) dropped: bool,
    /// Whether it answers a command.
    pub(super) answers: bool,
    /// Whether it has begun, and not ended.
    pub(super) under_way: bool,
}

impl Said {
    /// One that begins.
    pub(super) fn begins(answers: bool) -> Self {
        Self {
            values: 1,
            answers,
            under_way: true,
            ..Self::default()
        }
    }

    /// Takes what is there of it from the input: how much that is.
    pub(super) fn pass(&mut self, rest: &[u8]) -> Result<Option<usize>, Lost> {
        if self.bytes == 0 && self.values > 0 {
            let Some(part) = part(rest)? else {
                return Ok(None);
            };
            self.bytes = part.bytes;
            self.values = (self.values - 1)
                .checked_add(part.values)
                .ok_or(Lost("no reply of Redis has so many values"))?;
        }
        let n = self.bytes.min(rest.len());
        self.bytes -= n;
        self.under_way = self.bytes > 0 || self.values > 0;
        Ok(Some(n))
    }
}
