//! What a fault says to a database session, in the words of its protocol.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    faults::{Answer, ByHand, DatabaseError},
    route::{Command, Dialect, OnStandby, Session},
    wire::{
        errors::{Moment, Refusal, Said, Weight, Words},
        mysql, postgres, redis,
    },
};

/// What a command is told where a fault names no error.
const UNNAMED: &str = "internal_error";

/// The error of a server that only reads, for which a standby of PostgreSQL has words of its own.
const READ_ONLY: &str = "read_only";

/// The error of a table that is not there, for which who would drop it is told others.
const MISSING_TABLE: &str = "missing_table";

/// What is said of a table that is not there to who would drop it.
const UNKNOWN: &str = "unknown_table";

/// What a session that wants to begin is told where a fault names no error: the server has no room for it.
const UNNAMED_OPENING: &str = "too_many_connections";

/// How PostgreSQL calls the connection of a client without TLS (`libpq/auth.c`, `ClientAuthentication`).
const IN_CLEAR: &str = "no encryption";

/// The same of one with it.
const IN_TLS: &str = "SSL encryption";

/// The answer of a fault to a session, or to a command in it.
pub(super) fn refusal(answer: &Answer, session: &Session, command: Option<&Command>) -> Refusal {
    // What is said of an opening has nothing of a command's, also where it answers one.
    let command = command.filter(|_| !answer.is_late(session.dialect));
    written(&said(answer, session, command, IN_CLEAR), session.dialect)
}

/// The answer of a fault to a session in place of all else that a server would say: whatever it is, it is what a server says first.
pub(super) fn turned_away(answer: &Answer, session: &Session, is_encrypted: bool) -> Refusal {
    let encryption = if is_encrypted { IN_TLS } else { IN_CLEAR };
    written(&opening(answer, session, encryption), session.dialect)
}

/// What a session is told in place of all else.
fn opening(answer: &Answer, session: &Session, encryption: &str) -> Said {
    let said = said(answer, session, None, encryption);
    let weight = match said.weight {
        // The session ends with it.
        Weight::Error => Weight::Fatal,
        weight => weight,
    };
    Said {
        weight,
        moment: Moment::Connect,
        ..said
    }
}

fn written(said: &Said, dialect: Dialect) -> Refusal {
    match dialect {
        Dialect::Postgres => postgres::refusal(said),
        Dialect::Mysql => mysql::refusal(said),
        Dialect::Redis => redis::refusal(said),
    }
}

/// The same as people read it, of a session that is refused: `FATAL 28P01 password authentication failed for user "web"`.
pub(super) fn words(answer: &Answer, session: &Session) -> String {
    let said = opening(answer, session, IN_CLEAR);
    let text = said
        .text
        .replace("{user}", &session.user)
        .replace("{database}", &session.database);
    let severity = match (session.dialect, said.weight) {
        (Dialect::Postgres, Weight::Fatal) => "FATAL ",
        _ => "",
    };
    format!("{severity}{} {text}", said.code)
}

fn said(answer: &Answer, session: &Session, command: Option<&Command>, encryption: &str) -> Said {
    let known = |error: &DatabaseError| of_catalogue(error, session, command, encryption);
    let named = |name: &str| known(&DatabaseError::Named(name.to_owned()));
    match answer.error.as_deref() {
        Some(DatabaseError::ByHand(written)) => by_hand(written),
        Some(named) => known(named),
        None if command.is_none() => named(UNNAMED_OPENING),
        None => named(UNNAMED),
    }
}

/// What a command is answered that its client has cancelled.
pub(super) fn canceled() -> Arc<Answer> {
    Answer::of_error("canceled")
}

/// What a session is told that is ended without being asked. Where its server has no words for that, it only closes.
pub(super) fn farewell(answer: &Answer, session: &Session) -> Bytes {
    match answer
        .error
        .as_deref()
        .and_then(|error| error.known(session.dialect))
    {
        Some(_) => refusal(answer, session, None).bytes,
        None => Bytes::new(),
    }
}

