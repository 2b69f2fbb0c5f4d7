//! Prepared statements and portals: what an extended query keeps between its messages.

use std::{collections::HashMap, vec};

use super::{
    messages::Bind,
    query::Outcome,
    refusal::Refusal,
    replies::Replies,
    sql::{Statement, parse},
    values::{Cell, Format, Kind, Value},
};

/// How many prepared statements a session may keep.
const MAX_STATEMENTS: usize = 256;

/// How many portals: few, because each may hold a copy of the whole table until it has been read.
pub(super) const MAX_PORTALS: usize = 16;

/// A statement that waits for its parameters.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) statement: Statement,
    /// The types of the parameters.
    pub(super) types: Vec<u32>,
}

/// A statement with its parameters, and the rows that it still has to give.
#[derive(Debug)]
pub(super) struct Portal {
    pub(super) statement: Statement,
    pub(super) formats: Vec<Format>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    rows: vec::IntoIter<Vec<Cell>>,
    tag: String,
}

/// Things of one sort by name, up to a limit.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    kept: HashMap<String, T>,
    what: &'static str,
    /// The SQLSTATE for a name that is not there.
    missing: &'static str,
    most: usize,
}

impl Prepared {
    /// Reads the one statement; types that the client leaves open follow from the columns.
    pub(super) fn new(sql: &str, types: &[u32]) -> Result<Self, Refusal> {
        let mut statements = parse(sql)?;
        let statement = statements.pop().unwrap_or(Statement::Empty);
        if !statements.is_empty() {
            return Err(Refusal::new(
                "42601",
                "cannot insert multiple commands into a prepared statement",
            ));
        }
        let inferred = statement.parameters();
        let types = (0..types.len().max(inferred.len()))
            .map(|at| match types.get(at) {
                None | Some(0) => inferred.get(at).map_or(Kind::Text.oid(), |kind| kind.oid()),
                Some(oid) => *oid,
            })
            .collect();
        Ok(Self { statement, types })
    }

    /// Gives it its parameters.
    pub(super) fn bind(&self, bind: &Bind) -> Result<Portal, Refusal> {
        if bind.parameters.len() != self.types.len() {
            return Err(Refusal::new(
                "08P01",
                format!(
                    "bind message supplies {} parameters, but prepared statement \"{}\" requires {}",
                    bind.parameters.len(),
                    bind.statement,
                    self.types.len()
                ),
            ));
        }
        let given = bind.parameters.iter().zip(&self.types).enumerate();
        let values = given
            .map(|(at, (bytes, oid))| {
                Value::read(bytes.as_ref(), *oid, format_of(&bind.parameter_formats, at))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Portal {
            statement: self.statement.clone().bind(&values),
            formats: bind.result_formats.clone(),
            running: None,
        })
    }
}

impl Portal {
    /// Whether its statement has been run, and only rows are left to give.
    pub(super) const fn has_run(&self) -> bool {
        self.running.is_some()
    }

    /// Takes what its statement gave.
    pub(super) fn take(&mut self, outcome: Outcome) {
        self.running = Some(Running {
            tag: outcome.command(),
            rows: outcome.rows.into_iter(),
        });
    }

    /// Gives up to `max_rows` rows, 0 for all, and keeps the rest for the next `Execute`.
    pub(super) fn give(&mut self, max_rows: usize, out: &mut Replies) {
        let Some(running) = self
            .running
            .as_mut()
            .filter(|_| self.statement != Statement::Empty)
        else {
            return out.empty_query();
        };
        let max_rows = if max_rows == 0 { usize::MAX } else { max_rows };
        for row in running.rows.by_ref().take(max_rows) {
            out.row(&row, |at| format_of(&self.formats, at));
        }
        if running.rows.len() > 0 {
            out.suspended();
        } else {
            out.complete(&running.tag);
            running.rows = Vec::new().into_iter(); // gives back what the rows were kept in
        }
    }
}

/// No code means text, one is for all, else each has its own.
pub(super) fn format_of(formats: &[Format], at: usize) -> Format {
    match formats {
        [all] => *all,
        each => each.get(at).copied().unwrap_or_default(),
    }
}

impl Shelf<Prepared> {
    /// An empty shelf for prepared statements.
    pub(super) fn of_statements() -> Self {
        Self::new("prepared statement", "26000", MAX_STATEMENTS)
    }
}

impl Shelf<Portal> {
    /// An empty shelf for portals.
    pub(super) fn of_portals() -> Self {
        Self::new("portal", "34000", MAX_PORTALS)
    }
}

impl<T> Shelf<T> {
    fn new(what: &'static str, missing: &'static str, most: usize) -> Self {
        Self {
            kept: HashMap::new(),
            what,
            missing,
            most,
        }
    }

    /// Puts something there, in the place of what had its name.
    pub(super) fn put(&mut self, name: String, item: T) -> Result<(), Refusal> {
        if self.kept.len() >= self.most && !self.kept.contains_key(&name) {
            return Err(Refusal::new(
                "54000",
                format!(
                    "a session of this demo keeps at most {} {}s",
                    self.most, self.what
                ),
            ));
        }
        self.kept.insert(name, item);
        Ok(())
    }

    /// Looks it up.
    pub(super) fn find(&self, name: &str) -> Result<&T, Refusal> {
        self.kept.get(name).ok_or_else(|| self.no_such(name))
    }

    /// Takes it away; it may have been gone already.
    pub(super) fn remove(&mut self, name: &str) -> Option<T> {
        self.kept.remove(name)
    }

    /// Refuses a name that is not there.
    pub(super) fn no_such(&self, name: &str) -> Refusal {
        Refusal::new(self.missing, format!("{} \"{name}\" does not exist", self.what))
    }
}
