//! What the server gets in the place of a command that is refused.

use bytes::Bytes;

use super::{
    com,
    errors::ERR,
    frame::{FULL, HEAD, long, packet},
    opening::can,
    reply::Kind,
    session::{By, Passing, Replaced, Session},
};
use crate::wire::{
    errors::{Moment, Refusal},
    lexer::{Grammar, ends_transaction},
};

/// The number of a deadlock: the server then ends the whole transaction.
const DEADLOCK: u16 = 1213;

/// The number of an error that was written in the catalogue's form.
fn number_of(refusal: &Refusal) -> Option<u16> {
    match refusal.bytes.get(HEAD..)? {
        [ERR, a, b, ..] => Some(u16::from_le_bytes([*a, *b])),
        _ => None,
    }
}

/// The number of the prepared statement that a command runs.
pub(super) fn prepared(command: &[u8]) -> Option<u32> {
    match command {
        [com::EXECUTE | com::BULK_EXECUTE, body @ ..] => long(body, 0),
        _ => None,
    }
}

/// In place of an answer that the client does not wait for.
const fn silence() -> Refusal {
    Refusal {
        bytes: Bytes::new(),
        moment: Moment::Command,
        closes: false,
    }
}

impl Session {
    /// Drops the command at the front, and gives what the server gets in its place, behind what is done of it before: in one text with
    /// that, where the client may send such.
    pub(super) fn refuses(&mut self, refusal: Refusal, done: &[u8], text: &str) -> Bytes {
        let refusal = self.of_choice(refusal, text);
        let is_over = number_of(&refusal) == Some(DEADLOCK) || ends_transaction(Grammar::Mysql, text);
        let goes_on = self.front.length == FULL;
        self.asked = Passing {
            left: HEAD + self.front.length,
            dropped: true,
            goes_on,
        };
        let instead = self.instead_of_it(refusal, done, is_over);
        if goes_on {
            // As a server answers nothing before it has heard all.
            self.stub = instead;
            return Bytes::new();
        }
        instead
    }

    fn instead_of_it(&mut self, refusal: Refusal, done: &[u8], is_over: bool) -> Bytes {
        // A deadlock costs the whole transaction, as an error at its end does; any other only the statement, which is then never run.
        let instead: &[u8] = if is_over { b"ROLLBACK" } else { b"DO 0" };
        // There is room: a command beyond it is doomed, and not decided upon.
        if let Some((_, body)) = done.split_first() {
            self.stands_in(By::Last, refusal);
            let _ = self.asks(com::QUERY, body, false);
            return packet(0, &[done, b"\n", instead].concat());
        }
        // What was sent ahead for the statement goes with it, as a server forgets it whatever comes of the statement.
        let forgets = |id: u32| packet(0, &[&[com::FORGET], &id.to_le_bytes()[..]].concat());
        let forgets = self.front.prepared.map(forgets);
        if let Some(forgets) = forgets.clone().filter(|_| !is_over) {
            self.stands_in(By::Stub, refusal);
            let _ = self.expect(Kind::Results);
            return forgets;
        }
        if forgets.is_some() {
            self.stands_in(By::Stub, silence());
            let _ = self.expect(Kind::Results);
        }
        self.stands_in(By::Stub, refusal);
        let _ = self.expect(Kind::Results);
        let attributes: &[u8] = if self.both_can(can::QUERY_ATTRIBUTES) {
            &[0, 1]
        } else {
            &[]
        };
        let query = packet(0, &[&[com::QUERY], attributes, instead].concat());
        [forgets.unwrap_or_default(), query].concat().into()
    }

    /// The answer that is about to begin is this, unless it is replaced already.
    pub(super) fn refuses_next(&mut self, refusal: Refusal) {
        let unit = self.answered;
        if self.refused.front().is_none_or(|replaced| replaced.unit != unit) {
            self.refused.push_front(Replaced {
                unit,
                by: By::Deed,
                refusal,
                behind: 0,
            });
        }
    }

