//! What a command makes of the transaction of its session, as far as its text tells. Commands that are sent before the server has answered
//! go by it.

use crate::wire::lexer::{Grammar, ends_transaction, pieces, word};

/// With what a statement begins that is about a transaction as a whole; one that begins with a comment may be.
const VERBS: [&[u8]; 9] = [
    b"begin",
    b"start",
    b"commit",
    b"rollback",
    b"end",
    b"abort",
    b"prepare",
    b"/",
    b"-",
];

/// Whether a transaction is open once a text is done; `None`: as before.
pub(super) fn leaves_open(sql: &[u8]) -> Option<bool> {
    let one = sql.trim_ascii();
    let is_several = memchr::memchr(b';', one.strip_suffix(b";").unwrap_or(one)).is_some();
    if !is_several && !begins_like(sql, &VERBS) {
        return None;
    }
    let text = String::from_utf8_lossy(sql);
    pieces(Grammar::Postgres, &text).into_iter().rev().find_map(turn)
}

/// Whether one statement ends a transaction that has failed, or goes back to before it failed; others are refused in it.
pub(super) fn revives(statement: &str) -> bool {
    let (verb, _) = word(Grammar::Postgres, statement);
    matches!(verb.as_str(), "rollback" | "abort" | "commit" | "end")
}

/// Whether a text begins with one of these, in capitals or not, behind blanks. Asked of every command: most are of no interest.
pub(super) fn begins_like(sql: &[u8], words: &[&[u8]]) -> bool {
    let sql = sql.trim_ascii_start();
    let front = |word: &[u8]| {
        sql.get(..word.len())
            .is_some_and(|front| front.eq_ignore_ascii_case(word))
    };
    words.iter().any(|word| front(word))
}

fn turn(statement: &str) -> Option<bool> {
    let (verb, rest) = word(Grammar::Postgres, statement);
    match verb.as_str() {
        "begin" | "start" => Some(true),
        _ if ends_transaction(Grammar::Postgres, statement) => {
            let rest = rest.to_ascii_lowercase();
            Some(rest.contains("chain") && !rest.contains("no"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_whether_a_transaction_is_open_behind_a_text() {
        for (sql, expected) in [
            ("begin", Some(true)),
            (" /* x */ Start transaction read only;", Some(true)),
            ("select 1; begin; select 2", Some(true)),
            ("begin; commit", Some(false)),
            ("COMMIT", Some(false)),
            ("end work and chain", Some(true)),
            ("rollback and no chain", Some(false)),
            ("prepare transaction 'x'", Some(false)),
            ("rollback to a", None),
            ("commit prepared 'x'", None),
            ("prepare x as select 1", None),
            ("select ';'", None),
            ("select 1;", None),
            ("endless", None),
            ("", None),
        ] {
            assert_eq!(leaves_open(sql.as_bytes()), expected, "{sql}");
        }
    }
}
