//! What one statement asks of the data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlparser::{
    ast::{CopySource, Query, SetExpr, Statement, UtilityOption},
    dialect::Dialect,
    parser::Parser,
    tokenizer::Tokenizer,
};

use super::unicode;

/// What a statement asks of the data. One that the parser does not know is judged by its first word; one whose first word is
/// not known either is none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sql {
    /// It reads: `SELECT`, `SHOW`, `EXPLAIN`.
    Read,
    /// It changes rows, or locks them: `INSERT`, `UPDATE`, `DELETE`, `MERGE`, `COPY ... FROM`, `SELECT ... FOR UPDATE`.
    Write,
    /// It changes what there is: `CREATE`, `ALTER`, `DROP`, `TRUNCATE`, `GRANT`.
    Ddl,
    /// It begins or ends a transaction, or a part of one (also `MULTI` and `EXEC`): `BEGIN`, `COMMIT`, `ROLLBACK`, `SAVEPOINT`.
    Transaction,
}

impl Sql {
    /// Its name, as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Ddl => "ddl",
            Self::Transaction => "transaction",
        }
    }
}

/// Deeper nesting than this is judged by the first word.
const DEEPEST: usize = 40;

/// The statements of a text; `None` where the parser does not know it.
pub(super) fn parse(grammar: &dyn Dialect, text: &str) -> Option<Vec<Statement>> {
    let tokens = Tokenizer::new(grammar, text).tokenize_with_location().ok()?;
    Parser::new(grammar)
        .with_recursion_limit(DEEPEST)
        .with_tokens_with_locations(unicode::joined(tokens))
        .parse_statements()
        .ok()
}

/// The kind of a statement that the parser knows.
pub(super) fn kind_of(statement: &Statement) -> Option<Sql> {
    // What it prepares is done by EXECUTE.
    if matches!(statement, Statement::Prepare { .. }) {
        return None;
    }
    kind(statement).or_else(|| first_word(&statement.to_string()))
}

/// The kind of a statement that its first word does not tell.
fn kind(statement: &Statement) -> Option<Sql> {
    match statement {
        Statement::Query(query) => Some(if changes(query) { Sql::Write } else { Sql::Read }),
        Statement::Copy {
            source: CopySource::Query(query),
            ..
        } => Some(if changes(query) { Sql::Write } else { Sql::Read }),
        Statement::Copy { to, .. } => Some(if *to { Sql::Read } else { Sql::Write }),
        Statement::Explain { .. } => explained(statement).and_then(kind_of),
        _ => None,
    }
}

/// The statement that is really run to be explained: with `ANALYZE`, or `(ANALYZE on)`.
pub(super) fn explained(statement: &Statement) -> Option<&Statement> {
    let Statement::Explain {
        analyze,
        statement,
        options,
        ..
    } = statement
    else {
        return None;
    };
    let is_on = |option: &UtilityOption| {
        let value = option.arg.as_ref().map(|value| value.to_string().to_lowercase());
        let is_off = value.is_some_and(|value| matches!(value.trim_matches('\''), "false" | "off" | "0"));
        option.name.value.eq_ignore_ascii_case("analyze") && !is_off
    };
    (*analyze || options.iter().flatten().any(is_on)).then_some(statement)
}

/// Whether a query changes rows by the way, or locks them.
fn changes(query: &Query) -> bool {
    let with = query.with.iter().flat_map(|with| &with.cte_tables);
    !query.locks.is_empty() || body_changes(&query.body) || with.clone().any(|cte| changes(&cte.query))
}

/// Whether the body of a query changes rows.
pub(super) fn body_changes(body: &SetExpr) -> bool {
    match body {
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => true,
        SetExpr::Query(query) => changes(query),
        SetExpr::SetOperation { left, right, .. } => body_changes(left) || body_changes(right),
        // MySQL puts values into variables of the session this way, PostgreSQL makes a table.
        SetExpr::Select(select) => select.into.as_ref().is_some_and(|into| {
            !into
                .targets
                .iter()
                .all(|target| target.to_string().starts_with('@'))
        }),
        _ => false,
    }
}

/// So much behind the first word is looked at.
const BEHIND: usize = 16;

/// The kind of a statement by its first word.
pub(super) fn first_word(text: &str) -> Option<Sql> {
    let text = without_comments(text);
    let end = text
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let behind: String = text[end..].trim_start().chars().take(BEHIND).collect();
    let behind = behind.to_ascii_lowercase();
    match text[..end].to_ascii_lowercase().as_str() {
        "select" | "show" | "table" | "values" | "explain" | "describe" | "desc" | "fetch" | "with" => {
            Some(Sql::Read)
        }
        "insert" | "update" | "delete" | "merge" | "replace" | "call" | "do" | "load" => Some(Sql::Write),
        // MySQL forgets a prepared statement.
        "drop" if behind.starts_with("prepare") => None,
        "create" | "alter" | "drop" | "truncate" | "grant" | "revoke" | "comment" | "reindex" | "rename"
        | "refresh" | "reassign" | "import" => Some(Sql::Ddl),
        "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" => {
            Some(Sql::Transaction)
        }
        "copy" => Some(Sql::Read),
        "prepare" if behind.starts_with("transaction") => Some(Sql::Transaction),
        _ => None,
    }
}

/// The text from its first word on.
pub(super) fn without_comments(mut text: &str) -> &str {
    loop {
        text = text.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '(' | ';'));
        let comment = match text.as_bytes() {
            [b'-', b'-', ..] => text.find('\n').map(|end| end + 1),
            [b'/', b'*', ..] => text.find("*/").map(|end| end + 2),
            _ => return text,
        };
        match comment {
            Some(end) => text = &text[end..],
            None => return "",
        }
    }
}
