//! One client's session: which messages lead to which answers. Knows no socket and no clock.

use std::{collections::HashMap, sync::Arc, vec};

use jiff::Timestamp;

use super::{
    messages::{Bind, Message, Target},
    orders::{Order, Orders},
    query::{Outcome, Work},
    refusal::Refusal,
    replies::{Replies, Status},
    sql::{Statement, parse},
    values::{Cell, Column, Format, Kind, Value},
};

/// How many prepared statements, and how many portals, one session may keep.
const MAX_PREPARED: usize = 256;

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    orders: Arc<Orders>,
    read_only: bool,
    transaction: Transaction,
    statements: HashMap<String, Arc<Prepared>>,
    portals: HashMap<String, Portal>,
    /// After an error in an extended query, everything up to the next `Sync` is skipped.
    skipping: bool,
}

/// Where the session stands between `begin` and `commit`.
#[derive(Debug)]
enum Transaction {
    None,
    /// What was written and is not yet in the table.
    Open(Vec<Order>),
    Failed,
}

#[derive(Debug)]
struct Prepared {
    statement: Statement,
    types: Vec<u32>,
}

/// A statement with its parameters, and the rows that it still has to give.
#[derive(Debug)]
struct Portal {
    statement: Statement,
    formats: Vec<Format>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    rows: vec::IntoIter<Vec<Cell>>,
    tag: &'static str,
    count: Option<usize>,
}

/// Whether the session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    GoOn,
    End,
}

impl Session {
    /// A session on this table.
    pub(super) fn new(orders: Arc<Orders>, read_only: bool) -> Self {
        Self {
            orders,
            read_only,
            transaction: Transaction::None,
            statements: HashMap::new(),
            portals: HashMap::new(),
            skipping: false,
        }
    }

    /// What `ReadyForQuery` says.
    pub(super) fn status(&self) -> Status {
        match self.transaction {
            Transaction::None => Status::Idle,
            Transaction::Open(_) => Status::InTransaction,
            Transaction::Failed => Status::Failed,
        }
    }

    /// Answers one message.
    pub(super) fn handle(&mut self, message: Message, now: Timestamp, out: &mut Replies) -> Next {
        match message {
            Message::Terminate => return Next::End,
            Message::Sync => {
                self.skipping = false;
                self.portals.remove("");
                out.ready(self.status());
            }
            _ if self.skipping => {}
            Message::Query(sql) => self.simple(&sql, now, out),
            extended => {
                if let Err(refusal) = self.extended(extended, now, out) {
                    self.fail(&refusal, out);
                    self.skipping = true;
                }
            }
        }
        Next::GoOn
    }

    fn fail(&mut self, refusal: &Refusal, out: &mut Replies) {
        out.error(refusal);
        if !matches!(self.transaction, Transaction::None) {
            self.transaction = Transaction::Failed;
        }
    }

    fn simple(&mut self, sql: &str, now: Timestamp, out: &mut Replies) {
        if let Err(refusal) = self.all_of(sql, now, out) {
            self.fail(&refusal, out);
        }
        out.ready(self.status());
    }

    /// Runs the statements of a simple query up to the first error. Unlike PostgreSQL's, each commits by itself
    /// where no transaction is open.
    fn all_of(&mut self, sql: &str, now: Timestamp, out: &mut Replies) -> Result<(), Refusal> {
        let statements = parse(sql)?;
        if statements.is_empty() {
            out.empty_query();
        }
        for statement in statements {
            let outcome = self.run(&statement, now)?;
            if let Some(columns) = statement.columns() {
                out.columns(&columns, |_| Format::Text);
            }
            outcome.rows.iter().for_each(|row| out.row(row, |_| Format::Text));
            out.complete(&tag(outcome.tag, outcome.count));
        }
        Ok(())
    }

    /// Runs a statement in the transaction that is open, or in one of its own.
    fn run(&mut self, statement: &Statement, now: Timestamp) -> Result<Outcome, Refusal> {
        let mut own = Vec::new();
        let (pending, autocommit) = match &mut self.transaction {
            Transaction::None => (&mut own, true),
            Transaction::Open(pending) => (pending, false),
            Transaction::Failed => return self.leave_failed(statement),
        };
        let mut work = Work {
            orders: &self.orders,
            pending,
            read_only: self.read_only,
            now,
        };
        let outcome = statement.run(&mut work)?;
        if autocommit {
            self.orders.commit(own);
        }
        match statement {
            Statement::Begin if autocommit => self.transaction = Transaction::Open(Vec::new()),
            Statement::Commit => self.commit(),
            Statement::Rollback => self.transaction = Transaction::None,
            _ => {}
        }
        Ok(outcome)
    }

    fn commit(&mut self) {
        if let Transaction::Open(pending) = std::mem::replace(&mut self.transaction, Transaction::None) {
            self.orders.commit(pending);
        }
    }

    /// After an error only the end of the transaction is heard, and it is a rollback whatever it is called.
    fn leave_failed(&mut self, statement: &Statement) -> Result<Outcome, Refusal> {
        if !matches!(statement, Statement::Commit | Statement::Rollback) {
            return Err(Refusal::new(
                "25P02",
                "current transaction is aborted, commands ignored until end of transaction block",
            ));
        }
        self.transaction = Transaction::None;
        Ok(Outcome {
            tag: "ROLLBACK",
            ..Outcome::default()
        })
    }

