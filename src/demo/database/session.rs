//! One client's session: which messages lead to which answers. Knows no socket and no clock.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    messages::{Message, Target},
    orders::{Order, Orders},
    prepared::{Portal, Prepared, Shelf, format_of},
    query::{Outcome, Work},
    refusal::Refusal,
    replies::{Replies, Status},
    sql::{Statement, parse},
    values::{Column, Format},
};

/// After so many bytes, the next statement of a simple query is refused: its answer is kept whole before it is sent.
const MAX_ANSWER: usize = 16 << 20;

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    orders: Arc<Orders>,
    read_only: bool,
    transaction: Transaction,
    statements: Shelf<Prepared>,
    portals: Shelf<Portal>,
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
            statements: Shelf::of_statements(),
            portals: Shelf::of_portals(),
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
            if out.0.len() > MAX_ANSWER {
                return Err(Refusal::new("54000", "the answers to this text are too long"));
            }
            let outcome = self.run(&statement, now)?;
            if let Some(columns) = statement.columns() {
                out.columns(&columns, |_| Format::Text);
            }
            outcome.rows.iter().for_each(|row| out.row(row, |_| Format::Text));
            out.complete(&outcome.command());
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
                self.statements.put(name, Prepared::new(&sql, &types)?)?;
                out.parse_complete();
            }
            Message::Bind(bind) => {
                let portal = self.statements.find(&bind.statement)?.bind(&bind)?;
                self.portals.put(bind.portal, portal)?;
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

    fn describe(&self, target: &Target, out: &mut Replies) -> Result<(), Refusal> {
        let (columns, formats): (Option<Vec<Column>>, &[Format]) = match target {
            Target::Statement(name) => {
                let prepared = self.statements.find(name)?;
                out.parameters(&prepared.types);
                (prepared.statement.columns(), &[])
            }
            Target::Portal(name) => {
                let portal = self.portals.find(name)?;
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
        // Taken out while it runs, because running needs the session; a portal that fails is gone.
        let mut portal = self
            .portals
            .remove(name)
            .ok_or_else(|| self.portals.no_such(name))?;
        if !portal.has_run() {
            portal.take(self.run(&portal.statement, now)?);
        }
        portal.give(max_rows, out);
        self.portals.put(name.to_owned(), portal)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::messages::Bind, super::prepared::MAX_PORTALS, *};

    fn session(items: usize) -> Session {
        let orders = Arc::new(Orders::new());
        let ordered = (0..items).map(|_| Order {
            id: orders.next_id(),
            item: "x".repeat(200),
            quantity: 1,
            created: Timestamp::UNIX_EPOCH,
        });
        orders.commit(ordered.collect());
        Session::new(orders, false)
    }

    /// The letters of the messages that answer.
    fn answers(session: &mut Session, messages: Vec<Message>) -> String {
        let mut out = Replies::default();
        for message in messages {
            session.handle(message, Timestamp::UNIX_EPOCH, &mut out);
        }
        let (mut letters, mut rest) = (String::new(), &out.0[..]);
        while let [kind, a, b, c, d, ..] = *rest {
            letters.push(char::from(kind));
            rest = &rest[1 + u32::from_be_bytes([a, b, c, d]) as usize..];
        }
        letters
    }

    fn parse(name: &str, sql: &str) -> Message {
        Message::Parse {
            name: name.into(),
            sql: sql.into(),
            types: vec![],
        }
    }

    fn bind(portal: &str) -> Message {
        Message::Bind(Bind {
            portal: portal.into(),
            statement: String::new(),
            parameter_formats: vec![],
            parameters: vec![],
            result_formats: vec![],
        })
    }

    fn execute(max_rows: usize) -> Message {
        Message::Execute {
            portal: String::new(),
            max_rows,
        }
    }

    #[test]
    fn each_message_has_its_answer() {
        let mut session = session(3);
        let check = |session: &mut Session, messages, expected| {
            assert_eq!(answers(session, messages), expected);
        };
        let describe = |target: fn(String) -> Target| Message::Describe(target(String::new()));
        check(
            &mut session,
            vec![Message::Query("select 1; begin".into())],
            "TDCCZ",
        );
        check(&mut session, vec![Message::Query(" ; ".into())], "IZ");
        let ask = parse("", "select id from orders");
        check(
            &mut session,
            vec![ask, describe(Target::Statement), Message::Sync],
            "1tTZ",
        );
        let pieces = vec![
            bind(""),
            describe(Target::Portal),
            execute(2),
            execute(2),
            Message::Sync,
        ];
        check(&mut session, pieces, "2TDDsDCZ");
        let nothing = vec![
            parse("", ""),
            bind(""),
            describe(Target::Portal),
            execute(0),
            Message::Sync,
        ];
        check(&mut session, nothing, "12nIZ");
        check(
            &mut session,
            vec![Message::Close(Target::Statement(String::new()))],
            "3",
        );
    }

    #[test]
    fn after_an_error_everything_is_skipped_until_the_sync() {
        let mut session = session(0);
        let group = vec![parse("", "nonsense"), bind(""), execute(0), Message::Sync];
        assert_eq!(answers(&mut session, group), "EZ");
        assert_eq!(
            answers(&mut session, vec![parse("", "select 1"), Message::Sync]),
            "1Z"
        );
    }

    #[test]
    fn what_a_session_keeps_has_a_limit() {
        let mut session = session(0);
        let mut messages = vec![parse("", "select 1")];
        messages.extend((0..MAX_PORTALS).map(|n| bind(&n.to_string())));
        assert!(!answers(&mut session, messages).contains('E'));
        assert_eq!(answers(&mut session, vec![bind("one more")]), "E");
    }

    #[test]
    fn a_text_that_asks_for_too_much_is_cut_short() {
        let mut session = session(5000);
        let greedy = "select * from orders;".repeat(1000);
        let letters = answers(&mut session, vec![Message::Query(greedy)]);
        assert!(letters.ends_with("CEZ"));
        assert!(letters.len() < 100 * 5000);
    }
}
