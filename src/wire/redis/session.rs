//! A connection to Redis: which command is answered by which reply, at any split of its bytes.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use super::{
    choice::Choices,
    passing::{Asked, Said},
    transaction::{DISCARD, EXEC, Ends, Transaction, aborted, silence},
    words::{GLANCE, LOOK, Words, of_the_connection, plain, proves, words},
};
use crate::wire::{
    dialogue::{After, Command, Dialogue, Heard, Lost, Next, Step, Stops, Told, Watch},
    errors::Refusal,
};

/// So many answers may be under way in the server's place at a time: a pipeline is sent whole before its answers are read.
const MOST_REFUSALS: usize = 64 << 10;

/// What the server does while its answer is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// It refuses.
    Stub,
    /// The command.
    Deed,
}

/// A connection, from its first byte.
#[derive(Debug, Default)]
pub struct Session {
    asked: Asked,
    said: Said,
    /// The command at the front was accepted.
    accepted: bool,
    /// The line and the strings of the command at the front.
    front: Asked,
    begun: u64,
    answered: u64,
    /// From this unit on replies cannot be told from what comes unasked: all passes as it comes.
    free: Option<u64>,
    /// What the client says is not understood any more, and passes as it comes.
    is_lost: bool,
    /// The client has chosen RESP 3, where what comes unasked is marked.
    marked: bool,
    /// Whose it is.
    choices: Choices,
    transaction: Transaction,
    /// How the command at the front would end the transaction.
    ends: Option<Ends>,
    /// Answers that are replaced, by their unit.
    refused: VecDeque<(u64, By, Refusal)>,
    number: u64,
    over: bool,
}

impl Session {
    /// A connection that nothing was said on yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the commands have come to.
    #[cfg(test)]
    pub(super) fn known(&self) -> (u64, Option<u64>, bool, Choices, Transaction) {
        let (choices, transaction) = (self.choices.clone(), self.transaction.clone());
        (self.begun, self.free, self.marked, choices, transaction)
    }

    /// Follows a command that goes on to the server.
    fn asks(&mut self, text: &str) -> Result<(), Lost> {
        let words: &[&str] = &text.split(' ').collect::<Vec<_>>();
        let is = |n: usize, word: &str| words.get(n).is_some_and(|w| w.eq_ignore_ascii_case(word));
        let subscribes = ["subscribe", "psubscribe", "ssubscribe"]
            .iter()
            .any(|word| is(0, word));
        let unsubscribes = ["unsubscribe", "punsubscribe", "sunsubscribe"]
            .iter()
            .any(|word| is(0, word));
        // One that is queued is answered by that, as others are.
        let is_queued = self.marked && self.transaction.is_open();
        if (subscribes || unsubscribes) && !is_queued {
            // Answered by as many messages as channels are named; in RESP 3 these are marked as unasked.
            if !self.marked {
                self.free = Some(self.begun);
            }
            // What would replace its answer finds none.
            self.refused.retain(|(unit, ..)| *unit < self.begun);
            return Ok(());
        }
        let streams = ["monitor", "sync", "psync"].iter().any(|word| is(0, word));
        if streams || (is(0, "client") && is(1, "reply")) {
            self.free = Some(self.begun);
            return Ok(());
        }
        if is(0, "hello") && words.len() > 1 {
            self.marked = is(1, "3");
        }
        if is(0, "reset") {
            self.marked = false;
        }
        if Ends::of(text) == Some(Ends::Exec)
            && let Some(refusal) = self.transaction.take_late()
        {
            self.refused.push_back((self.begun, By::Deed, aborted(refusal)));
        }
        self.choices.ask(self.begun, words)?;
        self.transaction.asks(self.begun, text);
        self.begun += 1;
        Ok(())
    }

