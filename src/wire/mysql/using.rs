//! What a session that has begun is told of the database that it chooses, in the words of an error of the opening.

use super::{answering::rewritten, choice::Choice, com, frame::HEAD, session::Session};
use crate::wire::errors::{Moment, Refusal, Words};

impl Session {
    /// The statement that a command is, where it only chooses a database.
    pub(super) fn choosing(&self, kind: u8, body: &[u8]) -> Option<std::sync::Arc<str>> {
        match kind {
            com::QUERY => {
                let sql = self.sql(body);
                Choice::of_query(sql).map(|_| String::from_utf8_lossy(sql).into())
            }
            com::INIT_DB => Some(format!("USE `{}`", String::from_utf8_lossy(body)).into()),
            _ => None,
        }
    }

    /// An error that was written for a session that begins, said to one that chooses a database: it goes on.
    pub(super) fn of_choice(&self, refusal: Refusal, statement: &str) -> Refusal {
        let chosen = Choice::of_query(statement.as_bytes()).filter(|_| refusal.moment == Moment::Login);
        let Some(chosen) = chosen else {
            return refusal;
        };
        let words = Words {
            user: self.login.as_ref().map_or("", |login| &login.user),
            database: chosen.database(),
            ..Words::default()
        };
        let sequence = refusal.bytes.get(HEAD - 1).copied().unwrap_or(1);
        Refusal {
            bytes: rewritten(&refusal.bytes, sequence, |text| words.fill(text)),
            closes: false,
            ..refusal
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            ERRORS,
            frame::packet,
            tests::{BASE, OK, logged_in, query},
        },
        *,
    };
    use crate::wire::{
        dialogue::{Dialogue as _, Next, Step, Stops},
        mysql::refusal,
    };

    #[test]
    fn who_chooses_a_database_is_told_its_name_and_goes_on() {
        let stops = Stops {
            choices: true,
            ..Stops::default()
        };
        let known = ERRORS
            .iter()
            .find(|error| error.name == "missing_database")
            .unwrap();
        for (asked, text) in [
            (
                query("/* x */ use stock; select 1"),
                "/* x */ use stock; select 1",
            ),
            (packet(0, b"\x02stock"), "USE `stock`"),
        ] {
            let mut line = logged_in(BASE);
            let heard = line.session.hear(&asked, stops).unwrap();
            let Next::Command(command) = heard.then else {
                panic!("{heard:?}");
            };
            assert_eq!((&*command.text, command.step), (text, Step::Choose));
            let words = Words {
                user: "{user}",
                database: "{database}",
                ..Words::default()
            };
            let stub = line
                .session
                .refuse(refusal(&known.said(&words)), b"", &command.text);
            assert_eq!(stub, query("DO 0"));
            let dropped = line.session.hear(&asked, stops).unwrap();
            assert_eq!(dropped.drop, asked.len());
            line.says(&packet(1, OK));
            assert!(line.took().1.ends_with(b"#42000Unknown database 'stock'") && !line.closed);
            assert_eq!(line.session.login(), Some(("web", "shop")));
        }
        let mut line = logged_in(BASE);
        let other = query("select 'use stock'");
        assert_eq!(line.session.hear(&other, stops).unwrap().pass, other.len());
    }
}
