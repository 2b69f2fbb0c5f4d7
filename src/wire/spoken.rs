//! Prepared statements that are named in SQL itself: `PREPARE`, `EXECUTE` and `DEALLOCATE`, sent as queries.
//!
//! Grammar: <https://www.postgresql.org/docs/current/sql-prepare.html>,
//! <https://dev.mysql.com/doc/refman/8.4/en/sql-prepared-statements.html>

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use super::{
    lexer::{Grammar, literal, may_hold_others, name, pieces, skip, word},
    prepared::{Change, Prepared, Remembered},
};

/// What one statement does to the prepared statements of its session.
#[derive(Debug, PartialEq, Eq)]
enum Spoken {
    /// The name means this statement from here on; empty where it cannot be told.
    Prepare(String, String),
    /// The statement of this name is run, behind these words (`EXPLAIN ANALYZE`).
    Execute(String, String),
    /// A text is run at once (`EXECUTE IMMEDIATE`).
    Immediate(String),
    /// The name means nothing any more.
    Forget(String),
    /// No name does.
    ForgetAll,
}

impl Remembered<Box<[u8]>> {
    /// What a query does that runs prepared statements by their names: its text with theirs in it; `None`: it runs none.
    pub(super) fn meant(&self, grammar: Grammar, sql: &[u8]) -> Option<Arc<str>> {
        if !holds(sql, b"execute") {
            return None;
        }
        let text = String::from_utf8_lossy(sql);
        let pieces = self.each(grammar, &text);
        let known = pieces.iter().any(|piece| matches!(piece, Cow::Owned(_)));
        known.then(|| pieces.join(";").into())
    }

    /// The statements of a text of several: where each begins, and what it does. None where the text is of one, or of letters
    /// of which it is not known how long they are.
    pub(super) fn statements(&self, grammar: Grammar, sql: &[u8]) -> Vec<(usize, String)> {
        if memchr::memchr(b';', sql).is_none() {
            return Vec::new();
        }
        let text = match std::str::from_utf8(sql) {
            Ok(text) => text,
            // Of a long text only the front is looked at, and a letter may be cut.
            Err(error) if error.error_len().is_none() => {
                std::str::from_utf8(&sql[..error.valid_up_to()]).unwrap_or_default()
            }
            Err(_) => return Vec::new(),
        };
        let written = pieces(grammar, text);
        let meant = self.each(grammar, text);
        let mut statements = Vec::new();
        let mut at = 0;
        for (n, piece) in written.iter().enumerate() {
            if may_hold_others(grammar, piece) {
                // The rest is one.
                statements.push((at, meant[n..].join(";")));
                break;
            }
            statements.push((at, meant[n].to_string()));
            at += piece.len() + 1;
        }
        statements
    }

    /// The statements of a text as what they do: one that runs a prepared statement by its name is the text of that.
    fn each<'a>(&self, grammar: Grammar, text: &'a str) -> Vec<Cow<'a, str>> {
        let mut here: HashMap<String, String> = HashMap::new();
        let pieces = pieces(grammar, text).into_iter().map(|piece| {
            let meant = match spoken(grammar, piece) {
                Some(Spoken::Prepare(name, text)) => {
                    here.insert(name, text);
                    None
                }
                Some(Spoken::Execute(before, name)) => here
                    .get(&name)
                    .cloned()
                    .or_else(|| Some(self.get(name.as_bytes()).text.to_string()))
                    .filter(|text| !text.is_empty())
                    .map(|text| before + &text),
                Some(Spoken::Immediate(text)) => Some(text),
                _ => None,
            };
            meant.map_or(Cow::Borrowed(piece), Cow::Owned)
        });
        pieces.collect()
    }

    /// Follows a query that goes on to the server, as one that the server does.
    pub(super) fn follow(&mut self, grammar: Grammar, sql: &[u8]) {
        for (_, change) in self.changes(grammar, sql) {
            match change {
                Change::Put(name, prepared) => self.put(name, prepared),
                Change::Remove(name) => self.remove(&name),
                Change::Clear => self.clear(),
            }
        }
    }

    /// What a query does to prepared statements, each with the place of its statement among those that are answered.
    pub(super) fn changes(&self, grammar: Grammar, sql: &[u8]) -> Vec<(u64, Change<Box<[u8]>>)> {
        let forgets = || holds(sql, b"deallocate") || holds(sql, b"discard") || holds(sql, b"drop");
        if !holds(sql, b"prepare") && (self.is_empty() || !forgets()) {
            return Vec::new();
        }
        let text = String::from_utf8_lossy(sql);
        let said = pieces(grammar, &text).into_iter();
        let answered = said.filter(|piece| !skip(grammar, piece).is_empty());
        let changes = answered.zip(0..).filter_map(|(piece, place)| {
            let bytes = |name: String| name.into_bytes().into_boxed_slice();
            let change = match spoken(grammar, piece)? {
                Spoken::Prepare(name, text) => {
                    let prepared = Prepared {
                        text: text.into(),
                        fresh: false,
                    };
                    Change::Put(bytes(name), prepared)
                }
                Spoken::Forget(name) => Change::Remove(bytes(name)),
                Spoken::ForgetAll => Change::Clear,
                Spoken::Execute(..) | Spoken::Immediate(_) => return None,
            };
            Some((place, change))
        });
        changes.collect()
    }
}