fn of_catalogue(
    error: &DatabaseError,
    session: &Session,
    command: Option<&Command>,
    encryption: &str,
) -> Said {
    let mut verb = command.map(Command::verb).unwrap_or_default();
    let (mut user, mut database) = (&*session.user, &*session.database);
    match session.dialect {
        // The client says who it is only later: its name is put in then.
        Dialect::Mysql if command.is_none() => (user, database) = ("{user}", "{database}"),
        // Redis names commands in small letters.
        Dialect::Redis => verb.make_ascii_lowercase(),
        _ => {}
    }
    let mut table = command.and_then(Command::table).unwrap_or(UNKNOWN_TABLE);
    // MySQL names a table's own database, and does so apart from the table.
    if session.dialect == Dialect::Mysql
        && let Some((of, bare)) = table.rsplit_once('.')
    {
        (database, table) = (of, bare);
    }
    let mut known = error.known(session.dialect);
    if known.is_some_and(|known| known.name == READ_ONLY)
        && let Some(own) = command.and_then(Command::on_standby)
    {
        let (name, of) = match own {
            OnStandby::Execute(of) => ("during_recovery", of),
            OnStandby::ReadWrite => ("no_read_write", ""),
            OnStandby::Serializable => ("no_serializable", ""),
        };
        known = DatabaseError::Named(name.to_owned()).known(session.dialect);
        of.clone_into(&mut verb);
    }
    if known.is_some_and(|known| known.name == MISSING_TABLE) && command.is_some_and(Command::drops_table) {
        known = DatabaseError::Named(UNKNOWN.to_owned()).known(session.dialect);
    }
    let words = Words {
        user,
        database,
        table,
        verb: &verb,
        encryption,
    };
    match known {
        Some(known) => known.said(&words),
        // The document's check refuses a name that the listener's protocol does not have.
        None => by_hand(&ByHand {
            code: match session.dialect {
                Dialect::Postgres => "XX000",
                Dialect::Mysql => "1105",
                Dialect::Redis => "ERR",
            }
            .to_owned(),
            state: None,
            message: UNNAMED.replace('_', " "),
            fatal: false,
        }),
    }
}

/// What an error about a table names where the command names none.
const UNKNOWN_TABLE: &str = "relation";

fn by_hand(written: &ByHand) -> Said {
    Said {
        code: written.code.clone(),
        state: written.state.clone().unwrap_or_default(),
        weight: if written.fatal {
            Weight::Fatal
        } else {
            Weight::Error
        },
        text: written.message.clone(),
        detail: String::new(),
        hint: String::new(),
        moment: Moment::Command,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(dialect: Dialect, error: &str, command: &str) -> String {
        let session = Session {
            dialect,
            user: "web".to_owned(),
            database: "shop".to_owned(),
        };
        let command = Command::new(dialect, command.into());
        let named = DatabaseError::Named(error.to_owned());
        of_catalogue(&named, &session, Some(&command), IN_CLEAR).text
    }

    #[test]
    fn a_table_is_named_as_the_server_names_it() {
        for (dialect, error, command, text) in [
            (
                Dialect::Mysql,
                "missing_table",
                "select * from orders",
                "Table 'shop.orders' doesn't exist",
            ),
            (
                Dialect::Mysql,
                "missing_table",
                "select * from stock.items",
                "Table 'stock.items' doesn't exist",
            ),
            (
                Dialect::Postgres,
                "permission_denied",
                "insert into public.items values (1)",
                "permission denied for table items",
            ),
            (
                Dialect::Postgres,
                "missing_schema",
                "select * from stock.items",
                "schema \"stock\" does not exist",
            ),
            (
                Dialect::Postgres,
                "missing_table",
                "select * from stock.items",
                "relation \"stock.items\" does not exist",
            ),
            (
                Dialect::Mysql,
                "permission_denied",
                "select * from stock.items",
                "SELECT command denied to user 'web'@'localhost' for table 'items'",
            ),
            (
                Dialect::Postgres,
                "missing_table",
                "select * from stock.items",
                "relation \"stock.items\" does not exist",
            ),
        ] {
            assert_eq!(says(dialect, error, command), text, "{command}");
        }
    }

    #[test]
    fn who_is_turned_away_hears_what_a_server_says_first() {
        let session = |dialect| Session {
            dialect,
            user: "web".to_owned(),
            database: "shop".to_owned(),
        };
        let unnamed = Answer::new(http::StatusCode::SERVICE_UNAVAILABLE);
        let by_hand = Answer {
            error: Some(Box::new(DatabaseError::ByHand(ByHand {
                code: "1105".to_owned(),
                state: None,
                message: "no".to_owned(),
                fatal: false,
            }))),
            ..unnamed.clone()
        };
        let said = |answer: &Answer, dialect| turned_away(answer, &session(dialect), false).bytes;
        assert_eq!(
            &*said(&unnamed, Dialect::Mysql),
            b"\x17\0\0\0\xff\x10\x04Too many connections"
        );
        assert_eq!(&*said(&by_hand, Dialect::Mysql), b"\x05\0\0\0\xff\x51\x04no");
        let full = b"SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0";
        assert_eq!(
            said(&unnamed, Dialect::Postgres)[5..].get(..full.len()),
            Some(&full[..])
        );
        assert_eq!(
            &*said(&unnamed, Dialect::Redis),
            b"-ERR max number of clients reached\r\n"
        );
        let denied = Answer {
            error: Some(Box::new(DatabaseError::Named("access_denied".to_owned()))),
            ..unnamed
        };
        let told = |tls| {
            let bytes = turned_away(&denied, &session(Dialect::Postgres), tls).bytes;
            String::from_utf8_lossy(&bytes).into_owned()
        };
        assert!(told(true).contains("database \"shop\", SSL encryption\0"));
        assert!(told(false).contains("database \"shop\", no encryption\0"));
    }
}
