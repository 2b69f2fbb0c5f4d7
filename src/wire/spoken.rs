//! Prepared statements that are named in SQL itself: `PREPARE`, `EXECUTE` and `DEALLOCATE`, sent as queries.
//!
//! Grammar: <https://www.postgresql.org/docs/current/sql-prepare.html>,
//! <https://dev.mysql.com/doc/refman/8.4/en/sql-prepared-statements.html>

use std::sync::Arc;

use super::prepared::{Prepared, Remembered};

/// Whose grammar it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grammar {
    /// `PREPARE name (types) AS statement`; names are small unless they are quoted.
    Postgres,
    /// `PREPARE name FROM 'statement'`; capitals in names do not count.
    Mysql,
}

/// What a query does to the prepared statements of its session.
#[derive(Debug, PartialEq, Eq)]
enum Spoken {
    /// The name means this statement from here on; empty where it cannot be told.
    Prepare(String, String),
    /// The statement of this name is run.
    Execute(String),
    /// The name means nothing any more.
    Forget(String),
    /// No name does.
    ForgetAll,
}

/// What a query says of prepared statements, if that is what it is about. One that begins with a comment is not looked at.
fn spoken(grammar: Grammar, sql: &[u8]) -> Option<Spoken> {
    const VERBS: [&[u8]; 5] = [b"prepare", b"execute", b"deallocate", b"discard", b"drop"];
    let front = sql.trim_ascii_start();
    let begins = |verb: &&[u8]| front.len() > verb.len() && front[..verb.len()].eq_ignore_ascii_case(verb);
    // All other queries end here, before anything is copied.
    VERBS.iter().find(|verb| begins(verb))?;
    let text = String::from_utf8_lossy(front);
    let (verb, rest) = word(&text);
    match verb.as_str() {
        "prepare" => {
            let (name, rest) = name(grammar, rest)?;
            Some(Spoken::Prepare(
                name,
                statement(grammar, rest).unwrap_or_default(),
            ))
        }
        "execute" => Some(Spoken::Execute(name(grammar, rest)?.0)),
        "deallocate" | "drop" => {
            let (next, behind) = word(rest);
            match next.as_str() {
                "prepare" => Some(Spoken::Forget(name(grammar, behind)?.0)),
                _ if verb == "drop" => None,
                "all" => Some(Spoken::ForgetAll),
                _ => Some(Spoken::Forget(name(grammar, rest)?.0)),
            }
        }
        "discard" => (word(rest).0 == "all").then_some(Spoken::ForgetAll),
        _ => None,
    }
}

