//! The tables that a statement names: as the parser says, and by the words before them where it does not know the statement, or takes
//! them for something else.

use sqlparser::{
    ast::{
        CommentObject, CopySource, Grant, GrantObjects, ObjectName, ObjectType, Revoke, SetExpr,
        ShowCreateObject, Statement,
    },
    dialect::Dialect as Grammar,
    tokenizer::{Token, Tokenizer, Word},
};

use super::{
    relations::{self, written},
    unicode,
};

/// The tables that a statement names which the parser knows.
pub(super) fn of(grammar: &dyn Grammar, statement: &Statement) -> Vec<String> {
    let mut tables = Vec::new();
    for name in relations::of(statement) {
        add(&mut tables, name);
    }
    for name in hidden(statement) {
        add(&mut tables, written(name));
    }
    if tables.is_empty() && hides(statement) {
        tables = by_words(grammar, &statement.to_string());
    }
    tables
}

/// Tables without which a statement does its work all the same: those that it makes, and those that it takes away or changes if they
/// are there.
pub(super) fn may_be_missing(statement: &Statement) -> Vec<String> {
    use std::slice::from_ref;
    let names = match statement {
        Statement::Drop {
            if_exists: true,
            names,
            ..
        } => names,
        Statement::CreateTable(table) => from_ref(&table.name),
        Statement::CreateView(view) => from_ref(&view.name),
        Statement::AlterTable(table) if table.if_exists => from_ref(&table.name),
        _ => &[],
    };
    names.iter().map(written).collect()
}

/// The same of a text that the parser does not know.
pub(super) fn is_made_by_words(text: &str) -> bool {
    let mut words = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    let mut is_next = |word: &str| words.next().is_some_and(|next| next.eq_ignore_ascii_case(word));
    is_next("create") && is_next("table")
}

/// Tables that the parser takes for names of no relation.
fn hidden(statement: &Statement) -> &[ObjectName] {
    use std::slice::from_ref;
    match statement {
        Statement::Copy {
            source: CopySource::Table { table_name, .. },
            ..
        } => from_ref(table_name),
        Statement::Drop {
            object_type: ObjectType::Table,
            names,
            ..
        } => names,
        // An index's, in MySQL.
        Statement::Drop {
            table: Some(table), ..
        } => from_ref(table),
        Statement::ShowCreate {
            obj_type: ShowCreateObject::Table,
            obj_name,
        } => from_ref(obj_name),
        Statement::Comment {
            object_type: CommentObject::Table,
            object_name,
            ..
        } => from_ref(object_name),
        Statement::Grant(Grant {
            objects: Some(GrantObjects::Tables(names)),
            ..
        })
        | Statement::Revoke(Revoke {
            objects: Some(GrantObjects::Tables(names)),
            ..
        }) => names,
        _ => &[],
    }
}

/// Whether it hides them where they are looked for by their words.
fn hides(statement: &Statement) -> bool {
    match statement {
        Statement::Query(query) => matches!(*query.body, SetExpr::Table(_)),
        Statement::RenameTable(_)
        | Statement::LockTables { .. }
        | Statement::Lock(_)
        | Statement::Vacuum(_) => true,
        _ => false,
    }
}

/// Adds what is not there yet.
pub(super) fn add(tables: &mut Vec<String>, name: String) {
    if !tables.contains(&name) {
        tables.push(name);
    }
}

/// The tables that a text names, by the words that stand before them.
pub(super) fn by_words(grammar: &dyn Grammar, text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    // Of a text that ends within quotes all that stands before them.
    let _ = Tokenizer::new(grammar, text).tokenize_with_location_into_buf(&mut tokens);
    let tokens: Vec<_> = unicode::joined(tokens)
        .into_iter()
        .map(|token| token.token)
        .filter(|token| !matches!(token, Token::Whitespace(_)))
        .collect();
    let mut reading = Reading::default();
    let mut rest = &tokens[..];
    while let Some((token, behind)) = rest.split_first() {
        rest = reading.read(token, behind);
    }
    reading.tables
}

/// What leads to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lead {
    /// Tables, among which functions may stand.
    From,
    /// A table, with its columns in brackets.
    Into,
    /// A table, with options in brackets before it.
    Vacuum,
}

/// Where a reading is within a list of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum List {
    #[default]
    None,
    /// A name comes next.
    Awaits(Lead),
    /// A comma leads to the next name.
    Within(Lead),
}

/// A level of brackets.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    list: List,
    /// It holds what a function is given that has a FROM of its own.
    is_call: bool,
}

/// A text that is read to its end.
#[derive(Debug, Default)]
struct Reading {
    tables: Vec<String>,
    /// The statement's first word.
    verb: Option<String>,
    /// What stood before, in small letters; empty at the begin of a statement and for what is no word.
    before: String,
    /// FROM is one of tables by now, and not of a role or a cursor.
    has_from: bool,
    /// USING leads to tables by now, and not to columns or to a set of characters.
    has_using: bool,
    /// ON leads to a table: that of an index which is made or taken away.
    has_on: bool,
    outer: Vec<Level>,
    level: Level,
}