    /// The answer to the next unit is this.
    fn stands_in(&mut self, by: By, refusal: Refusal) {
        self.refused.push_back(Replaced {
            unit: self.begun,
            by,
            refusal,
            behind: 0,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{BASE, OK, known, logged_in, no_change, query, result},
        *,
    };
    use crate::wire::dialogue::{After, Dialogue as _, Next, Step, Stops, Watch};

    #[test]
    fn a_command_of_several_packets_is_heard_to_its_end_and_its_answer_counts_them() {
        let mut line = logged_in(BASE);
        let first = [
            &[com::QUERY],
            &b"insert into orders values ('"[..],
            &vec![b'x'; FULL],
        ]
        .concat();
        line.asks(&packet(0, &first[..FULL]), &no_change);
        assert!(line.took().0.is_empty(), "the server gets nothing yet");
        line.asks(&packet(1, &first[FULL..]), &no_change);
        assert_eq!(line.took().0, query("DO 0"));
        line.says(&packet(1, OK));
        let told = line.took().1;
        assert_eq!((told[3], told[HEAD]), (2, ERR));
        line.asks(&query("insert into orders values (1)"), &no_change);
        line.says(&packet(1, OK));
        assert_eq!(line.took().1[3], 1);
    }

    #[test]
    fn what_has_no_statement_is_refused_as_one_is_and_only_where_that_is_asked_for() {
        let pings = Stops {
            pings: true,
            ..Stops::COMMANDS
        };
        for (asked, answer) in [
            (&b"\x0e"[..], OK),
            (b"\x02stock", OK),
            (b"\x09", b"Uptime: 1"),
            (b"\x1f", OK),
            (b"\x1b\x01\0", b"\xfe\0\0\x02\0"),
        ] {
            let mut line = logged_in(BASE);
            let asked = packet(0, asked);
            // With a statement in mind nobody stops it.
            line.asks(&asked, &no_change);
            line.says(&packet(1, answer));
            assert_eq!(line.took(), (asked.to_vec(), packet(1, answer).to_vec()));
            let heard = line.session.hear(&asked, pings).unwrap();
            let Next::Command(command) = heard.then else {
                panic!("{heard:?}");
            };
            assert_eq!((&*command.text, command.step), ("", Step::Ping));
            let stub = line.session.refuse(known("internal_error"), b"", "");
            assert_eq!(stub, query("DO 0"));
            assert_eq!(line.session.hear(&asked, pings).unwrap().drop, asked.len());
            line.says(&packet(1, OK));
            assert_eq!(line.took().1, known("internal_error").bytes);
            // Its answer is thrown away once it is done.
            line.session.hear(&asked, pings).unwrap();
            line.session.replace(known("internal_error"));
            assert_eq!(line.session.hear(&asked, pings).unwrap().pass, asked.len());
            line.says(&packet(1, answer));
            assert_eq!(line.took().1, known("internal_error").bytes);
            assert_eq!((line.session.begun(), line.session.answered()), (3, 3));
        }
    }

    #[test]
    fn the_answer_that_is_about_to_begin_is_replaced_and_no_other() {
        let mut line = logged_in(BASE);
        let watch = Watch {
            unit: Some(0),
            border: false,
        };
        line.asks(&[query("select 1"), query("select 2")].concat(), &no_change);
        line.asks(&query("insert into orders values (1)"), &no_change);
        let answer = result(false, 2);
        let told = line.session.tell(&answer, watch).unwrap();
        assert_eq!((told.pass, told.then), (0, After::Answer));
        assert!(line.session.replace_next(known("internal_error")));
        line.says(&[&answer[..], &answer, &packet(1, OK)].concat());
        let error = known("internal_error").bytes;
        let refused = known("read_only_mode").bytes;
        assert_eq!(line.took().1, [&error[..], &answer, &refused].concat());
        // The server's own error stands, and so does the one that is there already.
        for (sql, said) in [
            ("select 3", packet(1, b"\xff\x28\x04#42000no")),
            ("insert into orders values (2)", packet(1, OK)),
        ] {
            line.asks(&query(sql), &no_change);
            assert!(line.session.replace_next(known("internal_error")));
            line.says(&said);
        }
        let own = packet(1, b"\xff\x28\x04#42000no");
        assert_eq!(line.took().1, [&own[..], &refused].concat());
    }

    #[test]
    fn what_was_sent_ahead_for_a_statement_goes_with_it() {
        for (sql, stubs) in [
            (
                "insert into orders values (?)",
                vec![packet(0, b"\x1a\x05\0\0\0")],
            ),
            (
                "update orders set item = ?",
                vec![packet(0, b"\x1a\x05\0\0\0"), query("ROLLBACK")],
            ),
        ] {
            let mut line = logged_in(BASE);
            line.asks(
                &packet(0, &[&[com::PREPARE], sql.as_bytes()].concat()),
                &no_change,
            );
            line.says(&packet(1, b"\0\x05\0\0\0\0\0\0\0\0\0\0"));
            line.took();
            line.asks(&packet(0, b"\x17\x05\0\0\0\0\x01\0\0\0"), &no_change);
            assert_eq!(line.took().0, stubs.concat(), "{sql}");
            for _ in &stubs {
                line.says(&packet(1, OK));
            }
            let told = line.took().1;
            assert_eq!(
                (told[3], told[HEAD], told.len()),
                (1, ERR, HEAD + usize::from(told[0])),
                "{sql}"
            );
        }
    }
}
