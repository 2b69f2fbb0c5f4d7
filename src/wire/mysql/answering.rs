//! What is said in the place of what the server says.

use bytes::Bytes;

use super::{
    errors::{ERR, of_mariadb},
    frame::{HEAD, packet},
    opening::can,
    reply::LOCAL_INFILE,
    session::{By, Phase, Session},
};
use crate::wire::errors::{Refusal, Words};

impl Session {
    /// What is said in place of the server's packet at the front, if anything.
    pub(super) fn instead(&mut self, front: &[u8], sequence: u8) -> Option<Refusal> {
        let reply = self.waiting.front()?;
        if let Some(refusal) = self.refuses_proof(front, sequence) {
            return Some(refusal);
        }
        if self.phase == Phase::Proof && self.begun == 0 {
            // The client is welcome: this is where the server would have said no.
            const WELCOME: u8 = 0;
            if front.first() != Some(&WELCOME) {
                return None;
            }
            let mut refusal = self.opening.take()?;
            let login = self.login.as_ref();
            // Who names no database is let in where one is missing.
            let has_database = login.is_some_and(|login| !login.database.is_empty());
            if !has_database && memchr::memmem::find(&refusal.bytes, DATABASE).is_some() {
                return None;
            }
            // It was written before the client had said who it is.
            let words = Words {
                user: login.map_or("", |login| &login.user),
                database: login.map_or("", |login| &login.database),
                ..Words::default()
            };
            refusal.bytes = rewritten(&refusal.bytes, sequence, |text| words.fill(text));
            self.refused_opening = true;
            return Some(refusal);
        }
        let replaced = self.refused.front()?;
        if !reply.is_to_begin() || replaced.unit != self.answered {
            return None;
        }
        if replaced.by == By::Stub || (replaced.by == By::Last && reply.ends_with(front)) {
            return self.take_refused(sequence);
        }
        match front.first() {
            // A statement before it is answered.
            Some(kind) if replaced.by == By::Last && *kind != ERR => None,
            // The file comes first.
            Some(&LOCAL_INFILE) => None,
            // The server's own error stands.
            Some(&ERR) => {
                self.refused.pop_front();
                None
            }
            _ => {
                self.muted = true;
                self.take_refused(sequence)
            }
        }
    }

    /// The next error to be said, at this place in the exchange.
    fn take_refused(&mut self, sequence: u8) -> Option<Refusal> {
        let replaced = self.refused.pop_front()?;
        let mut refusal = replaced.refusal;
        let sequence = sequence.wrapping_add(replaced.behind);
        if refusal.bytes.is_empty() {
            return Some(refusal);
        }
        let product = self.product();
        if self.can & can::IS_MYSQL == 0
            && let Some(own) = of_mariadb(&refusal.bytes)
        {
            refusal.bytes = own;
        }
        refusal.bytes = rewritten(&refusal.bytes, sequence, |text| {
            text.replace("{product}", product)
        });
        Some(refusal)
    }

    /// What the server calls itself in its errors.
    const fn product(&self) -> &'static str {
        if self.can & can::IS_MYSQL == 0 {
            "MariaDB"
        } else {
            "MySQL"
        }
    }
}

/// What stands for the database in an error that was written before the client has said who it is.
const DATABASE: &[u8] = b"{database}";

/// An error at another place in the exchange, and with another text.
pub(super) fn rewritten(bytes: &Bytes, sequence: u8, text: impl FnOnce(&str) -> String) -> Bytes {
    let (front, said) = bytes.split_at(bytes.len().min(BEFORE_TEXT));
    let text = text(&String::from_utf8_lossy(said));
    packet(
        sequence,
        &[&front[HEAD.min(front.len())..], text.as_bytes()].concat(),
    )
}

/// Head, first byte, number and SQLSTATE of an error.
const BEFORE_TEXT: usize = HEAD + 1 + 2 + 6;
