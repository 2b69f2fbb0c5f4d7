//! What statements do: the columns they promise, the rows they give, the orders they write.
//! Transactions are the session's.

use jiff::Timestamp;

use super::{
    orders::{Order, Orders, Pick},
    refusal::Refusal,
    sql::{Field, Filter, NewOrder, Statement},
    values::{Cell, Column, Kind, Value},
};

/// The version that clients are told; the part that they parse is a real one.
pub(super) const SERVER_VERSION: &str = "15.0 (chaosproxy demo)";

/// The longest item; ours are a word or two.
const MAX_ITEM: usize = 200;

/// How many orders one transaction may hold back until its commit.
const MAX_PENDING: usize = 1000;

/// What a statement gave.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) rows: Vec<Vec<Cell>>,
    /// What was done: `SELECT`, `INSERT 0`, ...
    pub(super) tag: &'static str,
    /// How many orders were given or written; none where the tag says no number.
    pub(super) count: Option<usize>,
}

/// What a statement works on: the table, and what its transaction has not committed yet.
pub(super) struct Work<'a> {
    pub(super) orders: &'a Orders,
    pub(super) pending: &'a mut Vec<Order>,
    pub(super) read_only: bool,
    pub(super) now: Timestamp,
}

impl Outcome {
    /// What was done, as `CommandComplete` says it: `SELECT 3`, `BEGIN`.
    pub(super) fn command(&self) -> String {
        match self.count {
            Some(count) => format!("{} {count}", self.tag),
            None => self.tag.to_owned(),
        }
    }
}

impl Statement {
    /// The columns of its rows; `None` where it gives no rows.
    pub(super) fn columns(&self) -> Option<Vec<Column>> {
        let one = |name, kind| Some(vec![Column { name, kind }]);
        match self {
            Self::Literal(n) => one("?column?", literal(*n).kind()),
            Self::Version => one("version", Kind::Text),
            Self::Show(_) => one("setting", Kind::Text),
            Self::Count(_) => one("count", Kind::Int8),
            Self::Select(fields, _) => Some(columns(fields)),
            Self::Insert(_, returning) if !returning.is_empty() => Some(columns(returning)),
            _ => None,
        }
    }

    /// The types of its parameters, in order.
    pub(super) fn parameters(&self) -> Vec<Kind> {
        let mut kinds = Vec::new();
        self.clone().each_value(|value, kind| {
            if let Value::Parameter(place) = value {
                let place = usize::from(*place);
                kinds.resize(kinds.len().max(place), Kind::Text);
                if let Some(slot) = place.checked_sub(1).and_then(|at| kinds.get_mut(at)) {
                    *slot = kind;
                }
            }
        });
        kinds
    }

    /// Puts values in the place of parameters.
    pub(super) fn bind(mut self, values: &[Value]) -> Self {
        self.each_value(|value, _| {
            if let Value::Parameter(place) = value
                && let Some(given) = usize::from(*place).checked_sub(1).and_then(|at| values.get(at))
            {
                *value = given.clone();
            }
        });
        self
    }

    fn each_value(&mut self, mut visit: impl FnMut(&mut Value, Kind)) {
        match self {
            Self::Count(filter) | Self::Select(_, filter) => {
                filter.id.iter_mut().for_each(|id| visit(id, Kind::Int8));
                filter.limit.iter_mut().for_each(|limit| visit(limit, Kind::Int8));
            }
            Self::Insert(rows, _) => rows.iter_mut().for_each(|row| {
                visit(&mut row.item, Kind::Text);
                visit(&mut row.quantity, Kind::Int4);
            }),
            _ => {}
        }
    }

    /// Does it. Begin, commit and rollback change the session and not the table: here they give no rows.
    pub(super) fn run(&self, work: &mut Work<'_>) -> Result<Outcome, Refusal> {
        let outcome = |tag| Outcome {
            tag,
            ..Outcome::default()
        };
        match self {
            Self::Empty => Ok(outcome("")),
            Self::Begin => Ok(outcome("BEGIN")),
            Self::Commit => Ok(outcome("COMMIT")),
            Self::Rollback => Ok(outcome("ROLLBACK")),
            Self::Set => Ok(outcome("SET")),
            Self::Show(name) => show(name, work.read_only),
            Self::Literal(n) => Ok(selected(vec![vec![literal(*n)]])),
            Self::Version => Ok(selected(vec![vec![Cell::Text(format!(
                "PostgreSQL {SERVER_VERSION}"
            ))]])),
            Self::Count(filter) => count(filter, work),
            Self::Select(fields, filter) => {
                let orders = picked(filter, work)?;
                Ok(selected(
                    orders.iter().map(|order| cells(order, fields)).collect(),
                ))
            }
            Self::Insert(rows, returning) => insert(rows, returning, work),
        }
    }
}

/// An integer is four bytes wide unless it needs more.
fn literal(n: i64) -> Cell {
    i32::try_from(n).map_or(Cell::Int8(n), Cell::Int4)
}

fn columns(fields: &[Field]) -> Vec<Column> {
    let column = |field: &Field| Column {
        name: field.name(),
        kind: match field {
            Field::Id => Kind::Int8,
            Field::Item => Kind::Text,
            Field::Quantity => Kind::Int4,
            Field::Created => Kind::Time,
        },
    };
    fields.iter().map(column).collect()
}