    /// Whether the front of the input is a command that is to be decided, and which.
    fn stop(&mut self, words: &Words, stops: Stops) -> Option<Command> {
        if self.free.is_some() || std::mem::take(&mut self.accepted) {
            return None;
        }
        let step = match (proves(&words.text), of_the_connection(&words.text)) {
            (true, _) if stops.proofs => Step::Prove,
            (false, false) if stops.commands => Step::Whole,
            _ => return None,
        };
        self.front = Asked::from(words.front).dropped();
        self.ends = Ends::of(&words.text);
        Some(Command {
            text: words.text.as_str().into(),
            step,
            doomed: self.refused.len() >= MOST_REFUSALS,
            in_transaction: false,
        })
    }

    /// The next reply of the server is replaced by this.
    fn stands_in(&mut self, mut refusal: Refusal) {
        // Of many that say the same one is kept.
        if let Some((.., before)) = self.refused.back().filter(|(.., before)| *before == refusal) {
            refusal = before.clone();
        }
        self.refused.push_back((self.begun, By::Stub, refusal));
        self.begun += 1;
    }

    /// Begins with the reply at the front; what to say in its place, if anything.
    fn begin_reply(&mut self, kind: u8) -> Option<Refusal> {
        // What is marked answers nothing, nor does an error to which no unit is open: that of a subscription.
        let answers = kind != b'>' && self.answered < self.begun;
        self.said = Said::begins(answers);
        if !answers || self.refused.front()?.0 != self.answered {
            return None;
        }
        let (_, by, refusal) = self.refused.pop_front()?;
        // The server's own error stands.
        if by == By::Deed && matches!(kind, b'-' | b'!') {
            return None;
        }
        self.said.dropped = true;
        Some(refusal)
    }

    /// What is left of the reply under way, taken from the input; how much of it was there.
    fn pass_reply(&mut self, rest: &[u8]) -> Result<Option<usize>, Lost> {
        let passed = self.said.pass(rest)?;
        self.answered += u64::from(passed.is_some() && !self.said.under_way && self.said.answers);
        Ok(passed)
    }

    /// Passes on what the client has said, up to where it stops.
    fn follow(&mut self, input: &[u8], stops: Stops) -> Result<Heard, Lost> {
        let (mut at, mut drop) = (0, 0);
        let heard = |pass, drop, then| Ok(Heard::plain(pass, drop, then));
        loop {
            if self.asked.is_under_way() {
                let dropped = self.asked.is_dropped();
                let Some(n) = self.asked.pass(&input[at + drop..])? else {
                    return heard(at, drop, Next::More);
                };
                *(if dropped { &mut drop } else { &mut at }) += n;
                match (self.asked.is_under_way(), dropped) {
                    (false, true) => return heard(at, drop, Next::Again),
                    (true, _) if at + drop == input.len() => return heard(at, drop, Next::More),
                    _ => continue,
                }
            }
            let rest = &input[at..];
            if !stops.commands
                && !self.transaction.is_open()
                && let Some(front) = plain(rest)?
            {
                (self.asked, self.begun) = (front.into(), self.begun + 1);
                self.accepted = false;
                continue;
            }
            let look = if stops == Stops::default() { GLANCE } else { LOOK };
            let Some(words) = (if rest.is_empty() { None } else { words(rest, look)? }) else {
                return heard(at, 0, Next::More);
            };
            self.asked = words.front.into();
            // What says nothing is answered by nothing.
            if words.is_empty {
                continue;
            }
            if let Some(command) = self.stop(&words, stops) {
                self.asked = Asked::default();
                return heard(at, 0, Next::Command(command));
            }
            self.accepted = false;
            self.asks(&words.text)?;
        }
    }
}

impl Dialogue for Session {
    fn hear(&mut self, input: &[u8], stops: Stops) -> Result<Heard, Lost> {
        if self.is_lost {
            return Ok(Heard::plain(input.len(), 0, Next::More));
        }
        match self.follow(input, stops) {
            // What was asked before is answered still, and what stands in the place of those answers with it.
            Err(_) if self.answered < self.begun => {
                self.is_lost = true;
                self.free.get_or_insert(self.begun);
                self.hear(input, stops)
            }
            heard => heard,
        }
    }

    fn accept(&mut self) {
        self.accepted = true;
    }