    fn extended(&mut self, message: Message, now: Timestamp, out: &mut Replies) -> Result<(), Refusal> {
        match message {
            Message::Parse { name, sql, types } => {
                let prepared = Arc::new(Prepared::new(&sql, &types)?);
                keep(&mut self.statements, name, prepared)?;
                out.parse_complete();
            }
            Message::Bind(bind) => {
                let portal = self.bind(&bind)?;
                keep(&mut self.portals, bind.portal, portal)?;
                out.bind_complete();
            }
            Message::Describe(target) => self.describe(&target, out)?,
            Message::Execute { portal, max_rows } => self.execute(&portal, max_rows, now, out)?,
            Message::Close(target) => {
                match target {
                    Target::Statement(name) => drop(self.statements.remove(&name)),
                    Target::Portal(name) => drop(self.portals.remove(&name)),
                }
                out.close_complete();
            }
            // Whatever is said is sent once no more messages wait, so there is nothing to flush.
            Message::Flush | Message::Query(_) | Message::Sync | Message::Terminate => {}
        }
        Ok(())
    }

    fn bind(&self, bind: &Bind) -> Result<Portal, Refusal> {
        let prepared = find(&self.statements, &bind.statement, "26000", "prepared statement")?;
        if bind.parameters.len() != prepared.types.len() {
            return Err(Refusal::new(
                "08P01",
                format!(
                    "bind message supplies {} parameters, but prepared statement \"{}\" requires {}",
                    bind.parameters.len(),
                    bind.statement,
                    prepared.types.len()
                ),
            ));
        }
        let values = bind
            .parameters
            .iter()
            .zip(&prepared.types)
            .enumerate()
            .map(|(at, (bytes, oid))| {
                Value::read(bytes.as_ref(), *oid, format_of(&bind.parameter_formats, at))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Portal {
            statement: prepared.statement.clone().bind(&values),
            formats: bind.result_formats.clone(),
            running: None,
        })
    }

    fn describe(&self, target: &Target, out: &mut Replies) -> Result<(), Refusal> {
        let (columns, formats): (Option<Vec<Column>>, &[Format]) = match target {
            Target::Statement(name) => {
                let prepared = find(&self.statements, name, "26000", "prepared statement")?;
                out.parameters(&prepared.types);
                (prepared.statement.columns(), &[])
            }
            Target::Portal(name) => {
                let portal = find(&self.portals, name, "34000", "portal")?;
                (portal.statement.columns(), &portal.formats)
            }
        };
        match columns {
            Some(columns) => out.columns(&columns, |at| format_of(formats, at)),
            None => out.no_data(),
        }
        Ok(())
    }

    fn execute(
        &mut self,
        name: &str,
        max_rows: usize,
        now: Timestamp,
        out: &mut Replies,
    ) -> Result<(), Refusal> {
        // Taken out while it runs, because running needs the session.
        let mut portal = self
            .portals
            .remove(name)
            .ok_or_else(|| missing("34000", "portal", name))?;
        let running = match portal.running.take() {
            Some(running) => running,
            None => Running::from(self.run(&portal.statement, now)?),
        };
        let portal = self
            .portals
            .entry(name.to_owned())
            .insert_entry(portal)
            .into_mut();
        portal.give(running, max_rows, out);
        Ok(())
    }
}

impl Prepared {
    /// Reads the one statement; types that the client leaves open follow from the columns.
    fn new(sql: &str, types: &[u32]) -> Result<Self, Refusal> {
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
}

impl From<Outcome> for Running {
    fn from(outcome: Outcome) -> Self {
        Self {
            rows: outcome.rows.into_iter(),
            tag: outcome.tag,
            count: outcome.count,
        }
    }
}

impl Portal {
    /// Gives up to `max_rows` rows, 0 for all, and keeps the rest for the next `Execute`.
    fn give(&mut self, mut running: Running, max_rows: usize, out: &mut Replies) {
        if self.statement == Statement::Empty {
            return out.empty_query();
        }
        let max_rows = if max_rows == 0 { usize::MAX } else { max_rows };
        for row in running.rows.by_ref().take(max_rows) {
            out.row(&row, |at| format_of(&self.formats, at));
        }
        if running.rows.len() > 0 {
            out.suspended();
        } else {
            out.complete(&tag(running.tag, running.count));
        }
        self.running = Some(running);
    }
}

/// No code means text, one is for all, else each has its own.
fn format_of(formats: &[Format], at: usize) -> Format {
    match formats {
        [all] => *all,
        each => each.get(at).copied().unwrap_or_default(),
    }
}

fn tag(tag: &str, count: Option<usize>) -> String {
    match count {
        Some(count) => format!("{tag} {count}"),
        None => tag.to_owned(),
    }
}

fn keep<T>(kept: &mut HashMap<String, T>, name: String, item: T) -> Result<(), Refusal> {
    if kept.len() >= MAX_PREPARED && !kept.contains_key(&name) {
        return Err(Refusal::new(
            "54000",
            format!("a session of this demo keeps at most {MAX_PREPARED} prepared statements and portals"),
        ));
    }
    kept.insert(name, item);
    Ok(())
}

fn find<'a, T>(
    kept: &'a HashMap<String, T>,
    name: &str,
    code: &'static str,
    what: &str,
) -> Result<&'a T, Refusal> {
    kept.get(name).ok_or_else(|| missing(code, what, name))
}

fn missing(code: &'static str, what: &str, name: &str) -> Refusal {
    Refusal::new(code, format!("{what} \"{name}\" does not exist"))
}
