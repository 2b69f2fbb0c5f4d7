//! The session's bytes at any split: which pass, which are dropped, and what is said in their place.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    frame::{HEAD, head, message, text},
    places::{BOUND, CLOSED, DONE, PARSED, Places},
    session::{By, Instead, Passing, Replaced, Session, is_unasked},
    turns::revives,
};
use crate::wire::{
    dialogue::{After, Command, Dialogue, Heard, Lost, Next, Statement, Stops, Told, Watch},
    errors::Refusal,
    lexer::{Grammar, ends_transaction},
};

/// So much of a message is looked at; of a longer statement the front tells what it is.
const LOOK: usize = 64 << 10;

/// A transaction cannot be prepared under so long a name (GIDSIZE). The server refuses it once the transaction has been ended, so that
/// it is rolled back and over, as when COMMIT fails; a statement that fails would leave it open, and failed.
const TOO_LONG: usize = 250;

/// The name of the statement that ends a transaction in place of a COMMIT which was prepared. It is left at the server, and closed before
/// it is prepared again: behind the error nothing more of the unit is done.
const END: &str = "chaosproxy_end";

/// So many answers may be under way in the server's place at a time.
const MOST_REFUSALS: usize = 4096;

impl Session {
    /// Remembers the command that was stopped before.
    fn stops_at(&mut self, kind: u8, length: usize, body: &[u8]) {
        self.front = (kind, length);
        self.stopped = true;
        if kind == b'P' {
            self.front_name = text(body).map_or(body, |(name, _)| name).into();
        }
    }

    /// Prepares what ends the transaction, and does it. Its portal takes the place of the client's, which is over with the transaction.
    fn prepares_end(&mut self, name: &str) -> Vec<u8> {
        for kind in [CLOSED, PARSED, BOUND] {
            self.places.take(kind);
        }
        let sql = end_of_transaction(name);
        [
            message(b'C', format!("S{END}\0").as_bytes()),
            message(b'P', format!("{END}\0{sql}\0\0").as_bytes()),
            message(b'B', format!("\0{END}\0\0\0\0\0\0\0").as_bytes()),
            message(b'E', &[0; 5]),
        ]
        .concat()
    }

    /// The statements of a query of several, and where each begins.
    fn statements_of(&self, kind: u8, body: &[u8]) -> Vec<(usize, String)> {
        if kind != b'Q' {
            return Vec::new();
        }
        let sql = text(body).map_or(body, |(sql, _)| sql);
        self.statements.statements(Grammar::Postgres, sql)
    }

    /// What a text asks behind the statement that ends the transaction which has failed; `None`: nothing, or none has.
    fn revived(&mut self, kind: u8, body: &[u8]) -> Option<Arc<str>> {
        self.behind = 0;
        if self.status != b'E' {
            return None;
        }
        let statements = self.statements_of(kind, body);
        let end = statements.iter().position(|(_, text)| revives(text))?;
        let behind = statements.get(end + 1..).filter(|behind| !behind.is_empty())?;
        self.behind = behind[0].0;
        let texts: Vec<_> = behind.iter().map(|(_, text)| text.as_str()).collect();
        Some(texts.join(";").into())
    }
}

/// What the server refuses once it has ended the transaction, by a name that begins like this.
fn end_of_transaction(name: &str) -> String {
    format!("PREPARE TRANSACTION '{name:_<TOO_LONG$}'\0")
}

/// Whether a message of the client tells something.
const fn is_heard(kind: u8) -> bool {
    matches!(kind, b'Q' | b'P' | b'B' | b'E' | b'C' | b'F' | b'S' | b'c' | b'f')
}

/// Whether the server skips a message behind an error, up to the end of the unit; what asks for the answers so far asks for the error.
const fn is_skipped(kind: u8) -> bool {
    matches!(kind, b'Q' | b'P' | b'B' | b'D' | b'E' | b'C' | b'F')
}