impl Remembered<Box<[u8]>> {
    /// What the statement does that a query runs by its name; `None`: it runs none that is known.
    pub(super) fn meant(&self, grammar: Grammar, sql: &[u8]) -> Option<Arc<str>> {
        match spoken(grammar, sql)? {
            Spoken::Execute(name) => Some(self.get(name.as_bytes()).text).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// Follows a query that goes on to the server.
    pub(super) fn follow(&mut self, grammar: Grammar, sql: &[u8]) {
        match spoken(grammar, sql) {
            Some(Spoken::Prepare(name, text)) => {
                let prepared = Prepared {
                    text: text.into(),
                    fresh: false,
                };
                self.put(name.into_bytes().into(), prepared);
            }
            Some(Spoken::Forget(name)) => self.remove(name.as_bytes()),
            Some(Spoken::ForgetAll) => self.clear(),
            Some(Spoken::Execute(_)) | None => {}
        }
    }
}

/// The next word, in small letters, and what follows it.
fn word(text: &str) -> (String, &str) {
    let text = text.trim_start();
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$')
        .unwrap_or(text.len());
    (text[..end].to_lowercase(), &text[end..])
}

/// The next name, and what follows it.
fn name(grammar: Grammar, text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    let quote = match grammar {
        Grammar::Postgres => '"',
        Grammar::Mysql => '`',
    };
    let (name, rest) = match text.strip_prefix(quote) {
        Some(inside) => quoted(inside, quote, false)?,
        None => word(text),
    };
    let name = match grammar {
        Grammar::Postgres => name,
        Grammar::Mysql => name.to_lowercase(),
    };
    (!name.is_empty()).then_some((name, rest))
}

/// What stands between quotes, of which the first is behind us, and what follows the last one.
fn quoted(text: &str, quote: char, escapes: bool) -> Option<(String, &str)> {
    let (mut inside, mut rest) = (String::new(), text.chars());
    loop {
        match rest.next()? {
            c if c == quote && rest.as_str().starts_with(quote) => inside.extend(rest.next()),
            c if c == quote => return Some((inside, rest.as_str())),
            '\\' if escapes => inside.push(match rest.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            }),
            c => inside.push(c),
        }
    }
}

/// The statement that is prepared, behind its name.
fn statement(grammar: Grammar, rest: &str) -> Option<String> {
    match grammar {
        Grammar::Postgres => {
            let (r#as, statement) = word(behind_types(rest.trim_start())?);
            (r#as == "as").then(|| statement.trim().to_owned())
        }
        Grammar::Mysql => {
            let (from, text) = word(rest);
            let quote = text
                .trim_start()
                .chars()
                .next()
                .filter(|c| matches!(c, '\'' | '"'));
            let inside = text.trim_start().strip_prefix(quote?)?;
            (from == "from").then_some(quoted(inside, quote?, true)?.0)
        }
    }
}

/// What follows the types of parameters, as `(int, numeric(8, 2))`.
fn behind_types(text: &str) -> Option<&str> {
    if !text.starts_with('(') {
        return Some(text);
    }
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text.get(at + 1..);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepare(name: &str, text: &str) -> Option<Spoken> {
        Some(Spoken::Prepare(name.to_owned(), text.to_owned()))
    }

    fn execute(name: &str) -> Option<Spoken> {
        Some(Spoken::Execute(name.to_owned()))
    }

    #[test]
    fn postgres_prepares_and_executes() {
        let said = |sql: &str| spoken(Grammar::Postgres, sql.as_bytes());
        let insert = "insert into t values ($1)";
        assert_eq!(
            said("prepare Add as insert into t values ($1)"),
            prepare("add", insert)
        );
        assert_eq!(
            said(" PREPARE \"Add \"\"it\"(int, numeric(8, 2))\n AS  insert into t values ($1) "),
            prepare("Add \"it", insert)
        );
        assert_eq!(said("execute ADD(1)"), execute("add"));
        assert_eq!(said("EXECUTE \"Add\""), execute("Add"));
        assert_eq!(said("deallocate add"), Some(Spoken::Forget("add".to_owned())));
        assert_eq!(
            said("deallocate prepare add"),
            Some(Spoken::Forget("add".to_owned()))
        );
        assert_eq!(said("deallocate all"), Some(Spoken::ForgetAll));
        assert_eq!(said("discard all"), Some(Spoken::ForgetAll));
        // A transaction that is prepared is another matter, and what cannot be told has no text.
        assert_eq!(said("prepare transaction 'x'"), prepare("transaction", ""));
        assert_eq!(said("prepare x(int as select 1"), prepare("x", ""));
        for sql in [
            "",
            "prepare",
            "prepare ",
            "execute \"",
            "select 1",
            "preparex as",
            "discard temp",
            "drop table t",
        ] {
            assert_eq!(said(sql), None, "{sql}");
        }
    }

    #[test]
    fn mysql_prepares_and_executes() {
        let said = |sql: &str| spoken(Grammar::Mysql, sql.as_bytes());
        assert_eq!(
            said("prepare Add from 'insert into t values (?)'"),
            prepare("add", "insert into t values (?)")
        );
        assert_eq!(
            said("PREPARE `a b` FROM \"select 'it''s', \\\"x\\\"\""),
            prepare("a b", "select 'it''s', \"x\"")
        );
        assert_eq!(said("prepare x from 'it''s'"), prepare("x", "it's"));
        assert_eq!(said("prepare x from @text"), prepare("x", ""));
        assert_eq!(said("execute ADD using @a"), execute("add"));
        assert_eq!(said("drop prepare add"), Some(Spoken::Forget("add".to_owned())));
        assert_eq!(
            said("deallocate prepare add"),
            Some(Spoken::Forget("add".to_owned()))
        );
        assert_eq!(said("drop table orders"), None);
    }
}