fn cells(order: &Order, fields: &[Field]) -> Vec<Cell> {
    let cell = |field: &Field| match field {
        Field::Id => Cell::Int8(order.id),
        Field::Item => Cell::Text(order.item.clone()),
        Field::Quantity => Cell::Int4(order.quantity),
        Field::Created => Cell::Time(order.created),
    };
    fields.iter().map(cell).collect()
}

fn selected(rows: Vec<Vec<Cell>>) -> Outcome {
    Outcome {
        count: Some(rows.len()),
        rows,
        tag: "SELECT",
    }
}

fn show(name: &str, read_only: bool) -> Result<Outcome, Refusal> {
    let on_a_replica = if read_only { "on" } else { "off" };
    let setting = match name {
        "server_version" => SERVER_VERSION,
        "transaction_read_only" | "default_transaction_read_only" | "in_hot_standby" => on_a_replica,
        "standard_conforming_strings" => "on",
        "client_encoding" | "server_encoding" => "UTF8",
        "timezone" => "UTC",
        "transaction" | "transaction_isolation" => "read committed",
        _ => {
            return Err(Refusal {
                hint: Some(super::sql::HINT),
                ..Refusal::new(
                    "42704",
                    format!("unrecognized configuration parameter \"{name}\""),
                )
            });
        }
    };
    let rows = vec![vec![Cell::Text(setting.to_owned())]];
    Ok(Outcome {
        rows,
        tag: "SHOW",
        count: None,
    })
}

fn count(filter: &Filter, work: &Work<'_>) -> Result<Outcome, Refusal> {
    let everything = Filter {
        limit: None,
        ..filter.clone()
    };
    let count = picked(&everything, work)?.len();
    let cell = Cell::Int8(i64::try_from(count).expect("the table is bounded"));
    let rows = match filter_limit(filter)? {
        Some(0) => Vec::new(),
        _ => vec![vec![cell]],
    };
    Ok(selected(rows))
}

/// The orders of the table and of this transaction that the filter lets through.
fn picked(filter: &Filter, work: &Work<'_>) -> Result<Vec<Order>, Refusal> {
    let id = match &filter.id {
        Some(value) => match value.integer()? {
            Some(id) => Some(id),
            None => return Ok(Vec::new()), // nothing equals NULL
        },
        None => None,
    };
    let pick = Pick {
        id,
        descending: filter.descending,
        limit: filter_limit(filter)?,
    };
    let mut orders = work.orders.select(pick);
    if !work.pending.is_empty() {
        let ours = work
            .pending
            .iter()
            .filter(|order| id.is_none_or(|id| order.id == id));
        orders.extend(ours.cloned());
        orders.sort_by_key(|order| order.id);
        if pick.descending {
            orders.reverse();
        }
        orders.truncate(pick.limit.unwrap_or(usize::MAX));
    }
    Ok(orders)
}

/// The limit; NULL is none, as in PostgreSQL.
fn filter_limit(filter: &Filter) -> Result<Option<usize>, Refusal> {
    let Some(limit) = filter.limit.as_ref().map(Value::integer).transpose()?.flatten() else {
        return Ok(None);
    };
    match usize::try_from(limit) {
        Ok(limit) => Ok(Some(limit)),
        Err(_) => Err(Refusal::new("2201W", "LIMIT must not be negative")),
    }
}

fn insert(rows: &[NewOrder], returning: &[Field], work: &mut Work<'_>) -> Result<Outcome, Refusal> {
    if work.read_only {
        return Err(Refusal::new(
            "25006",
            "cannot execute INSERT in a read-only transaction",
        ));
    }
    if work.pending.len() + rows.len() > MAX_PENDING {
        return Err(Refusal::new(
            "54000",
            format!("a transaction of this demo writes at most {MAX_PENDING} orders"),
        ));
    }
    // All are read before the first is written: a statement happens whole or not at all.
    let read = rows
        .iter()
        .map(item_and_quantity)
        .collect::<Result<Vec<_>, _>>()?;
    let written = work.pending.len();
    work.pending
        .extend(read.into_iter().map(|(item, quantity)| Order {
            id: work.orders.next_id(),
            item,
            quantity,
            created: work.now,
        }));
    let rows = match returning {
        [] => Vec::new(),
        fields => work.pending[written..]
            .iter()
            .map(|order| cells(order, fields))
            .collect(),
    };
    Ok(Outcome {
        rows,
        tag: "INSERT 0",
        count: Some(work.pending.len() - written),
    })
}

fn item_and_quantity(new: &NewOrder) -> Result<(String, i32), Refusal> {
    let not_null = |column| {
        Refusal::new(
            "23502",
            format!("null value in column \"{column}\" of relation \"orders\" violates not-null constraint"),
        )
    };
    let item = new.item.text()?.ok_or_else(|| not_null("item"))?;
    let quantity = new.quantity.integer()?.ok_or_else(|| not_null("quantity"))?;
    if item.chars().count() > MAX_ITEM {
        return Err(Refusal::new(
            "22001",
            format!("value too long for type character varying({MAX_ITEM})"),
        ));
    }
    match i32::try_from(quantity) {
        Ok(quantity) => Ok((item, quantity)),
        Err(_) => Err(Refusal::new("22003", "integer out of range")),
    }
}