/// Words between what leads to a name and the name.
const PASSED_OVER: [&str; 19] = [
    "analyze",
    "concurrently",
    "delayed",
    "exists",
    "freeze",
    "full",
    "high_priority",
    "if",
    "ignore",
    "into",
    "lateral",
    "local",
    "low_priority",
    "not",
    "only",
    "quick",
    "table",
    "temporary",
    "verbose",
];

/// Words that are no names, and behind which no list of names goes on.
const ENDS: [&str; 17] = [
    "default",
    "dumpfile",
    "for",
    "group",
    "having",
    "limit",
    "order",
    "outfile",
    "returning",
    "select",
    "set",
    "table",
    "union",
    "values",
    "when",
    "where",
    "with",
];

/// Functions with a FROM of their own: `extract(year from day)`.
const WITH_FROM: [&str; 5] = ["extract", "overlay", "position", "substring", "trim"];

impl Reading {
    /// Takes a token; gives back what is still to be read.
    fn read<'t>(&mut self, token: &Token, behind: &'t [Token]) -> &'t [Token] {
        match token {
            Token::SemiColon => {
                let tables = std::mem::take(&mut self.tables);
                *self = Self {
                    tables,
                    ..Self::default()
                };
            }
            Token::LParen => self.opens(),
            Token::RParen => {
                self.level = self.outer.pop().unwrap_or_default();
                self.before.clear();
            }
            Token::Comma => {
                if let List::Within(lead) = self.level.list {
                    self.level.list = List::Awaits(lead);
                }
                ",".clone_into(&mut self.before);
            }
            Token::Word(word) => return self.word(word, behind),
            _ => {
                if matches!(self.level.list, List::Awaits(_)) {
                    self.level.list = List::None;
                }
                "?".clone_into(&mut self.before);
            }
        }
        behind
    }

    fn opens(&mut self) {
        let within = Level {
            list: match self.level.list {
                List::Awaits(Lead::Vacuum) => List::None,
                awaits @ List::Awaits(Lead::From) => awaits,
                _ => List::None,
            },
            is_call: WITH_FROM.contains(&&*self.before),
        };
        // What stands in brackets takes the name's place; VACUUM's options do not.
        match self.level.list {
            List::Awaits(Lead::From) => self.level.list = List::Within(Lead::From),
            List::Awaits(Lead::Into) => self.level.list = List::None,
            _ => {}
        }
        self.outer.push(std::mem::replace(&mut self.level, within));
        self.before.clear();
    }

    fn word<'t>(&mut self, word: &Word, behind: &'t [Token]) -> &'t [Token] {
        let small = match word.quote_style {
            None => word.value.to_ascii_lowercase(),
            Some(_) => String::new(),
        };
        if let List::Awaits(lead) = self.level.list {
            if PASSED_OVER.contains(&&*small) {
                return behind;
            }
            // MySQL's variables begin with this.
            if !ENDS.contains(&&*small) && !word.value.starts_with('@') {
                return self.name(word, lead, behind);
            }
        }
        if self.verb.is_none() {
            self.verb = Some(small.clone());
        }
        if ENDS.contains(&&*small) || matches!(self.level.list, List::Awaits(_)) {
            self.level.list = List::None;
        }
        self.has_from |= matches!(&*small, "select" | "delete" | "update") && !self.is("revoke");
        self.has_using |= matches!(&*small, "delete" | "merge");
        let makes = self.is("create") || self.is("drop");
        self.has_on |= small == "index" && makes && self.outer.is_empty();
        if let Some(lead) = self.lead(&small, behind) {
            self.level.list = List::Awaits(lead);
        }
        self.before = small;
        behind
    }

    /// Takes a name with its schema.
    fn name<'t>(&mut self, first: &Word, lead: Lead, mut behind: &'t [Token]) -> &'t [Token] {
        let mut name = first.value.clone();
        while let [Token::Period, Token::Word(next), rest @ ..] = behind {
            name = format!("{name}.{}", next.value);
            behind = rest;
        }
        let is_function = lead == Lead::From && behind.first() == Some(&Token::LParen);
        if !is_function {
            add(&mut self.tables, name);
        }
        self.level.list = List::Within(lead);
        "?".clone_into(&mut self.before);
        behind
    }

    fn is(&self, verb: &str) -> bool {
        self.verb.as_deref() == Some(verb)
    }

    /// What a word leads to.
    fn lead(&self, word: &str, behind: &[Token]) -> Option<Lead> {
        // At the begin of a statement, also of one in brackets, behind one or to be explained.
        let begins = matches!(&*self.before, "" | "explain" | "analyze");
        let has_brackets = behind.first() == Some(&Token::LParen);
        match word {
            "from" if self.has_from && !self.level.is_call && self.before != "distinct" => Some(Lead::From),
            "join" => Some(Lead::From),
            "using" if self.has_using && !has_brackets => Some(Lead::From),
            "into" => Some(Lead::Into),
            "on" if self.has_on => Some(Lead::Into),
            "table" if self.before != "returns" => Some(Lead::Into),
            "tables" if self.is("lock") => Some(Lead::Into),
            "insert" | "replace" | "update" if begins => Some(Lead::Into),
            "vacuum" if begins => Some(Lead::Vacuum),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
