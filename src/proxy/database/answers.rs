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

/// What a session is told where a fault names no error that its protocol has.
const UNNAMED: &str = "internal_error";

/// The error of a server that only reads, for which a standby of PostgreSQL has words of its own.
const READ_ONLY: &str = "read_only";

/// The answer of a fault to a session, or to a command in it.
pub(super) fn refusal(answer: &Answer, session: &Session, command: Option<&Command>) -> Refusal {
    let said = said(answer, session, command);
    match session.dialect {
        Dialect::Postgres => postgres::refusal(&said),
        Dialect::Mysql => mysql::refusal(&said),
        Dialect::Redis => redis::refusal(&said),
    }
}

/// The same as people read it, of a session that is refused: `FATAL 28P01 password authentication failed for user "web"`.
pub(super) fn words(answer: &Answer, session: &Session) -> String {
    let said = said(answer, session, None);
    let text = said
        .text
        .replace("{user}", &session.user)
        .replace("{database}", &session.database);
    let severity = match (session.dialect, said.weight) {
        (Dialect::Postgres, Weight::Fatal) => "FATAL ",
        (Dialect::Postgres, Weight::Error) => "ERROR ",
        _ => "",
    };
    format!("{severity}{} {text}", said.code)
}

fn said(answer: &Answer, session: &Session, command: Option<&Command>) -> Said {
    match answer.error.as_deref() {
        Some(DatabaseError::ByHand(written)) => by_hand(written),
        Some(named) => of_catalogue(named, session, command),
        None => of_catalogue(&DatabaseError::Named(UNNAMED.to_owned()), session, command),
    }
}

/// What a command is answered that its client has cancelled.
pub(super) fn canceled() -> Arc<Answer> {
    Answer::of_error("canceled")
}

/// What a session is told that is ended without being asked. Redis has no words for that: it only closes.
pub(super) fn farewell(answer: &Answer, session: &Session) -> Bytes {
    match session.dialect {
        Dialect::Redis => Bytes::new(),
        Dialect::Postgres | Dialect::Mysql => refusal(answer, session, None).bytes,
    }
}

fn of_catalogue(error: &DatabaseError, session: &Session, command: Option<&Command>) -> Said {
    let mut verb = command.map(Command::verb).unwrap_or_default();
    let (mut user, mut database) = (&*session.user, &*session.database);
    match session.dialect {
        // The client says who it is only later: its name is put in then.
        Dialect::Mysql if command.is_none() => (user, database) = ("{user}", "{database}"),
        // Redis names commands in small letters.
        Dialect::Redis => verb.make_ascii_lowercase(),
        _ => {}
    }
    let mut table = command
        .and_then(|command| command.meaning().table())
        .unwrap_or(UNKNOWN_TABLE);
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
    let words = Words {
        user,
        database,
        table,
        verb: &verb,
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
        of_catalogue(&named, &session, Some(&command)).text
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
}