    fn refuse(&mut self, refusal: Refusal, _: &[u8], text: &str) -> Bytes {
        self.number += 1;
        self.asked = self.front;
        // In a transaction the server notes that a command was refused, and EXEC fails.
        let name = format!("chaosproxy_{}", self.number);
        let stub = format!("*1\r\n${}\r\n{name}\r\n", name.len());
        let ends = Ends::of(text);
        if ends.is_some() {
            self.transaction = Transaction::default();
        }
        match ends {
            None => {
                self.transaction.fails(self.begun);
                self.stands_in(refusal);
                stub.into()
            }
            Some(Ends::Exec) => {
                self.stands_in(silence());
                self.stands_in(aborted(refusal));
                format!("{stub}{EXEC}").into()
            }
            Some(Ends::Discard) => {
                self.stands_in(refusal);
                DISCARD.into()
            }
        }
    }

    fn replace(&mut self, refusal: Refusal) {
        self.accepted = true;
        match self.ends {
            // The transaction's fate is told by EXEC alone.
            None if self.transaction.is_open() => self.transaction.replace(self.begun, refusal),
            Some(Ends::Exec) => {
                self.transaction.take_late();
                self.refused.push_back((self.begun, By::Deed, aborted(refusal)));
            }
            _ => self.refused.push_back((self.begun, By::Deed, refusal)),
        }
    }

    fn replace_next(&mut self, refusal: Refusal) -> bool {
        // What is queued is undone only with the connection.
        if self.transaction.is_open() {
            return false;
        }
        if self
            .refused
            .front()
            .is_none_or(|(unit, ..)| *unit != self.answered)
        {
            self.refused.push_front((self.answered, By::Deed, refusal));
        }
        true
    }

    fn queued(&self) -> Vec<Arc<str>> {
        if self.ends == Some(Ends::Exec) {
            self.transaction.queued()
        } else {
            Vec::new()
        }
    }

    fn tell(&mut self, input: &[u8], watch: Watch) -> Result<Told, Lost> {
        let (mut at, mut drop) = (0, 0);
        let told = |pass, drop, say, then| {
            Ok(Told {
                pass,
                drop,
                say,
                then,
            })
        };
        loop {
            if self.said.under_way {
                let dropped = self.said.dropped;
                let Some(n) = self.pass_reply(&input[at + drop..])? else {
                    return told(at, drop, Bytes::new(), After::More);
                };
                *(if dropped { &mut drop } else { &mut at }) += n;
                match (self.said.under_way, dropped) {
                    (false, true) => return told(at, drop, Bytes::new(), After::Again),
                    (true, _) if at + drop == input.len() => {
                        return told(at, drop, Bytes::new(), After::More);
                    }
                    _ => continue,
                }
            }
            if self.over {
                return told(at, 0, Bytes::new(), After::Close);
            }
            // Nothing is said there, so that it does no harm among messages that pass as they come.
            if watch.border {
                return told(at, 0, Bytes::new(), After::Border);
            }
            if self.free.is_some_and(|unit| unit <= self.answered) {
                return told(input.len(), 0, Bytes::new(), After::More);
            }
            let Some(&kind) = input.get(at) else {
                return told(at, 0, Bytes::new(), After::More);
            };
            if kind != b'>' && watch.unit.is_some_and(|unit| unit <= self.answered) {
                return told(at, 0, Bytes::new(), After::Answer);
            }
            if kind != b'>' && self.choices.awaits(self.answered) {
                let Some(&second) = input.get(at + 1) else {
                    return told(at, 0, Bytes::new(), After::More);
                };
                self.choices.answered([kind, second]);
            }
            if kind == b'-' {
                self.transaction.fails(self.answered);
            }
            if let Some(refusal) = self.begin_reply(kind) {
                self.over = refusal.closes;
                return told(at, 0, refusal.bytes, After::Again);
            }
        }
    }

    fn login(&self) -> Option<(&str, &str)> {
        self.choices.login()
    }

    fn begun(&self) -> u64 {
        self.begun
    }

    fn answered(&self) -> u64 {
        self.answered
    }
}