/// How much of a message must be there before it is followed.
fn needed(kind: u8, bytes: &[u8], length: usize) -> usize {
    let there = &bytes[HEAD..length.min(bytes.len())];
    match kind {
        // Only its two names are of interest, not the values behind them.
        b'B' if text(there).and_then(|(_, rest)| text(rest)).is_some() => HEAD,
        _ => length.min(LOOK),
    }
}

impl Dialogue for Session {
    fn hear(&mut self, input: &[u8], stops: Stops) -> Result<Heard, Lost> {
        let mut at = 0;
        self.stopped = false;
        let heard = |pass, drop, then| Ok(Heard::plain(pass, drop, then));
        loop {
            if self.asked.left > 0 {
                let n = self.asked.left.min(input.len() - at);
                self.asked.left -= n;
                if self.asked.dropped {
                    let then = if self.asked.left == 0 {
                        Next::Again
                    } else {
                        Next::More
                    };
                    return heard(at, n, then);
                }
                at += n;
                if self.asked.left > 0 {
                    return heard(at, 0, Next::More);
                }
            }
            let rest = &input[at..];
            let Some((kind, length)) = head(rest)? else {
                return heard(at, 0, Next::More);
            };
            if self.drops && !self.accepted && is_skipped(kind) {
                self.asked = Passing {
                    left: length,
                    dropped: true,
                };
                continue;
            }
            if is_heard(kind) {
                if rest.len() < needed(kind, rest, length) {
                    return heard(at, 0, Next::More);
                }
                let body = &rest[HEAD..length.min(rest.len())];
                let accepted = std::mem::take(&mut self.accepted);
                let stops = match kind {
                    b'P' => stops.preparing,
                    _ => stops.commands,
                };
                if stops
                    && !accepted
                    && !self.skips
                    && let Some((text, step)) = self.command(kind, body)
                {
                    self.stops_at(kind, length, body);
                    let revived = self.revived(kind, body);
                    let fails = self.status == b'E' && !self.is_revived && revived.is_none();
                    let command = Command {
                        text: revived.unwrap_or(text),
                        step,
                        doomed: fails || self.replaced.len() >= MOST_REFUSALS,
                        in_transaction: self.status == b'T',
                    };
                    return heard(at, 0, Next::Command(command));
                }
                self.asks(kind, body, accepted);
            }
            self.asked = Passing {
                left: length,
                dropped: false,
            };
        }
    }

    fn accept(&mut self) {
        self.accepted = true;
    }

    fn statements(&self, input: &[u8]) -> Vec<Statement> {
        let (kind, length) = self.front;
        let body = input.get(HEAD..length.min(LOOK).min(input.len()));
        let statements = self.statements_of(kind, body.unwrap_or_default());
        let placed = |(at, text): (usize, String)| Statement {
            text: text.into(),
            before: if at == 0 { 0 } else { HEAD + at },
        };
        let alive = statements.into_iter().filter(|(at, _)| *at >= self.behind);
        alive.map(placed).collect()
    }

    /// In one text with what is done before: so the server does to all of it what it does to a text of which a statement fails.
    fn refuse(&mut self, refusal: Refusal, done: &[u8], text: &str) -> Bytes {
        let done = done.get(HEAD..).unwrap_or_default();
        self.number += 1;
        let name = format!("chaosproxy_{}", self.number);
        let (kind, left) = self.front;
        self.asked = Passing { left, dropped: true };
        // One that was open may be so still: behind an error the server skips what was to end it.
        let may_be_open = self.open || self.status != b'I' || !done.is_empty();
        let ends = kind != b'P' && may_be_open && ends_transaction(Grammar::Postgres, text);
        self.replaced.push_back(Replaced {
            by: match kind {
                b'E' if ends => By::Behind(self.places),
                b'Q' if ends && done.is_empty() => By::Alone,
                _ => By::Name(name.clone()),
            },
            unit: self.begun,
            refusal,
        });
        let said = match kind {
            b'Q' => {
                self.asks(kind, done, false);
                // Whatever the text before it is, it does not end in a comment that would take this in.
                let border: &[u8] = if done.is_empty() { b"" } else { b"\n" };
                let stub = if ends {
                    end_of_transaction(&name)
                } else {
                    format!("SELECT \"{name}\"\0")
                };
                message(b'Q', &[done, border, stub.as_bytes()].concat())
            }
            b'P' => {
                self.skips = true;
                let sql = format!("\0SELECT \"{name}\"\0\0\0");
                message(b'P', &[&self.front_name, sql.as_bytes()].concat())
            }
            _ => {
                self.skips = true;
                if ends {
                    self.prepares_end(&name)
                } else {
                    // A portal that is not there; four zeros ask for all of its rows.
                    message(b'E', format!("{name}\0\0\0\0\0").as_bytes())
                }
            }
        };
        // What stands in its place ends the transaction, too.
        self.open &= !ends;
        said.into()
    }