/// Whether a text holds a word, in capitals or not. Most do not: it is asked of every query.
fn holds(sql: &[u8], word: &[u8]) -> bool {
    let (small, capital) = (word[0], word[0].to_ascii_uppercase());
    memchr::memchr2_iter(small, capital, sql).any(|at| {
        sql.get(at..at + word.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(word))
    })
}

/// What a statement says of prepared statements, if that is what it is about.
fn spoken(grammar: Grammar, statement: &str) -> Option<Spoken> {
    let next = |text| word(grammar, text);
    let (verb, rest) = next(statement);
    match verb.as_str() {
        "prepare" => {
            let (name, rest) = name(grammar, rest)?;
            Some(Spoken::Prepare(
                name,
                self::statement(grammar, rest).unwrap_or_default(),
            ))
        }
        "execute" if grammar == Grammar::Mysql && next(rest).0 == "immediate" => {
            Some(Spoken::Immediate(literal(grammar, next(rest).1)?))
        }
        "execute" => Some(Spoken::Execute(String::new(), name(grammar, rest)?.0)),
        "explain" => {
            let at = rest.to_ascii_lowercase().find("execute")?;
            let (before, execute) = rest.split_at(at);
            let (name, _) = name(grammar, next(execute).1)?;
            Some(Spoken::Execute(format!("explain {before}"), name))
        }
        "deallocate" | "drop" => {
            let (word, behind) = next(rest);
            match word.as_str() {
                "prepare" if grammar == Grammar::Postgres && next(behind).0 == "all" => {
                    Some(Spoken::ForgetAll)
                }
                "prepare" => Some(Spoken::Forget(name(grammar, behind)?.0)),
                _ if verb == "drop" => None,
                "all" => Some(Spoken::ForgetAll),
                _ => Some(Spoken::Forget(name(grammar, rest)?.0)),
            }
        }
        "discard" => (next(rest).0 == "all").then_some(Spoken::ForgetAll),
        _ => None,
    }
}

/// The statement that is prepared, behind its name.
fn statement(grammar: Grammar, rest: &str) -> Option<String> {
    match grammar {
        Grammar::Postgres => {
            let (r#as, statement) = word(grammar, behind_types(skip(grammar, rest))?);
            (r#as == "as").then(|| statement.trim().to_owned())
        }
        Grammar::Mysql => {
            let (from, text) = word(grammar, rest);
            literal(grammar, text).filter(|_| from == "from")
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
        Some(Spoken::Execute(String::new(), name.to_owned()))
    }

    #[test]
    fn postgres_prepares_and_executes() {
        let said = |sql: &str| spoken(Grammar::Postgres, sql);
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
    fn what_runs_prepared_statements_says_what_they_do() {
        let mut known = Remembered::<Box<[u8]>>::default();
        let meant = |known: &Remembered<_>, sql: &str| known.meant(Grammar::Postgres, sql.as_bytes());
        assert_eq!(meant(&known, "execute gone"), None);
        known.follow(
            Grammar::Postgres,
            b"select 1; /* x */ prepare gone as delete from t",
        );
        assert_eq!(
            meant(&known, "-- x\nexecute gone").as_deref(),
            Some("delete from t")
        );
        assert_eq!(
            meant(&known, "begin; execute gone; commit").as_deref(),
            Some("begin;delete from t; commit")
        );
        assert_eq!(
            meant(&known, "explain (analyze) execute gone").as_deref(),
            Some("explain  (analyze) delete from t")
        );
        assert_eq!(
            meant(&known, "prepare a as select 2; execute a").as_deref(),
            Some("prepare a as select 2;select 2")
        );
        assert_eq!(meant(&known, "grant execute on function f to web"), None);
        known.follow(Grammar::Postgres, b"deallocate prepare all");
        assert_eq!(meant(&known, "execute gone"), None);
        let now = known.meant(Grammar::Mysql, b"execute immediate 'delete from t'");
        assert_eq!(now.as_deref(), Some("delete from t"));
    }

    #[test]
    fn the_statements_of_a_text_are_told_with_their_places() {
        let mut known = Remembered::<Box<[u8]>>::default();
        known.follow(Grammar::Mysql, b"prepare gone from 'delete from t'");
        let check = |sql: &[u8], expected: &[(usize, &str)]| {
            let told = known.statements(Grammar::Mysql, sql);
            let told: Vec<_> = told.iter().map(|(at, text)| (*at, &**text)).collect();
            assert_eq!(told, expected);
        };
        check(b"select 1", &[]);
        check(
            b"begin; execute gone;",
            &[(0, "begin"), (6, "delete from t"), (20, "")],
        );
        check(
            b"select 1; create procedure p() begin select 2; select 3; end; select 4",
            &[
                (0, "select 1"),
                (9, " create procedure p() begin select 2; select 3; end; select 4"),
            ],
        );
        check(b"select '\xe9'; select 2", &[]);
        // The letter at the end is cut.
        check("a; bé".as_bytes().split_last().unwrap().1, &[(0, "a"), (2, " b")]);
    }

    #[test]
    fn mysql_prepares_and_executes() {
        let said = |sql: &str| spoken(Grammar::Mysql, sql);
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