    fn replace(&mut self, refusal: Refusal) {
        self.accepted = true;
        let (kind, _) = self.front;
        self.drops = kind != b'Q';
        self.replaced.push_back(Replaced {
            by: By::Place(if kind == b'Q' { 0 } else { self.places.of(DONE) }),
            unit: self.begun,
            refusal,
        });
    }

    fn replace_next(&mut self, refusal: Refusal) -> bool {
        self.replaced.push_back(Replaced {
            by: By::Place(self.given.of(DONE)),
            unit: self.answered,
            refusal,
        });
        true
    }

    fn refuse_opening(&mut self, refusal: Refusal) {
        self.opening = Some(refusal);
    }

    fn stands_by(&mut self) {
        self.stand_by();
    }

    fn tell(&mut self, input: &[u8], watch: Watch) -> Result<Told, Lost> {
        let mut at = 0;
        let told = |pass, drop, say, then| {
            Ok(Told {
                pass,
                drop,
                say,
                then,
            })
        };
        loop {
            if self.said.left > 0 {
                let n = self.said.left.min(input.len() - at);
                self.said.left -= n;
                if self.said.dropped {
                    let then = if self.said.left == 0 {
                        After::Again
                    } else {
                        After::More
                    };
                    return told(at, n, Bytes::new(), then);
                }
                at += n;
                if self.said.left > 0 {
                    return told(at, 0, Bytes::new(), After::More);
                }
            }
            if self.over {
                return told(at, 0, Bytes::new(), After::Close);
            }
            if watch.border {
                return told(at, 0, Bytes::new(), After::Border);
            }
            let rest = &input[at..];
            let Some((kind, length)) = head(rest)? else {
                return told(at, 0, Bytes::new(), After::More);
            };
            if self.started && !is_unasked(kind) && watch.unit.is_some_and(|unit| unit <= self.answered) {
                return told(at, 0, Bytes::new(), After::Answer);
            }
            if self.is_told(kind) {
                if rest.len() < length.min(LOOK) {
                    return told(at, 0, Bytes::new(), After::More);
                }
                let say = match self.says(kind, &rest[HEAD..length.min(rest.len())]) {
                    Instead::Pass => None,
                    Instead::Drop => Some(Bytes::new()),
                    Instead::Say(refusal) => {
                        self.over = refusal.closes;
                        Some(refusal.bytes)
                    }
                };
                if let Some(say) = say {
                    self.said = Passing {
                        left: length,
                        dropped: true,
                    };
                    return told(at, 0, say, After::Again);
                }
            }
            self.said = Passing {
                left: length,
                dropped: false,
            };
        }
    }

    fn waits_in_transaction(&self) -> bool {
        let is_answered = self.begun == self.answered && self.places == Places::default();
        self.started && self.status != b'I' && is_answered && !self.stopped && self.asked.left == 0
    }

    fn cancel_key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    fn begun(&self) -> u64 {
        self.begun
    }

    fn answered(&self) -> u64 {
        self.answered
    }
}
